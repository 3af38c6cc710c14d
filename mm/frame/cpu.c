#include "mm/frame/cpu.h"

#include <stddef.h>

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/frame/change.h"
#include "mm/platform.h"
#include "mm/tree/blocks.h"

/* The leaf of a block that has no 2M: no free fits into it. */
static const struct set512 all_free = {{UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                        UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                        UINT64_MAX, UINT64_MAX}};

static void set_address(paddr_t *where, paddr_t address)
{
    /* relaxed: stored under the lock of the zone, where others read it */
    __atomic_store_n(where, address, __ATOMIC_RELAXED);
}

static paddr_t get_address(const paddr_t *where)
{
    return __atomic_load_n(where, __ATOMIC_RELAXED);
}

/* Nothing of the block is free. */
static inline void block_has_none(struct frame_block *block)
{
    set_address(&block->base, PADDR_NONE);
    block->zone = NULL;
    block->leaf = &all_free;
    block->word = &block->free.words[0];
}

/* Whether this CPU is in the middle of a call, which the code that asks has
 * interrupted. */
static bool is_inside(void)
{
    unsigned number = platform_cpu();
    if (number >= frame_cpus.count)
        return false;
    const struct frame_cpu *cpu = &frame_cpus.cpu[number];
    /* relaxed: only this CPU stores these */
    return __atomic_load_n(&cpu->depth, __ATOMIC_RELAXED) != 0 ||
           frame_is_inside(cpu);
}

enum mm_error frame_cpus_init(struct memory_map *map, paddr_t limit)
{
    unsigned count = platform_cpu_count();
    /* a CPU's own lines */
    uint64_t freed_bytes = align_up(frame_zones.count * sizeof(uint32_t), 64);
    uint64_t bytes = count * (sizeof(struct frame_cpu) + freed_bytes);
    cpu_order_inside = is_inside;
    frame_cpus.cpu = frame_zones_take(map, bytes, limit);
    if (frame_cpus.cpu == NULL)
        return MM_OUT_OF_MEMORY;
    memset(frame_cpus.cpu, 0, bytes);
    char *freed = (char *)(frame_cpus.cpu + count);
    for (unsigned i = 0; i < count; i++) {
        struct frame_cpu *cpu = &frame_cpus.cpu[i];
        cpu->freed = (uint32_t *)(freed + i * freed_bytes);
        cpu->self = i + 1;
        cpu->home = frame_zones_home(i);
        block_has_none(&cpu->alloc);
        block_has_none(&cpu->free);
        cpu->large[0].frame = cpu->large[1].frame = PADDR_NONE;
        cpu->last_free = PADDR_NONE;
        memset(cpu->reserve, 0xff, sizeof(cpu->reserve)); /* PADDR_NONE */
        memset(cpu->reserve_counted, 0xff, sizeof(cpu->reserve_counted));
        memset(cpu->deferred, 0xff, sizeof(cpu->deferred));
    }
    return MM_OK;
}

/* ---- What is kept, by all CPUs ---- */

static uint16_t *kept_count(struct frame_zone *zone, uint32_t number)
{
    return &zone->kept[number / FRAMES_PER_2M % FRAME_ZONE_KEPT];
}

static bool block_has(const struct frame_block *block, paddr_t frame)
{
    if (get_address(&block->base) != align_down(frame, SIZE_2M))
        return false;
    unsigned n = (unsigned)(frame % SIZE_2M / SIZE_4K);
    return frame_word_get(&block->free.words[n / 64]) >> n % 64 & 1;
}

static bool large_has(const struct frame_large *large, paddr_t inside,
                      uint64_t bytes)
{
    return get_address(&large->frame) == align_down(inside, bytes) &&
           __atomic_load_n(&large->kept, __ATOMIC_RELAXED);
}

static bool reserve_has(const struct frame_cpu *cpu, paddr_t frame)
{
    for (unsigned i = 0; i < FRAME_RESERVE; i++)
        if (get_address(&cpu->reserve[i]) == frame)
            return true;
    return false;
}

