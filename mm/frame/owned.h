/* What is done to a zone by whoever has its lock.  For the files of mm/frame/
 * only: each call needs the lock of the zone that it is about. */
#ifndef MM_FRAME_OWNED_H
#define MM_FRAME_OWNED_H

#include "mm/frame/zone.h"

/* Counts frames that the tree has from now on, or has no more. */
static inline void frame_zone_count_put(struct frame_zone *zone,
                                        uint64_t frames)
{
    /* relaxed, here and below: the lock orders those who count */
    __atomic_store_n(&zone->free_frames, frame_zone_free(zone) + frames,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&zone->puts,
                     __atomic_load_n(&zone->puts, __ATOMIC_RELAXED) + 1,
                     __ATOMIC_RELAXED);
}

static inline void frame_zone_count_taken(struct frame_zone *zone,
                                          uint64_t frames)
{
    __atomic_store_n(&zone->free_frames, frame_zone_free(zone) - frames,
                     __ATOMIC_RELAXED);
}

/* Takes a frame of that size out of the tree, without a mark: its number, or
 * FRAME_NONE. */
uint32_t frame_zone_take(struct frame_zone *zone, enum frame_size size);

/* Marks frame number n, which was taken, as a caller's: its address. */
paddr_t frame_zone_hand_out(struct frame_zone *zone, uint32_t n,
                            enum frame_size size);

/* Gives a frame without a mark back to the tree, which holds it in this size.
 */
void frame_zone_return(struct frame_zone *zone, uint32_t n,
                       enum frame_size size);

/* The same for 4Ks of 2M number i. */
void frame_zone_return_many(struct frame_zone *zone, uint32_t i,
                            const struct set512 *frames);

/* Frees a caller's frame.  Errors of frame_free, by its mark. */
enum mm_error frame_zone_put(struct frame_place place, paddr_t frame);

/* Which of those errors it is, for a frame that is no caller's. */
enum mm_error frame_zone_why_not(struct frame_place place, paddr_t frame);

/* What frame_state says of an address: exact under the lock. */
enum frame_state frame_zone_state(struct frame_place place, paddr_t address);

/* Writes count marks. */
void frame_zone_mark(uint8_t *mark, uint64_t count, enum frame_mark value);

/* Makes frames available that are held as 4Ks in the tree and alien: number n
 * and the next count - 1, in one GiB. */
void frame_zone_give(struct frame_zone *zone, uint32_t n, uint8_t *mark,
                     uint32_t count);

#endif
