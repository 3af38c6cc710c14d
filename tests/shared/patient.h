/* Frames for tests on many CPUs.  MM_BUSY may only mean that the host does not
 * run a CPU for a while, which so gives up nothing of what it keeps: then who
 * asks again is served, however slow the machine. */
#ifndef TESTS_SHARED_PATIENT_H
#define TESTS_SHARED_PATIENT_H

#include "mm/frame.h"

/* Each try waits for CPU_SECTION_PATIENCE by itself. */
#define PATIENT_TRIES 100

static inline enum mm_error patient_try_alloc(enum frame_size size,
                                              paddr_t *frame)
{
    enum mm_error error = MM_BUSY;

    for (unsigned i = 0; error == MM_BUSY && i < PATIENT_TRIES; i++)
        error = frame_try_alloc(size, frame);
    return error;
}

static inline paddr_t patient_alloc(enum frame_size size)
{
    paddr_t frame;

    return patient_try_alloc(size, &frame) == MM_OK ? frame : PADDR_NONE;
}

static inline enum mm_error patient_free(paddr_t frame)
{
    enum mm_error error = MM_BUSY;

    for (unsigned i = 0; error == MM_BUSY && i < PATIENT_TRIES; i++)
        error = frame_free(frame);
    return error;
}

#endif
