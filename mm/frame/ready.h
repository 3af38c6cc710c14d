/* Frames that are at hand before they are asked for: for the files mm/frame/
 * only.
 *
 * A free that has to go to a tree has the CPU's section and, as a rule, a zone.
 * If the CPU's block is empty, that is the moment to fill it again: the next
 * allocation, for which somebody waits, is then a fast one.
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
