/* Allocating and freeing: the fast paths, and what lies behind them. */
#include "mm/frame.h"

#include <stddef.h>

#include "lib/bits.h"
#include "mm/frame_change.h"
#include "mm/frame_cpu.h"
#include "mm/frame_low.h"
#include "mm/frame_search.h"
#include "mm/frame_tree_blocks.h"
#include "mm/frame_zone.h"
#include "mm/platform.h"

enum mm_error frame_init(struct memory_map *map, paddr_t limit)
{
    frame_cpus.count = 0;
    frame_changes = (struct frame_changes){0};
    enum mm_error error = frame_zones_init(map, limit);
    if (error == MM_OK)
        error = frame_cpus_init(map, limit);
    if (error != MM_OK)
        return error;
    frame_low_init(map);
    frame_zones_give(); /* what the map still has now */
    frame_cpus.count = platform_cpu_count();
    return MM_OK;
}

uint64_t frame_bytes(enum frame_size size)
{
    return SIZE_4K << (9 * size);
}

/* ---- Straight from the trees ---- */

static uint32_t take_from(struct frame_tree *tree, enum frame_size size)
{
    switch (size) {
    case FRAME_4K:
        return frame_tree_alloc_4k(tree);
    case FRAME_2M:
        return frame_tree_alloc_2m(tree);
    case FRAME_1G:
        return frame_tree_alloc_1g(tree);
    }
    return FRAME_NONE;
}

/* Under the zone's lock. */
static paddr_t take_locked(struct frame_zone *zone, enum frame_size size)
{
    uint32_t number = take_from(&zone->tree, size);
    if (number == FRAME_NONE)
        return PADDR_NONE;
    frame_zone_add_free(zone, -(INT64_C(1) << 9 * size));
    return frame_address(zone, number);
}

struct wanted {
    enum frame_size size;
    paddr_t frame;
};

static bool take_wanted(struct frame_zone *zone, void *context)
{
    struct wanted *wanted = context;
    wanted->frame = take_locked(zone, wanted->size);
    return wanted->frame != PADDR_NONE;
}

/* For who cannot enter its CPU's section. */
static paddr_t take(struct frame_call call, enum frame_size size)
{
    struct wanted wanted = {size, PADDR_NONE};
    frame_search(call, size, take_wanted, &wanted);
    return wanted.frame;
}

/* When the trees have none.  A handler that interrupted a call has the reserve
 * in place of a search. */
static enum mm_error take_last(struct frame_call call, enum frame_size size,
                               paddr_t *frame)
{
    struct wanted wanted = {size, PADDR_NONE};
    enum mm_error error = frame_search_all(call, size, take_wanted, &wanted);
    if (error == MM_BUSY && size == FRAME_4K)
        wanted.frame = frame_reserve_take(call.cpu);
    *frame = wanted.frame;
    return wanted.frame != PADDR_NONE ? MM_OK : error;
}

/* ---- Allocating ---- */

/* A frame of the block's word; PADDR_NONE if there is none. */
static inline paddr_t pop(struct frame_block *block)
{
    uint64_t bits = frame_word_get(block->word);
    if (__builtin_expect(bits == 0, 0))
        return PADDR_NONE;
    paddr_t frame = block->word_base + word_lowest(bits) * SIZE_4K;
    frame_word_set(block->word, bits & (bits - 1));
    return frame;
}

/* The lowest word that has a frame is the block's from now on; false if none
 * has. */
static bool find_word(struct frame_block *block)
{
    const uint64_t *words = block->free.words;
    uint64_t any = 0;
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        any |= frame_word_get(&words[w]);
    if (any == 0)
        return false;
    unsigned w = 0;
    while (frame_word_get(&words[w]) == 0)
        w++;
    frame_block_use(block, block->base, w);
    return true;
}

/* Under the zone's lock, when frame number n was just taken: all other 4Ks of
 * its 2M for the block. */
