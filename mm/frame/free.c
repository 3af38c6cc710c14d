/* Freeing: the fast paths, and what lies behind them. */
#include "mm/frame.h"

#include <stddef.h>

#include "lib/bits.h"
#include "mm/frame/change.h"
#include "mm/frame/cpu.h"
#include "mm/frame/low.h"
#include "mm/frame/ready.h"
#include "mm/frame/search.h"
#include "mm/frame/zone.h"
#include "mm/platform.h"
#include "mm/tree/blocks.h"

/* True: the frame is one of the block's, was held, and is free now.  Else the
 * tree has the answer. */
static inline bool push(struct frame_block *block, paddr_t frame)
{
    paddr_t offset = frame - block->base;
    if (offset >= SIZE_2M || !is_aligned(frame, SIZE_4K))
        return false;
    unsigned n = (unsigned)(offset / SIZE_4K);
    uint64_t *word = &block->free.words[n / 64];
    uint64_t bits = frame_word_get(word);
    /* what another CPU freed is in the leaf */
    uint64_t not_held = bits | block->barred.words[n / 64] |
                        frame_glance(&block->leaf->words[n / 64]);
    if (__builtin_expect(not_held >> n % 64 & 1, 0))
        return false;
    frame_word_set(word, bits | UINT64_C(1) << n % 64);
    return true;
}

/* With the zone: keeps a frame that is held as a large one, and that no CPU
 * keeps; not where a part of it may have to be retired, nor uncached memory. */
static inline bool keep_large(struct frame_cpu *cpu, struct frame_place place,
                              paddr_t frame)
{
    /* relaxed: an entry of a frame that was held is older than its free */
    if (!is_aligned(frame, SIZE_2M) ||
        place.zone->node == FRAME_NODE_UNCACHED ||
        __atomic_load_n(&frame_changes.to_retire, __ATOMIC_RELAXED) != 0)
        return false;
    const struct frame_tree *tree = &place.zone->tree;
    if (!cpu->large[0].kept &&
        frame_tree_is_held_2m(tree, place.number / FRAMES_PER_2M))
        return frame_large_keep(cpu, &cpu->large[0], place, frame);
    return is_aligned(frame, SIZE_1G) && !cpu->large[1].kept &&
           frame_tree_state(tree, place.number) == FRAME_HELD_1G &&
           frame_large_keep(cpu, &cpu->large[1], place, frame);
}

/* Whether the two frees before this one were 4Ks of the same 2M: by chance that
 * is rare.  Not for what may be a 2M itself. */
static inline bool is_third_in_row(const struct frame_cpu *cpu, paddr_t frame)
{
    return align_down(frame, SIZE_2M) == cpu->last_free && cpu->row >= 2 &&
           !is_aligned(frame, SIZE_2M);
}

static inline void count_row(struct frame_cpu *cpu, paddr_t frame)
{
    paddr_t base = align_down(frame, SIZE_2M);
    cpu->row = cpu->last_free == base ? cpu->row + 1 : 1;
    cpu->last_free = base;
}

/* The third free in a row into one 2M: it becomes the CPU's own, so that the
 * next ones stay with it. */
static __attribute__((noinline)) enum mm_error
own_and_free(struct frame_call call, struct frame_place place, paddr_t frame)
{
    struct frame_block *block = &call.cpu->free;
    uint32_t i = place.number / FRAMES_PER_2M;
    if (!frame_drop_block(call, block) || !frame_lock(call, place.zone))
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
    frame_unlock_or_keep(call, place.zone);
    return error;
}

/* Any other: it goes back to the tree, or stays as the CPU's large one. */
static enum mm_error free_one(struct frame_call call, struct frame_place place,
                              paddr_t frame)
{
    if (!frame_lock(call, place.zone))
        return MM_BUSY;
    enum mm_error error;
    if (frame_is_kept(place, frame))
        error = MM_NOT_HELD;
    else if (keep_large(call.cpu, place, frame))
        error = MM_OK;
    else
        error = frame_put_locked(place, frame);
    frame_unlock_or_keep(call, place.zone);
    return error;
}

static enum mm_error finish_free(struct frame_call call, paddr_t frame,
                                 enum mm_error error)
{
    bool nested = !call.may_wait || frame_is_inside(call.cpu);
    if (error == MM_BUSY && nested && frame_defer(call.cpu, frame))
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
    bool found = error == MM_OK;
    if (found) {
        error = is_third_in_row(cpu, frame) ? own_and_free(call, place, frame)
                                            : free_one(call, place, frame);
        count_row(cpu, frame);
    }
    cpu_section_leave(&cpu->section);
    if (found && error == MM_BUSY) /* maybe another CPU keeps the zone */
        error = frame_put(call, place, frame);
    return finish_free(call, frame, error);
}