bool frame_is_kept_anywhere(paddr_t inside)
{
    paddr_t frame = align_down(inside, SIZE_4K);
    for (unsigned i = 0; i < frame_cpus.count; i++) {
        const struct frame_cpu *cpu = &frame_cpus.cpu[i];
        if (block_has(&cpu->alloc, frame) || block_has(&cpu->free, frame) ||
            large_has(&cpu->large[0], frame, SIZE_2M) ||
            large_has(&cpu->large[1], frame, SIZE_1G) ||
            reserve_has(cpu, frame))
            return true;
    }
    return false;
}

bool frame_is_kept(struct frame_place place, paddr_t inside)
{
    return *kept_count(place.zone, place.number) != 0 &&
           frame_is_kept_anywhere(inside);
}

static inline enum mm_error put_locked(struct frame_place place, paddr_t frame)
{
    if (frame_is_kept(place, frame))
        return MM_NOT_HELD;
    enum frame_freed freed = frame_tree_free(&place.zone->tree, place.number);
    switch (freed) {
    case FRAME_FREED_4K:
    case FRAME_FREED_2M:
    case FRAME_FREED_1G:
        frame_zone_add_free(place.zone, INT64_C(1) << 9 * freed);
        frame_change_catch(place, frame, SIZE_4K << 9 * freed);
        return MM_OK;
    case FRAME_NOT_HELD:
        return MM_NOT_HELD;
    case FRAME_INSIDE_2M:
    case FRAME_INSIDE_1G:
        return frame_is_kept_anywhere(frame) ? MM_NOT_HELD : MM_INSIDE_LARGER;
    case FRAME_OUT_OF_RANGE:
        break;
    }
    return MM_OUT_OF_RANGE;
}

enum mm_error frame_put_locked(struct frame_place place, paddr_t frame)
{
    return put_locked(place, frame);
}

enum mm_error frame_put(struct frame_call call, struct frame_place place,
                        paddr_t frame)
{
    __builtin_prefetch(&place.zone->tree.free_4k[place.number / FRAMES_PER_2M]
                            .words[place.number / 64 % SET512_WORDS],
                       1);
    if (!frame_lock(call, place.zone))
        return MM_BUSY;
    enum mm_error error = put_locked(place, frame);
    frame_unlock(call, place.zone);
    return error;
}

/* ---- Blocks ---- */

bool frame_block_is_owned(const struct frame_zone *zone, uint32_t i,
                          paddr_t base)
{
    if (zone->kept[i % FRAME_ZONE_KEPT] == 0)
        return false;
    for (unsigned c = 0; c < frame_cpus.count; c++) {
        const struct frame_cpu *cpu = &frame_cpus.cpu[c];
        if (get_address(&cpu->alloc.base) == base ||
            get_address(&cpu->free.base) == base)
            return true;
    }
    return false;
}

static void bar(struct set512 *barred, paddr_t base, paddr_t frame)
{
    if (align_down(frame, SIZE_2M) == base)
        set512_add(barred, (unsigned)(frame % SIZE_2M / SIZE_4K));
}

static void find_barred(struct set512 *barred, const struct frame_zone *zone,
                        uint32_t i, paddr_t base)
{
    if (frame_is_partly_reserved(zone, i))
        frame_find_reserved(base, barred);
    else
        set512_clear(barred);
    if (zone->kept[i % FRAME_ZONE_KEPT] == 0)
        return;
    for (unsigned c = 0; c < frame_cpus.count; c++) {
        const struct frame_cpu *cpu = &frame_cpus.cpu[c];
        for (unsigned r = 0; r < FRAME_RESERVE; r++)
            bar(barred, base, get_address(&cpu->reserve[r]));
    }
}

void frame_block_own(struct frame_block *block, struct frame_zone *zone,
                     uint32_t i, const struct set512 *taken)
{
    paddr_t base = frame_address(zone, i * FRAMES_PER_2M);
    unsigned first = 0;
    while (first < SET512_WORDS - 1 && taken->words[first] == 0)
        first++;
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        frame_word_set(&block->free.words[w], taken->words[w]);
    frame_block_use(block, base, first);
    block->leaf = &zone->tree.free_4k[i];
    find_barred(&block->barred, zone, i, base);
    set_address(&block->base, base);
    block->zone = zone;
    frame_zone_add_free(zone, -(int64_t)set512_count(taken));
    block->count = kept_count(zone, i * FRAMES_PER_2M);
    ++*block->count;
}