static __attribute__((noinline)) void
take_rest(struct frame_cpu *cpu, struct frame_zone *zone, uint32_t n)
{
    uint32_t i = n / FRAMES_PER_2M;
    paddr_t base = frame_address(zone, i * FRAMES_PER_2M);
    if (frame_block_is_owned(zone, i, base))
        return;
    frame_block_drop(&cpu->alloc);
    struct set512 taken;
    frame_tree_take_rest(&zone->tree, i, &taken);
    frame_reserve_fill(cpu, zone, i, &taken);
    frame_block_own(&cpu->alloc, zone, i, &taken);
}

/* Under the zone's lock: a 4K, and more for the block if its 2M has more.  What
 * was freed into the CPU's other block comes before a 2M is split. */
static paddr_t refill_locked(struct frame_cpu *cpu, struct frame_zone *zone)
{
    if (cpu->free.zone == zone && set512_is_empty(&zone->tree.some_4k_in_1g))
        frame_block_drop(&cpu->free);
    uint32_t n = frame_tree_alloc_4k(&zone->tree);
    if (n == FRAME_NONE)
        return PADDR_NONE;
    frame_zone_add_free(zone, -1);
    if (frame_tree_has_more(&zone->tree, n / FRAMES_PER_2M))
        take_rest(cpu, zone, n);
    return frame_address(zone, n);
}

/* In the section, with nothing left in the block. */
static paddr_t refill(struct frame_call call)
{
    struct frame_cpu *cpu = call.cpu;
    frame_reserve_forget(call);
    for (unsigned k = 0; k < 2 * frame_zone_count(); k++) {
        struct frame_zone *zone = frame_zone_number(cpu, FRAME_4K, k);
        if (zone == NULL ||
            (frame_zone_free(zone) == 0 && cpu->free.zone != zone))
            continue;
        /* take_rest drops it under the lock of this zone */
        if (cpu->alloc.zone != zone && !frame_drop_block(call, &cpu->alloc))
            continue;
        if (!frame_lock(call, &zone->lock))
            continue;
        paddr_t frame = refill_locked(cpu, zone);
        frame_unlock(call, &zone->lock);
        if (frame != PADDR_NONE)
            return frame;
    }
    return PADDR_NONE;
}

/* In the section. */
static paddr_t alloc_4k(struct frame_call call)
{
    return find_word(&call.cpu->alloc) ? pop(&call.cpu->alloc) : refill(call);
}

/* The large frame that this CPU had last, if it was freed since. */
static inline paddr_t take_kept(struct frame_cpu *cpu, enum frame_size size)
{
    if (size > FRAME_1G)
        return PADDR_NONE;
    struct frame_large *last = &cpu->large[size - FRAME_2M];
    if (!last->kept)
        return PADDR_NONE;
    /* relaxed: as with a block's words */
    __atomic_store_n(&last->kept, false, __ATOMIC_RELAXED);
    return last->frame;
}

/* In the section: one from the trees. */
static paddr_t alloc_large(struct frame_call call, enum frame_size size)
{
    struct frame_large *last = &call.cpu->large[size - FRAME_2M];
    for (unsigned k = 0; k < 2 * frame_zone_count(); k++) {
        struct frame_zone *zone = frame_zone_number(call.cpu, size, k);
        if (zone == NULL || frame_zone_free(zone) == 0)
            continue;
        if (frame_large_zone(last) != zone && !frame_drop_large(call, last))
            continue;
        if (!frame_lock(call, &zone->lock))
            continue;
        frame_large_drop(last);
        paddr_t frame = take_locked(zone, size);
        if (frame != PADDR_NONE)
            frame_large_own(last, frame_place_of(frame), frame, size);
        frame_unlock(call, &zone->lock);
        if (frame != PADDR_NONE)
            return frame;
    }
    return PADDR_NONE;
}

static enum mm_error finish_alloc(struct frame_call call, enum frame_size size,
                                  paddr_t *frame)
{
    enum mm_error error = MM_OK;
    if (size > FRAME_1G)
        error = MM_BAD_ARGUMENT;
    else if (*frame == PADDR_NONE)
        error = take_last(call, size, frame);
    frame_call_end(call);
    return error;
}

