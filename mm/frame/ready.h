/* Frames that a CPU takes before they are asked for.  For the files of
 * mm/frame/ only.
 *
 * A free that has to go to a tree has entered the CPU's section and, as a rule,
 * may use a zone.  If the 2M that the CPU allocates from has no free 4K, this
 * is a good moment to take some: then the next allocation is a fast one.
 */
#ifndef MM_FRAME_READY_H
#define MM_FRAME_READY_H

#include "mm/frame/cpu.h"

/* So many more frees of this CPU get nothing ready. */
static inline uint32_t frame_ready_pause(const struct frame_cpu *cpu)
{
    /* relaxed: as in frame_search_all */
    return __atomic_load_n(&cpu->ready_pause, __ATOMIC_RELAXED);
}

/* In the section: takes what the next allocation of a 4K would get for the
 * CPU's block, whose word has none; if it is at hand, and no 2M has to be split
 * for it. */
void frame_ready(struct frame_cpu *cpu);

#endif