bool frame_block_own_one(struct frame_block *block, struct frame_zone *zone,
                         uint32_t n)
{
    uint32_t i = n / FRAMES_PER_2M;
    paddr_t base = frame_address(zone, i * FRAMES_PER_2M);
    if (frame_block_is_owned(zone, i, base))
        return false;
    frame_block_use(block, base, n / 64 % SET512_WORDS);
    frame_word_set(block->word, UINT64_C(1) << n % 64);
    block->leaf = &zone->tree.free_4k[i];
    find_barred(&block->barred, zone, i, base);
    set_address(&block->base, base);
    block->zone = zone;
    block->count = kept_count(zone, n);
    ++*block->count;
    return true;
}

void frame_block_forget(struct frame_block *block)
{
    --*block->count;
    block_has_none(block);
}

void frame_block_drop(struct frame_block *block)
{
    struct frame_zone *zone = block->zone;
    if (zone == NULL)
        return;
    uint32_t i = (uint32_t)(block->leaf - zone->tree.free_4k);
    struct set512 left;
    for (unsigned w = 0; w < SET512_WORDS; w++) {
        left.words[w] = frame_word_get(&block->free.words[w]);
        frame_word_set(&block->free.words[w], 0);
    }
    frame_tree_put_block(&zone->tree, i, &left);
    frame_zone_add_free(zone, set512_count(&left));
    frame_block_forget(block);
}

static bool is_last_of_any(paddr_t frame)
{
    for (unsigned i = 0; i < frame_cpus.count; i++)
        if (get_address(&frame_cpus.cpu[i].large[0].frame) == frame ||
            get_address(&frame_cpus.cpu[i].large[1].frame) == frame)
            return true;
    return false;
}

bool frame_large_change(struct frame_cpu *cpu, struct frame_large *large,
                        struct frame_place place, paddr_t frame)
{
    uint16_t *kept = kept_count(place.zone, place.number);
    struct frame_zone *zone = large->zone;
    /* not by branches: any of several zones may be at hand */
    if (zone != NULL && !((zone == place.zone) | frame_keeps(cpu, zone)))
        return false;
    if (*kept != 0 && is_last_of_any(frame))
        return false;
    if (zone != NULL)
        --*large->count;
    ++*kept;
    frame_large_point(large, place,
                      large == &cpu->large[0] ? FRAME_2M : FRAME_1G);
    set_address(&large->frame, frame);
    return true;
}

void frame_large_drop(struct frame_large *large)
{
    if (large->zone == NULL)
        return;
    struct frame_place place = frame_place_of(large->frame);
    if (large->kept) {
        enum frame_freed freed =
            frame_tree_free(&place.zone->tree, place.number);
        frame_zone_add_free(place.zone, freed == FRAME_FREED_2M
                                            ? FRAMES_PER_2M
                                            : FRAMES_PER_1G);
    }
    __atomic_store_n(&large->kept, false, __ATOMIC_RELAXED);
    set_address(&large->frame, PADDR_NONE);
    large->zone = NULL;
    --*kept_count(place.zone, place.number);
}

/* ---- For handlers in the middle of a call ---- */

static void set_reserve_was_used(struct frame_cpu *cpu, uint8_t why)
{
    /* relaxed: as in frame_reserve_lacks */
    __atomic_store_n(&cpu->reserve_was_used, why, __ATOMIC_RELAXED);
}

