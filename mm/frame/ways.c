#include "mm/frame/ways.h"

#include "lib/bits.h"
#include "mm/frame/low.h"
#include "mm/frame/owned.h"

uint64_t frame_bytes(enum frame_size size)
{
    return SIZE_4K << (9 * size);
}

struct wanted {
    enum frame_size size;
    paddr_t frame;
};

static bool take_wanted(struct frame_zone *zone, void *context)
{
    struct wanted *wanted = context;
    uint32_t n = frame_zone_take(zone, wanted->size);
    if (n == FRAME_NONE)
        return false;
    wanted->frame = frame_zone_hand_out(zone, n, wanted->size);
    return true;
}

enum mm_error frame_take(struct frame_turn *turn, enum frame_size size,
                         paddr_t *frame)
{
    struct wanted wanted = {size, PADDR_NONE};
    enum mm_error error = frame_search(turn, size, take_wanted, &wanted);
    *frame = wanted.frame;
    return error;
}

enum mm_error frame_where(paddr_t frame, struct frame_place *place)
{
    if (!is_aligned(frame, SIZE_4K))
        return MM_MISALIGNED;
    return frame_find(frame, place) ? MM_OK : MM_OUT_OF_RANGE;
}

enum mm_error frame_lock_place(const struct frame_turn *turn, paddr_t frame,
                               struct frame_place *place)
{
    enum mm_error error = frame_where(frame, place);
    if (error != MM_OK)
        return error;
    if (!frame_turn_lock(turn, place->zone))
        return MM_BUSY;
    if (frame_zone_has(*place))
        return MM_OK;
    frame_turn_unlock(turn, place->zone); /* it went meanwhile */
    return MM_OUT_OF_RANGE;
}

enum mm_error frame_put(const struct frame_turn *turn, paddr_t frame,
                        struct frame_place *place)
{
    if (frame < FRAME_LOW_END && is_aligned(frame, SIZE_4K))
        return frame_low_free(frame);
    enum mm_error error = frame_lock_place(turn, frame, place);
    if (error != MM_OK)
        return error;
    error = frame_zone_put(*place, frame);
    frame_turn_unlock(turn, place->zone);
    return error;
}
