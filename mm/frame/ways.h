/* The ways through the trees that both layers take.  For the files of mm/frame/
 * only. */
#ifndef MM_FRAME_WAYS_H
#define MM_FRAME_WAYS_H

#include "mm/frame/turn.h"

/* A frame of that size from whatever zone has one: errors of frame_try_alloc.
 */
enum mm_error frame_take(struct frame_turn *turn, enum frame_size size,
                         paddr_t *frame);

/* Whether an address is one of a frame, and where: MM_MISALIGNED,
 * MM_OUT_OF_RANGE. */
enum mm_error frame_where(paddr_t frame, struct frame_place *place);

/* Where a frame is, with its zone's lock, if the answer is MM_OK.  MM_BUSY: the
 * lock could not be had; *place is set. */
enum mm_error frame_lock_place(const struct frame_turn *turn, paddr_t frame,
                               struct frame_place *place);

/* Frees a frame into its tree: errors of frame_free, MM_BUSY as above. */
enum mm_error frame_put(const struct frame_turn *turn, paddr_t frame,
                        struct frame_place *place);

#endif