/* The rest of a call that is in its section, which it leaves. */
static enum mm_error alloc_inside(struct frame_cpu *cpu, enum frame_size size,
                                  paddr_t *frame)
{
    struct frame_call call = frame_call_begin(cpu);
    if (size == FRAME_4K)
        *frame = alloc_4k(call);
    else if (size <= FRAME_1G)
        *frame = alloc_large(call, size);
    cpu_section_leave(&cpu->section);
    return finish_alloc(call, size, frame);
}

/* The rest of a call that may not enter its section. */
static enum mm_error alloc_outside(struct frame_cpu *cpu, enum frame_size size,
                                   paddr_t *frame)
{
    struct frame_call call = frame_call_begin(cpu);
    *frame = take(call, size);
    return finish_alloc(call, size, frame);
}

/* The same for callers who do not ask for the reason. */
static __attribute__((noinline)) paddr_t
alloc_slow(struct frame_cpu *cpu, enum frame_size size, bool inside)
{
    paddr_t frame = PADDR_NONE;
    (void)(inside ? alloc_inside(cpu, size, &frame)
                  : alloc_outside(cpu, size, &frame));
    return frame;
}

paddr_t frame_alloc(enum frame_size size)
{
    uint32_t number = platform_cpu();
    if (__builtin_expect(number >= frame_cpus.count, 0))
        return PADDR_NONE;
    struct frame_cpu *cpu = &frame_cpus.cpu[number];
    if (__builtin_expect(!cpu_section_enter(&cpu->section), 0))
        return alloc_slow(cpu, size, false);
    paddr_t frame;
    if (__builtin_expect(size == FRAME_4K, 1))
        frame = pop(&cpu->alloc);
    else
        frame = take_kept(cpu, size);
    if (__builtin_expect(frame == PADDR_NONE, 0))
        return alloc_slow(cpu, size, true);
    cpu_section_leave(&cpu->section);
    return frame;
}

enum mm_error frame_try_alloc(enum frame_size size, paddr_t *frame)
{
    *frame = PADDR_NONE;
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return frame_no_cpu();
    if (!cpu_section_enter(&cpu->section))
        return alloc_outside(cpu, size, frame);
    *frame = size == FRAME_4K ? pop(&cpu->alloc) : take_kept(cpu, size);
    if (*frame == PADDR_NONE)
        return alloc_inside(cpu, size, frame);
    cpu_section_leave(&cpu->section);
    return MM_OK;
}

/* ---- Freeing ---- */

/* True: the frame is one of the block's, was held, and is free now.  Else the
 * tree has the answer. */
static inline bool push(struct frame_block *block, paddr_t frame)
{
    /* the number of the 4K in the 2M, and large if it is not one */
    paddr_t offset = frame - block->base;
    uint64_t n = offset >> SHIFT_4K | offset << (64 - SHIFT_4K);
    if (n >= FRAMES_PER_2M)
        return false;
    uint64_t *word = &block->free.words[n / 64];
    uint64_t bits = frame_word_get(word), bit = UINT64_C(1) << n % 64;
    /* what another CPU freed is in the leaf */
    uint64_t not_held = bits | block->barred.words[n / 64] |
                        frame_glance(&block->leaf->words[n / 64]);
    if (__builtin_expect((not_held & bit) != 0, 0))
        return false;
    frame_word_set(word, bits | bit);
    return true;
}

/* Whether this is the large frame that the CPU allocated last, and is still
 * held as that: then it is kept. */
static inline __attribute__((always_inline)) bool
keep_large(struct frame_large *large, paddr_t frame)
{
    if (large->frame != frame || large->kept)
        return false;
    uint64_t all = frame_glance(&large->below->words[0]);
    for (unsigned w = 1; w < SET512_WORDS; w++)
        all &= frame_glance(&large->below->words[w]);
    if (all != UINT64_MAX || frame_glance(large->word) & large->bit)
        return false;
    /* relaxed: as with a block's words */
    __atomic_store_n(&large->kept, true, __ATOMIC_RELAXED);
    return true;
}

/* The second free in a row into one 2M: it becomes the CPU's own, so that the
 * next ones stay with it. */