/* With the zone: what is left to do when a frame was freed. */
static inline void finish_put(struct frame_place place, paddr_t frame,
                              enum frame_size size)
{
    frame_zone_add_free(place.zone, INT64_C(1) << 9 * size);
    frame_change_catch(place, frame, SIZE_4K << 9 * size);
}

/* Of these functions, each in the section and of those with a place in a step,
 * false means: the slow way has the answer, and nothing changed. */

/* Whether a frame is held as a 4K, and may as well be the next that goes out:
 * nobody could choose a better one, as there are few others in its zone, or
 * none in its 2M. */
static inline bool is_best(const struct frame_cpu *cpu,
                           struct frame_place place)
{
    const struct set512 *leaf =
        &place.zone->tree.free_4k[place.number / FRAMES_PER_2M];
    uint64_t word = leaf->words[place.number / 64 % SET512_WORDS];
    if (word == 0 && set512_is_empty(leaf) && frame_keeps(cpu, place.zone))
        return true;
    return frame_zone_free(place.zone) <= FRAME_ZONE_FEW &&
           (word >> place.number % 64 & 1) == 0;
}

/* Keeps such a frame for the CPU's next allocation, if its block is empty. */
static inline bool keep_best(struct frame_cpu *cpu, struct frame_place place,
                             paddr_t frame)
{
    struct frame_block *block = &cpu->alloc;
    if (!is_best(cpu, place) || !frame_block_is_empty(block) ||
        frame_ready_pause(cpu) != 0 ||
        (block->zone != NULL && block->zone != place.zone &&
         !frame_keeps(cpu, block->zone)))
        return false;
    frame_block_own_instead(block, place, frame);
    return true;
}

static inline __attribute__((always_inline)) bool
put_near(struct frame_cpu *cpu, struct frame_place place, paddr_t frame)
{
    if (frame_block_lacks(&cpu->alloc) && keep_best(cpu, place, frame))
        return true;
    if (frame_tree_put_among_others(&place.zone->tree, place.number)) {
        finish_put(place, frame, FRAME_4K);
        return true;
    }
    enum frame_freed freed = frame_tree_free(&place.zone->tree, place.number);
    if (freed > FRAME_FREED_1G)
        return false;
    finish_put(place, frame, (enum frame_size)freed);
    return true;
}

/* The next two: into an open zone.  There zone->kept does not change. */

static inline bool put_open(struct frame_cpu *cpu, struct frame_place place)
{
    struct frame_zone *zone = place.zone;
    uint32_t i = place.number / FRAMES_PER_2M;
    if (zone->kept[i % FRAME_ZONE_KEPT] != 0 ||
        !frame_tree_put_shared(&zone->tree, place.number))
        return false;
    cpu->freed[zone - frame_zones.zone]++;
    return true;
}

/* With its lock; a 4K of whose 2M nothing is kept. */
static inline bool put_open_locked(struct frame_place place)
{
    struct frame_zone *zone = place.zone;
    if (!frame_tree_put_shared(&zone->tree, place.number) &&
        !frame_tree_put_at_edge(&zone->tree, place.number))
        return false;
    frame_zone_add_free(zone, 1);
    return true;
}

/* Where something may be kept of the 2M, or is not ours to give, or no more as
 * soon as it is free: who frees into an open zone without its lock avoids
 * those. */
static __attribute__((noinline)) bool put_beside(struct frame_place place,
                                                 paddr_t frame)
{
    return !frame_is_reserved(place, frame) &&
           frame_tree_state(&place.zone->tree, place.number) == FRAME_HELD_4K &&
           frame_put_locked(place, frame) == MM_OK;
}

/* In a zone that this CPU does not keep. */
static __attribute__((noinline)) bool free_shared(struct frame_cpu *cpu,
                                                  struct frame_place place,
                                                  paddr_t frame, bool partly)
{
    struct frame_zone *zone = place.zone;
    uint32_t i = place.number / FRAMES_PER_2M;
    if (frame_is_open(zone) && !partly && put_open(cpu, place))
        return true;
    /* the line comes while the lock does */
    __builtin_prefetch(
        &zone->tree.free_4k[i].words[place.number / 64 % SET512_WORDS], 1);
    if (!frame_put_begin(cpu, zone))
        return false;
    bool done;
    if (partly || zone->kept[i % FRAME_ZONE_KEPT] != 0)
        done = put_beside(place, frame);
    else if (frame_is_open(zone))
        done = put_open_locked(place);
    else
        done = put_near(cpu, place, frame);
    frame_put_end(cpu, zone);
    return done;
}

