/* The frame layer FRAMES=plain: the trees behind one lock, and nothing else.
 *
 * A turn has the lock from its begin to its end, so all that it does to the
 * trees is done at one moment.  A handler that interrupted a turn on its CPU,
 * or that may not wait, hears MM_BUSY where another turn has the lock: for a
 * free, too.  So does everyone if a CPU keeps the lock for too long.
 *
 * All calls of mm/frame.h are served; what CPUs keep is nothing. */
#include "mm/frame/ways.h"

enum mm_error frame_try_alloc(enum frame_size size, paddr_t *frame)
{
    struct frame_turn turn;
    *frame = PADDR_NONE;
    if (size > FRAME_1G)
        return MM_BAD_ARGUMENT;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    error = frame_take(&turn, size, frame);
    frame_turn_end(&turn);
    return error;
}

paddr_t frame_alloc(enum frame_size size)
{
    paddr_t frame;
    return frame_try_alloc(size, &frame) == MM_OK ? frame : PADDR_NONE;
}

enum mm_error frame_free(paddr_t frame)
{
    struct frame_turn turn;
    struct frame_place place;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    error = frame_put(&turn, frame, &place);
    frame_turn_end(&turn);
    return error;
}
