/* Searching zone after zone for a frame.  For the files of mm/frame/ only. */
#ifndef MM_FRAME_SEARCH_H
#define MM_FRAME_SEARCH_H

#include "lib/bits.h"
#include "mm/frame/cpu.h"

/* Tries to serve from one zone, whose lock is held. */
typedef bool frame_attempt(struct frame_zone *zone, void *context);

/* The zone that comes k-th for this CPU, k from 0 to 2 * frame_zone_count() -
 * 1: from its home on, those of its node in the first half and the others in
 * the second; NULL where a zone comes in the other half, or is uncached.  Small
 * frames go up from there and large ones down: as inside a tree. */
static inline struct frame_zone *
frame_zone_number(const struct frame_cpu *cpu, enum frame_size size, unsigned k)
{
    unsigned count = frame_zone_count();
    unsigned home = size == FRAME_4K ? cpu->home.small : cpu->home.large;
    bool near = k < count;
    unsigned steps = near ? k : k - count;
    unsigned i = size == FRAME_4K ? home + steps : home + count - steps;
    struct frame_zone *zone = &frame_zones.zone[i < count ? i : i - count];
    unsigned node = frame_zones.zone[home].node;
    bool fits = near ? zone->node == node
                     : zone->node != node && zone->node != FRAME_NODE_UNCACHED;
    return fits ? zone : NULL;
}

/* One zone after the other, as the CPU goes for frames of that size; true as
 * soon as an attempt is.  Leaves out zones that look empty, and those that are
 * locked if the call may not wait.  What is uncached comes last, and only when
 * nothing else is left: so who uses it up need not stop the others each time. */
bool frame_search(struct frame_call call, enum frame_size size,
                  frame_attempt *attempt, void *context);

/* All zones at one moment, after what CPUs keep was given back: so what is not
 * found is not there, and uncached memory is used only where no other serves.
 *   MM_OUT_OF_MEMORY  no attempt was true
 *   MM_BUSY           the same, but a CPU did not give back what it keeps, or a
 *                     zone could not be had; or nothing was tried, for the call
 *                     came in the middle of another */
enum mm_error frame_search_all(struct frame_call call, enum frame_size size,
                               frame_attempt *attempt, void *context);

/* The one, and then the other. */
enum mm_error frame_find(enum frame_size size, frame_attempt *attempt,
                         void *context);

/* What a call on a CPU without a number, or before frame_init, is told. */
enum mm_error frame_no_cpu(void);

/* Whether a frame may be asked for by this address, and where it is:
 * MM_MISALIGNED, MM_OUT_OF_RANGE, MM_RESERVED. */
static inline enum mm_error frame_find_place(paddr_t frame,
                                             struct frame_place *place)
{
    if (!is_aligned(frame, SIZE_4K))
        return MM_MISALIGNED;
    if (!frame_find_zone(frame, place))
        return MM_OUT_OF_RANGE;
    return frame_is_reserved(*place, frame) ? MM_RESERVED : MM_OK;
}

#endif
