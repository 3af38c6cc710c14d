/* Frames that the caller chooses, or says something about: a given one, the
 * parts of one, one below a limit. */
#include "mm/frame.h"

#include "lib/bits.h"
#include "mm/frame/low.h"
#include "mm/frame/owned.h"
#include "mm/frame/ways.h"
#include "mm/tree/blocks.h"

/* ---- A given frame ---- */

/* Out of its tree.  MM_NOT_FREE: a caller has a part of it, or a CPU keeps a
 * part; *kept says whether that may be. */
static enum mm_error reserve(const struct frame_turn *turn, paddr_t frame,
                             enum frame_size size, bool *kept)
{
    struct frame_place place;
    enum mm_error error = frame_lock_place(turn, frame, &place);
    if (error != MM_OK)
        return error;
    enum frame_mark mark = frame_mark_get(place.mark);
    if (mark == MARK_ALIEN || mark == MARK_RETIRED) {
        error = MM_RESERVED;
    } else if (frame_tree_reserve(&place.zone->tree, place.number, size)) {
        frame_zone_count_taken(place.zone, UINT64_C(1) << 9 * size);
        frame_mark_set(place.mark, frame_mark_of(size));
    } else {
        error = MM_NOT_FREE;
        *kept = mark == MARK_NONE;
    }
    frame_turn_unlock(turn, place.zone);
    return error;
}

static enum mm_error reserve_gathered(struct frame_turn *turn, paddr_t frame,
                                      enum frame_size size)
{
    bool kept;
    enum frame_gathered gathered = frame_turn_gather(turn);
    if (gathered == FRAME_GATHERED_NOT)
        return MM_BUSY;
    enum mm_error error = reserve(turn, frame, size, &kept);
    frame_turn_release(turn);
    return error == MM_NOT_FREE && gathered == FRAME_GATHERED_SOME ? MM_BUSY
                                                                   : error;
}

enum mm_error frame_reserve(paddr_t frame, enum frame_size size)
{
    struct frame_turn turn;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    bool kept = false;
    if (size > FRAME_1G)
        error = MM_BAD_ARGUMENT;
    else if (!is_aligned(frame, frame_bytes(size)))
        error = MM_MISALIGNED;
    else
        error = reserve(&turn, frame, size, &kept);
    if (kept)
        error = reserve_gathered(&turn, frame, size);
    frame_turn_end(&turn);
    return error;
}

/* ---- Its parts ---- */

static enum mm_error split_locked(struct frame_place place, paddr_t frame)
{
    enum frame_mark mark = frame_mark_get(place.mark);
    if (mark == MARK_4K)
        return MM_TOO_SMALL;
    if (mark != MARK_2M && mark != MARK_1G)
        return frame_zone_why_not(place, frame);
    frame_tree_split(&place.zone->tree, place.number);
    unsigned step = mark == MARK_2M ? 1 : FRAMES_PER_2M;
    /* what is broken may be in any of the 2Ms */
    bool part = mark == MARK_1G && place.zone->to_retire != 0;
    for (unsigned k = 0; k < SET512_MEMBERS; k++) {
        frame_mark_set(&place.mark[k * step], mark - 1);
        frame_mark_set_part(&place.mark[k * step], part);
    }
    return MM_OK;
}

enum mm_error frame_split(paddr_t frame)
{
    struct frame_turn turn;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    struct frame_place place;
    error = frame_lock_place(&turn, frame, &place);
    if (error == MM_OK) {
        error = split_locked(place, frame);
        frame_turn_unlock(&turn, place.zone);
    }
    frame_turn_end(&turn);
    return error;
}

/* ---- Below a limit ---- */

struct low {
    enum frame_size size;
    paddr_t limit, frame;
};

/* Frames of the zone that lie below the limit: they come first in its tree. */
static uint32_t frames_below(const struct frame_zone *zone, paddr_t limit)
{
    uint32_t g = 0;
    while (g < zone->tree.gib_count &&
           (paddr_t)(zone->gibs[g] + 1) << SHIFT_1G <= limit)
        g++;
    uint32_t frames = g * FRAMES_PER_1G;
    if (g < zone->tree.gib_count && (paddr_t)zone->gibs[g] << SHIFT_1G < limit)
        frames += (uint32_t)(limit % SIZE_1G / SIZE_4K);
    return frames;
}

static bool take_below(struct frame_zone *zone, void *context)
{
    struct low *low = context;
    uint32_t n = frame_tree_lowest(&zone->tree, low->size,
                                   frames_below(zone, low->limit));
    if (n == FRAME_NONE || !frame_tree_reserve(&zone->tree, n, low->size))
        return false;
    frame_zone_count_taken(zone, UINT64_C(1) << 9 * low->size);
    low->frame = frame_zone_hand_out(zone, n, low->size);
    return true;
}

static enum mm_error alloc_below(struct frame_turn *turn, enum frame_size size,
                                 paddr_t limit, paddr_t *frame)
{
    struct low low = {size, limit, PADDR_NONE};
    enum mm_error error = MM_OUT_OF_MEMORY;
    if (limit > FRAME_LOW_END || size != FRAME_4K)
        error = frame_search(turn, FRAME_4K, take_below, &low);
    if (error == MM_OUT_OF_MEMORY && size == FRAME_4K)
        low.frame = frame_low_alloc(limit);
    *frame = low.frame;
    return low.frame != PADDR_NONE ? MM_OK : error;
}

enum mm_error frame_alloc_below(enum frame_size size, paddr_t limit,
                                paddr_t *frame)
{
    *frame = PADDR_NONE;
    if (size > FRAME_1G)
        return MM_BAD_ARGUMENT;
    struct frame_turn turn;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    error = alloc_below(&turn, size, limit, frame);
    frame_turn_end(&turn);
    return error;
}