static __attribute__((noinline)) enum mm_error
own_and_free(struct frame_call call, struct frame_place place, paddr_t frame)
{
    struct frame_block *block = &call.cpu->free;
    uint32_t i = place.number / FRAMES_PER_2M;
    if (!frame_drop_block(call, block) || !frame_lock(call, &place.zone->lock))
        return MM_BUSY;
    enum mm_error error = MM_OK;
    struct frame_tree *tree = &place.zone->tree;
    if (frame_tree_state(tree, place.number) != FRAME_HELD_4K ||
        frame_block_is_owned(place.zone, i, align_down(frame, SIZE_2M))) {
        error = frame_put_locked(place, frame);
    } else if (frame_is_kept(place, frame)) {
        error = MM_NOT_HELD;
    } else {
        struct set512 taken;
        frame_tree_take_rest(tree, i, &taken);
        set512_add(&taken, place.number % FRAMES_PER_2M);
        frame_zone_add_free(place.zone, 1);
        frame_block_own(block, place.zone, i, &taken);
    }
    frame_unlock(call, &place.zone->lock);
    return error;
}

static enum mm_error finish_free(struct frame_call call, paddr_t frame,
                                 enum mm_error error)
{
    if (error == MM_BUSY && frame_defer(call.cpu, frame))
        error = MM_OK;
    if (error == MM_RESERVED)
        error = frame_low_free(frame);
    frame_call_end(call);
    return error;
}

/* The rest of a call that is in its section, which it leaves. */
static __attribute__((noinline)) enum mm_error
free_inside(struct frame_cpu *cpu, paddr_t frame)
{
    struct frame_call call = frame_call_begin(cpu);
    struct frame_place place;
    enum mm_error error = frame_find_place(frame, &place);
    if (error == MM_OK) {
        paddr_t block = align_down(frame, SIZE_2M);
        if (block == cpu->last_free) {
            error = own_and_free(call, place, frame);
        } else {
            cpu->last_free = block;
            error = frame_put(call, place, frame);
        }
    }
    cpu_section_leave(&cpu->section);
    return finish_free(call, frame, error);
}

/* What is in no block may be the last large frame. */
static __attribute__((noinline)) enum mm_error
free_elsewhere(struct frame_cpu *cpu, paddr_t frame)
{
    if (!is_aligned(frame, SIZE_2M) || (!keep_large(&cpu->large[0], frame) &&
                                        !keep_large(&cpu->large[1], frame)))
        return free_inside(cpu, frame);
    cpu_section_leave(&cpu->section);
    return MM_OK;
}

/* The rest of a call that may not enter its section. */
static __attribute__((noinline)) enum mm_error
free_outside(struct frame_cpu *cpu, paddr_t frame)
{
    struct frame_call call = frame_call_begin(cpu);
    struct frame_place place;
    enum mm_error error = frame_find_place(frame, &place);
    if (error == MM_OK)
        error = frame_put(call, place, frame);
    return finish_free(call, frame, error);
}

enum mm_error frame_free(paddr_t frame)
{
    uint32_t number = platform_cpu();
    if (__builtin_expect(number >= frame_cpus.count, 0))
        return frame_no_cpu();
    struct frame_cpu *cpu = &frame_cpus.cpu[number];
    if (__builtin_expect(!cpu_section_enter(&cpu->section), 0))
        return free_outside(cpu, frame);
    if (__builtin_expect(!push(&cpu->alloc, frame), 0) &&
        !push(&cpu->free, frame))
        return free_elsewhere(cpu, frame);
    cpu_section_leave(&cpu->section);
    return MM_OK;
}

/* ---- Asking ---- */

enum frame_state frame_state(paddr_t address)
{
    struct frame_cpu *cpu = frame_this_cpu();
    struct frame_place place;
    if (cpu == NULL || !frame_find_zone(address, &place))
        return FRAME_OUTSIDE;
    struct frame_call call = frame_call_begin(cpu);
    bool locked = frame_lock(call, &place.zone->lock);
    enum frame_state state = frame_tree_state(&place.zone->tree, place.number);
    if (state != FRAME_AVAILABLE && frame_is_kept_anywhere(address))
        state = FRAME_AVAILABLE;
    if (locked)
        frame_unlock(call, &place.zone->lock);
    frame_call_end(call);
    return state;
}
