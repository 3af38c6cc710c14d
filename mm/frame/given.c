/* Frames that the caller chooses, or says something about: a given one, the
 * parts of one, one below a limit, some in a row. */
#include "mm/frame.h"

#include <stddef.h>

#include "mm/frame/change.h"
#include "mm/frame/low.h"
#include "mm/frame/search.h"
#include "mm/tree/blocks.h"

/* ---- A given frame ---- */

struct given {
    enum frame_size size;
    struct frame_place place;
};

static bool reserve_in(struct frame_zone *zone, void *context)
{
    struct given *given = context;
    if (zone != given->place.zone ||
        !frame_tree_reserve(&zone->tree, given->place.number, given->size))
        return false;
    frame_zone_add_free(zone, -(INT64_C(1) << 9 * given->size));
    return true;
}

/* The trees first.  A 4K that no CPU keeps is then known to be held; of a
 * larger frame some CPU may keep a part. */
static enum mm_error reserve(struct frame_call call, struct given *given,
                             paddr_t frame)
{
    struct frame_zone *zone = given->place.zone;
    if (!frame_lock(call, zone))
        return MM_BUSY;
    bool taken = reserve_in(zone, given);
    bool hopeless =
        !taken && given->size == FRAME_4K && !frame_is_kept_anywhere(frame);
    frame_unlock(call, zone);
    if (taken)
        return MM_OK;
    if (hopeless)
        return MM_NOT_FREE;
    enum mm_error error =
        frame_search_all(call, given->size, reserve_in, given);
    return error == MM_OUT_OF_MEMORY ? MM_NOT_FREE : error;
}

enum mm_error frame_reserve(paddr_t frame, enum frame_size size)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return frame_no_cpu();
    if (size > FRAME_1G)
        return MM_BAD_ARGUMENT;
    if (!is_aligned(frame, frame_bytes(size)))
        return MM_MISALIGNED;
    struct given given = {.size = size};
    enum mm_error error = frame_find_place(frame, &given.place);
    if (error != MM_OK)
        return error;
    struct frame_call call = frame_call_begin(cpu);
    error = reserve(call, &given, frame);
    frame_call_end(call);
    return error;
}

/* ---- Its parts ---- */

static enum mm_error split_locked(struct frame_place place, paddr_t frame)
{
    if (frame_is_kept_anywhere(frame))
        return MM_NOT_HELD;
    if (frame_tree_split(&place.zone->tree, place.number))
        return MM_OK;
    switch (frame_tree_state(&place.zone->tree, place.number)) {
    case FRAME_AVAILABLE:
        return MM_NOT_HELD;
    case FRAME_HELD_4K:
        return MM_TOO_SMALL;
    default:
        return MM_INSIDE_LARGER;
    }
}

enum mm_error frame_split(paddr_t frame)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return frame_no_cpu();
    struct frame_place place;
    enum mm_error error = frame_find_place(frame, &place);
    if (error != MM_OK)
        return error;
    struct frame_call call = frame_call_begin(cpu);
    if (frame_lock(call, place.zone)) {
        error = split_locked(place, frame);
        frame_unlock(call, place.zone);
    } else {
        error = MM_BUSY;
    }
    frame_call_end(call);
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
    frame_zone_add_free(zone, -(INT64_C(1) << 9 * low->size));
    low->frame = frame_address(zone, n);
    return true;
}

enum mm_error frame_alloc_below(enum frame_size size, paddr_t limit,
                                paddr_t *frame)
{
    *frame = PADDR_NONE;
    if (size > FRAME_1G)
        return MM_BAD_ARGUMENT;
    if (limit <= FRAME_LOW_END && size == FRAME_4K &&
        frame_this_cpu() != NULL) {
        *frame = frame_low_alloc(limit);
        return *frame != PADDR_NONE ? MM_OK : MM_OUT_OF_MEMORY;
    }
    struct low low = {size, limit, PADDR_NONE};
    enum mm_error error = frame_find(FRAME_4K, take_below, &low);
    if (error == MM_OUT_OF_MEMORY && size == FRAME_4K) {
        low.frame = frame_low_alloc(limit);
        error = low.frame != PADDR_NONE ? MM_OK : error;
    }
    *frame = low.frame;
    return error;
}

/* ---- In a row ---- */

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
    zone->run_block = n / FRAMES_PER_2M;
    frame_zone_add_free(zone, -(INT64_C(1) << run->order));
    run->first = frame_address(zone, n);
    return true;
}

enum mm_error frame_alloc_run(unsigned order, paddr_t *first)
{
    *first = PADDR_NONE;
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return frame_no_cpu();
    if (order > FRAME_RUN_ORDER_MAX)
        return MM_BAD_ARGUMENT;
    struct run run = {order, false, PADDR_NONE};
    struct frame_call call = frame_call_begin(cpu);
    enum mm_error error = MM_OK;
    if (!frame_search(call, FRAME_4K, take_run, &run)) {
        run.everywhere = true;
        error = frame_search_all(call, FRAME_4K, take_run, &run);
    }
    frame_call_end(call);
    *first = run.first;
    return error;
}

static enum mm_error free_run_locked(struct frame_place place, paddr_t first,
                                     unsigned order)
{
    struct frame_zone *zone = place.zone;
    uint32_t i = place.number / FRAMES_PER_2M, end = 1u << order;
    for (uint32_t n = 0; n < end; n++) {
        struct frame_place one = {zone, place.number + n};
        paddr_t frame = first + n * SIZE_4K;
        if (frame_is_reserved(one, frame))
            return MM_RESERVED;
        if (frame_is_kept(one, frame))
            return MM_NOT_HELD;
        enum frame_state state = frame_tree_state(&zone->tree, one.number);
        if (state != FRAME_HELD_4K)
            return state == FRAME_AVAILABLE ? MM_NOT_HELD : MM_INSIDE_LARGER;
    }
    struct set512 given;
    unsigned member = place.number % FRAMES_PER_2M;
    set512_clear(&given);
    set512_add_range(&given, member, member + end);
    frame_tree_put_block(&zone->tree, i, &given);
    frame_zone_add_free(zone, end);
    frame_change_catch(place, first, end * SIZE_4K);
    return MM_OK;
}

enum mm_error frame_free_run(paddr_t first, unsigned order)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return frame_no_cpu();
    if (order > FRAME_RUN_ORDER_MAX)
        return MM_BAD_ARGUMENT;
    if (!is_aligned(first, SIZE_4K << order))
        return MM_MISALIGNED;
    struct frame_place place;
    enum mm_error error = frame_find_place(first, &place);
    if (error != MM_OK)
        return error;
    struct frame_call call = frame_call_begin(cpu);
    if (frame_lock(call, place.zone)) {
        error = free_run_locked(place, first, order);
        frame_unlock(call, place.zone);
    } else {
        error = MM_BUSY;
    }
    frame_call_end(call);
    return error;
}