/* A handler's need, which counts for more, is not forgotten for it. */
void frame_reserve_try_later(struct frame_cpu *cpu)
{
    uint8_t none = 0;
    __atomic_compare_exchange_n(&cpu->reserve_was_used, &none,
                                FRAME_RESERVE_GIVEN_BACK, false,
                                __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Under the lock of the frame's zone, and in the CPU's section or while it is
 * stopped: of an empty slot the count goes back too. */
static void reserve_forget(struct frame_cpu *cpu, unsigned r,
                           struct frame_place place)
{
    --*kept_count(place.zone, place.number);
    set_address(&cpu->reserve_counted[r], PADDR_NONE);
    cpu->reserve_is_whole = false;
}

/* The same outside of the section.  A handler in its middle may do it first. */
static void reserve_settle(struct frame_call call, unsigned r)
{
    struct frame_cpu *cpu = call.cpu;
    paddr_t frame = get_address(&cpu->reserve_counted[r]);
    if (frame == PADDR_NONE || get_address(&cpu->reserve[r]) != PADDR_NONE)
        return;
    struct frame_place place = frame_place_of(frame);
    if (!frame_lock(call, place.zone))
        return; /* of a CPU that does not obey: tried again for a handler */
    if (cpu_section_enter(&cpu->section)) {
        if (get_address(&cpu->reserve_counted[r]) == frame &&
            get_address(&cpu->reserve[r]) == PADDR_NONE)
            reserve_forget(cpu, r, place);
        cpu_section_leave(&cpu->section);
    } else {
        set_reserve_was_used(cpu, FRAME_RESERVE_USED);
    }
    frame_unlock(call, place.zone);
}

void frame_reserve_settle(struct frame_call call)
{
    if (!call.may_wait)
        return; /* the interrupted call, or the next one, will */
    set_reserve_was_used(call.cpu, 0);
    for (unsigned r = 0; r < FRAME_RESERVE; r++)
        reserve_settle(call, r);
}

/* Frame number n, which is held, into a slot. */
static void reserve_put(struct frame_cpu *cpu, unsigned r,
                        struct frame_zone *zone, uint32_t n)
{
    paddr_t frame = frame_address(zone, n);
    frame_zone_add_free(zone, -1);
    ++*kept_count(zone, n);
    set_address(&cpu->reserve_counted[r], frame);
    set_address(&cpu->reserve[r], frame);
}

void frame_reserve_complete(struct frame_cpu *cpu, struct frame_zone *zone,
                            uint32_t i, struct set512 *taken)
{
    for (unsigned r = 0; r < FRAME_RESERVE; r++) {
        if (cpu->reserve_counted[r] != PADDR_NONE)
            continue;
        unsigned n = set512_highest(taken);
        if (n == set512_lowest(taken))
            return;
        set512_remove(taken, n);
        reserve_put(cpu, r, zone, i * FRAMES_PER_2M + n);
    }
    cpu->reserve_is_whole = true;
}

/* With frames of 2M number i, which is split. */
static void reserve_fill_from(struct frame_cpu *cpu, struct frame_zone *zone,
                              uint32_t i)
{
    uint32_t first = i * FRAMES_PER_2M;
    if (frame_block_is_owned(zone, i, frame_address(zone, first)))
        return; /* its owner could not tell that they are free */
    for (unsigned r = 0; r < FRAME_RESERVE; r++) {
        if (cpu->reserve_counted[r] != PADDR_NONE)
            continue;
        if (!frame_tree_has_more(&zone->tree, i))
            return;
        uint32_t n = first + set512_lowest(&zone->tree.free_4k[i]);
        frame_tree_take_4k(&zone->tree, n);
        reserve_put(cpu, r, zone, n);
    }
    cpu->reserve_is_whole = true;
}

void frame_reserve_complete_singly(struct frame_cpu *cpu,
                                   struct frame_zone *zone)
{
    const struct frame_tree *tree = &zone->tree;
    if (set512_is_empty(&tree->some_4k_in_1g))
        return;
    uint32_t word = frame_tree_lowest_split(tree) / 64;
    uint64_t bits = tree->some_4k_in_2m->words[word];
    for (; bits != 0 && !cpu->reserve_is_whole; bits &= bits - 1)
        reserve_fill_from(cpu, zone, word * 64 + word_lowest(bits));
}

/* Out of a slot; PADDR_NONE if it was empty. */
static paddr_t slot_take(paddr_t *slot)
{
    /* acquire, and release below: what was done with the frame before */
    return __atomic_exchange_n(slot, PADDR_NONE, __ATOMIC_ACQ_REL);
}

paddr_t frame_reserve_take(struct frame_cpu *cpu)
{
    set_reserve_was_used(cpu, FRAME_RESERVE_USED);
    for (unsigned i = 0; i < FRAME_RESERVE; i++) {
        paddr_t frame = slot_take(&cpu->reserve[i]);
        if (frame != PADDR_NONE)
            return frame;
    }
    return PADDR_NONE;
}

bool frame_defer(struct frame_cpu *cpu, paddr_t frame)
{
    for (unsigned i = 0; i < FRAME_DEFERRED; i++) {
        paddr_t empty = PADDR_NONE;
        if (__atomic_compare_exchange_n(&cpu->deferred[i], &empty, frame, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            /* relaxed: for the call that this handler interrupted */
            __atomic_store_n(&cpu->has_deferred, true, __ATOMIC_RELAXED);
            return true;
        }
    }
    return false;
}

/* ---- Giving back ---- */

bool frame_drop_block(struct frame_call call, struct frame_block *block)
{
    struct frame_zone *zone = block->zone;
    if (zone == NULL)
        return true;
    if (!frame_lock(call, zone))
        return false;
    frame_block_drop(block);
    frame_unlock(call, zone);
    return true;
}

bool frame_drop_large(struct frame_call call, struct frame_large *large)
{
    struct frame_zone *zone = large->zone;
    if (zone == NULL)
        return true;
    if (!frame_lock(call, zone))
        return false;
    frame_large_drop(large);
    frame_unlock(call, zone);
    return true;
}

/* While the CPU is stopped.  The lock first: a frame whose zone cannot be had
 * stays where it is.  A handler may take it meanwhile. */
static bool drop_reserved(struct frame_call call, struct frame_cpu *cpu,
                          unsigned r)
{
    paddr_t frame = cpu->reserve_counted[r];
    if (frame == PADDR_NONE)
        return true;
    struct frame_place place = frame_place_of(frame);
    if (!frame_lock(call, place.zone))
        return false;
    if (slot_take(&cpu->reserve[r]) != PADDR_NONE) {
        enum mm_error error = put_locked(place, frame);
        ASSERT(error == MM_OK, "0x%lx of a reserve: %s", frame,
               mm_error_name(error));
    }
    reserve_forget(cpu, r, place);
    frame_reserve_try_later(cpu);
    frame_unlock(call, place.zone);
    return true;
}

/* False: some of it could not be had, and stays. */
static bool drop_all(struct frame_call call, struct frame_cpu *cpu)
{
    bool all = frame_drop_block(call, &cpu->alloc);
    all &= frame_drop_block(call, &cpu->free);
    all &= frame_drop_large(call, &cpu->large[0]);
    all &= frame_drop_large(call, &cpu->large[1]);
    for (unsigned r = 0; r < FRAME_RESERVE; r++)
        all &= drop_reserved(call, cpu, r);
    return all;
}

/* The lock first, here too.  Another CPU may take the frame first, if it gives
 * all back. */
static void finish_deferred(struct frame_call call, struct frame_cpu *cpu,
                            paddr_t *slot)
{
    paddr_t frame = get_address(slot);
    if (frame == PADDR_NONE)
        return;
    struct frame_place place = frame_place_of(frame);
    if (!frame_lock(call, place.zone)) {
        /* relaxed: as in frame_defer; the next call tries again */
        __atomic_store_n(&cpu->has_deferred, true, __ATOMIC_RELAXED);
        return;
    }
    enum mm_error error = MM_OK;
    paddr_t found = frame;
    if (__atomic_compare_exchange_n(slot, &found, PADDR_NONE, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        error = put_locked(place, frame);
    frame_unlock(call, place.zone);
    if (error != MM_OK)
        platform_log("frame 0x%lx, which a handler freed: %s", frame,
                     mm_error_text(error));
}

void frame_finish_deferred(struct frame_call call, struct frame_cpu *cpu)
{
    for (unsigned i = 0; i < FRAME_DEFERRED; i++)
        finish_deferred(call, cpu, &cpu->deferred[i]);
}

/* First the zones, whose locks the rest needs. */
bool frame_give_all_back(struct frame_call call)
{
    bool all = true;
    for (unsigned i = 0; i < frame_cpus.count; i++) {
        bool stopped = frame_has_stopped(call, &frame_cpus.cpu[i]);
        if (stopped)
            frame_let_go(&frame_cpus.cpu[i]);
        all = all && stopped;
    }
    if (all)
        frame_close_all();
    for (unsigned i = 0; i < frame_cpus.count; i++) {
        struct frame_cpu *cpu = &frame_cpus.cpu[i];
        frame_finish_deferred(call, cpu);
        all &= frame_has_stopped(call, cpu) && drop_all(call, cpu);
    }
    return all;
}