static inline bool free_near(struct frame_cpu *cpu, paddr_t frame)
{
    struct frame_place place = frame_find_boot_zone(frame);
    /* a 1G is kept the slow way, and then again by keep_again */
    if (!is_aligned(frame, SIZE_4K) || place.zone == NULL ||
        is_aligned(frame, SIZE_1G))
        return false;
    uint32_t i = place.number / FRAMES_PER_2M;
    bool partly = frame_is_partly_reserved(place.zone, i);
    if (__builtin_expect(!frame_keeps(cpu, place.zone), 0))
        return free_shared(cpu, place, frame, partly);
    frame_step_mark(cpu);
    bool done = partly || place.zone->kept[i % FRAME_ZONE_KEPT] != 0
                    ? put_beside(place, frame)
                    : put_near(cpu, place, frame);
    frame_step_unmark(cpu);
    return done;
}

/* In the section: the same large frame as last time, which is held: so the zone
 * is asked nothing. */
static inline bool keep_again(struct frame_cpu *cpu, struct frame_large *large,
                              paddr_t frame)
{
    if (large->frame != frame || large->kept || !frame_keeps(cpu, large->zone))
        return false;
    uint64_t all = SET512_ALL_ONES;
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        all &= large->below->words[w];
    if (all != SET512_ALL_ONES || *large->word & large->bit)
        return false;
    /* relaxed: as with a block's words */
    __atomic_store_n(&large->kept, true, __ATOMIC_RELAXED);
    return true;
}

/* What is in none of the CPU's blocks. */
static __attribute__((noinline)) enum mm_error
free_elsewhere(struct frame_cpu *cpu, paddr_t frame)
{
    if (is_third_in_row(cpu, frame) || !free_near(cpu, frame))
        return free_inside(cpu, frame);
    if (frame_block_lacks(&cpu->alloc))
        frame_ready(cpu);
    count_row(cpu, frame);
    cpu_section_leave(&cpu->section);
    frame_free_deferred(cpu);
    return MM_OK;
}

/* Keeps a 2M, if this CPU keeps none, and may. */
static inline bool keep_near_2m(struct frame_cpu *cpu, struct frame_place place,
                                paddr_t frame)
{
    struct frame_large *last = &cpu->large[0];
    if (last->kept)
        return false;
    /* not by branches: any of several zones may be at hand */
    if (last->frame == frame || last->zone == NULL ||
        !((last->zone == place.zone) | frame_keeps(cpu, last->zone)))
        return frame_large_keep(cpu, last, place, frame);
    frame_large_replace(last, place, frame);
    return true;
}

/* In the section: a frame that is held as a 2M, of which nothing is reserved or
 * to be retired.  False: the slow way. */
static inline bool free_near_2m(struct frame_cpu *cpu, paddr_t frame)
{
    const struct frame_large *last = &cpu->large[0];
    struct frame_place place = frame_find_boot_zone(frame);
    struct frame_zone *zone = place.zone;
    uint32_t i = place.number / FRAMES_PER_2M;
    if (zone == NULL || frame_is_partly_reserved(zone, i) ||
        !frame_step_begin(cpu, zone))
        return false;
    /* nobody keeps anything there, but that this was the CPU's last one */
    bool held = zone->kept[i % FRAME_ZONE_KEPT] ==
                    (last->frame == frame && !last->kept) &&
                frame_tree_is_held_2m(&zone->tree, i);
    if (held && !keep_near_2m(cpu, place, frame)) {
        frame_tree_put_2m(&zone->tree, i);
        finish_put(place, frame, FRAME_2M);
    }
    frame_step_end(cpu, zone);
    return held;
}

/* What may be a large frame, by where it begins. */
static __attribute__((noinline)) enum mm_error
free_aligned(struct frame_cpu *cpu, paddr_t frame)
{
    if (!keep_again(cpu, &cpu->large[1], frame) && !free_near_2m(cpu, frame) &&
        !push(&cpu->free, frame))
        return free_elsewhere(cpu, frame);
    cpu_section_leave(&cpu->section);
    frame_free_deferred(cpu);
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
    if (__builtin_expect(!push(&cpu->alloc, frame), 0)) {
        if (!is_aligned(frame, SIZE_2M)) {
            if (!push(&cpu->free, frame))
                return free_elsewhere(cpu, frame);
        } else if (!keep_again(cpu, &cpu->large[0], frame)) {
            return free_aligned(cpu, frame);
        }
    }
    cpu_section_leave(&cpu->section);
    return MM_OK;
}
