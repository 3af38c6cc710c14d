/* Frames in a row. */
#include "mm/frame.h"

#include "lib/bits.h"
#include "mm/frame/owned.h"
#include "mm/frame/ways.h"
#include "mm/tree/blocks.h"

struct run {
    unsigned order;
    bool everywhere; /* in each 2M that is split, before another is */
    paddr_t first;
};

static uint32_t run_from(struct frame_zone *zone, uint32_t i, unsigned order)
{
    if (i == BLOCK_NONE || !frame_tree_has_more(&zone->tree, i))
        return FRAME_NONE;
    return frame_tree_take_run(&zone->tree, i, order);
}

/* Out of the 2M that gave the last one; out of the lowest that is split; out of
 * one that is whole. */
static uint32_t find_run(struct frame_zone *zone, const struct run *run)
{
    struct frame_tree *tree = &zone->tree;
    uint32_t n = run_from(zone, zone->run_block, run->order);
    uint32_t lowest = frame_tree_lowest(tree, FRAME_4K, FRAME_NONE);
    if (n == FRAME_NONE && lowest != FRAME_NONE)
        n = run_from(zone, lowest / FRAMES_PER_2M, run->order);
    for (uint32_t i = 0; n == FRAME_NONE && run->everywhere; i++) {
        i = frame_tree_next_split(tree, i);
        if (i == BLOCK_NONE)
            break;
        n = run_from(zone, i, run->order);
    }
    if (n != FRAME_NONE)
        return n;
    uint32_t whole = frame_tree_lowest(tree, FRAME_2M, FRAME_NONE);
    if (whole == FRAME_NONE)
        return FRAME_NONE;
    return frame_tree_break_run(tree, whole / FRAMES_PER_2M, run->order);
}

static bool take_run(struct frame_zone *zone, void *context)
{
    struct run *run = context;
    uint32_t n = find_run(zone, run);
    if (n == FRAME_NONE)
        return false;
    uint32_t frames = UINT32_C(1) << run->order;
    zone->run_block = n / FRAMES_PER_2M;
    frame_zone_count_taken(zone, frames);
    run->first = frame_address(zone, n);
    frame_zone_mark(frame_place_of(run->first).mark, frames, MARK_4K);
    return true;
}

enum mm_error frame_alloc_run(unsigned order, paddr_t *first)
{
    *first = PADDR_NONE;
    struct frame_turn turn;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    struct run run = {order, false, PADDR_NONE};
    if (order > FRAME_RUN_ORDER_MAX) {
        error = MM_BAD_ARGUMENT;
    } else if (!frame_search_trees(&turn, FRAME_4K, take_run, &run)) {
        run.everywhere = true;
        error = frame_search(&turn, FRAME_4K, take_run, &run);
    }
    frame_turn_end(&turn);
    *first = run.first;
    return error;
}

/* Nothing changes unless all of them are a caller's. */
static enum mm_error free_run_locked(struct frame_place place, paddr_t first,
                                     unsigned count)
{
    for (unsigned k = 0; k < count; k++) {
        struct frame_place one = {place.zone, place.number + k, place.mark + k};
        enum frame_mark mark = frame_mark_get(one.mark);
        if (mark == MARK_2M || mark == MARK_1G)
            return MM_INSIDE_LARGER;
        if (mark != MARK_4K)
            return frame_zone_why_not(one, first + k * SIZE_4K);
    }
    if (place.zone->to_retire != 0) {
        for (unsigned k = 0; k < count; k++) {
            struct frame_place one = {place.zone, place.number + k,
                                      place.mark + k};
            (void)frame_zone_put(one, first + k * SIZE_4K);
        }
        return MM_OK;
    }
    struct set512 given;
    unsigned member = place.number % FRAMES_PER_2M;
    set512_clear(&given);
    set512_add_range(&given, member, member + count);
    frame_zone_mark(place.mark, count, MARK_NONE);
    frame_zone_return_many(place.zone, place.number / FRAMES_PER_2M, &given);
    return MM_OK;
}

enum mm_error frame_free_run(paddr_t first, unsigned order)
{
    struct frame_turn turn;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    struct frame_place place;
    if (order > FRAME_RUN_ORDER_MAX)
        error = MM_BAD_ARGUMENT;
    else if (!is_aligned(first, SIZE_4K << order))
        error = MM_MISALIGNED;
    else
        error = frame_lock_place(&turn, first, &place);
    if (error == MM_OK) {
        error = free_run_locked(place, first, 1u << order);
        frame_turn_unlock(&turn, place.zone);
    }
    frame_turn_end(&turn);
    return error;
}
