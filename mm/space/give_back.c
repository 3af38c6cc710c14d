/* The list of frames that wait: see mm/space/give_back.h. */
#include "mm/space/give_back.h"

#include <stdbool.h>

#include "lib/assert.h"
#include "mm/frame.h"
#include "mm/platform.h"

static paddr_t first_waiting = PADDR_NONE;

static paddr_t *next_of(paddr_t frame)
{
    return phys_to_virt(frame);
}

static void put_off(paddr_t frame)
{
    paddr_t first = __atomic_load_n(&first_waiting, __ATOMIC_RELAXED);
    do
        *next_of(frame) = first;
    /* release: with the acquire below, what the frame holds of the list */
    while (!__atomic_compare_exchange_n(&first_waiting, &first, frame, false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

static bool is_done(paddr_t frame)
{
    enum mm_error error = frame_free(frame);
    ASSERT(error == MM_OK || error == MM_BUSY, "frame 0x%lx: %s", frame,
           mm_error_name(error));
    return error == MM_OK;
}

/* Takes the whole list, so that a frame is in the hands of one CPU.  After a
 * frame that is refused the others are not tried: that may take long. */
void give_back_waiting(void)
{
    if (__atomic_load_n(&first_waiting, __ATOMIC_RELAXED) == PADDR_NONE)
        return;
    paddr_t frame =
        __atomic_exchange_n(&first_waiting, PADDR_NONE, __ATOMIC_ACQUIRE);
    bool busy = false;
    while (frame != PADDR_NONE) {
        paddr_t next = *next_of(frame);
        busy = busy || !is_done(frame);
        if (busy)
            put_off(frame);
        frame = next;
    }
}

enum mm_error give_back(paddr_t frame)
{
    enum mm_error error = frame_free(frame);
    if (error == MM_OK)
        give_back_waiting();
    if (error != MM_BUSY)
        return error;
    put_off(frame);
    return MM_OK;
}
