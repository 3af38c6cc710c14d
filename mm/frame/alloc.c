/* Allocating: the fast paths, and what lies behind them. */
#include "mm/frame.h"

#include <stddef.h>

#include "mm/frame/change.h"
#include "mm/frame/cpu.h"
#include "mm/frame/low.h"
#include "mm/frame/ready.h"
#include "mm/frame/search.h"
#include "mm/frame/zone.h"
#include "mm/platform.h"
#include "mm/tree/blocks.h"

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

/* For a call that cannot enter its CPU's section. */
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

/* The words of the set that have any bit, one bit each: without a branch, for
 * nobody could predict it. */
static inline uint32_t words_in_use(const struct set512 *set)
{
    uint32_t used = 0;
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        used |= (uint32_t)(frame_word_get(&set->words[w]) != 0) << w;
    return used;
}

/* The lowest word that has a frame is the block's from now on; false if none
 * has. */
static inline bool find_word(struct frame_block *block)
{
    if (frame_block_is_empty(block))
        return false;
    frame_block_use(block, block->base,
                    word_lowest(words_in_use(&block->free)));
    return true;
}

/* Whether so many frames are free beside this one that taking all of them at
 * once is worth it.  Where random frees left only a few, taking one by one
 * costs less.  The one word that the frame is in is enough to tell. */
static inline bool has_many_beside(const struct frame_zone *zone, uint32_t n)
{
    uint64_t few =
        zone->tree.free_4k[n / FRAMES_PER_2M].words[n / 64 % SET512_WORDS] &
        ~(UINT64_C(1) << n % 64);
    for (unsigned i = 0; i < 3; i++)
        few &= few - 1;
    return few != 0;
}

/* With the zone: all available 4Ks of frame number n's 2M but that one, which
 * is held from now on, if it was not, become the CPU's block.  False, and
 * nothing changed: some CPU owns that 2M. */
static __attribute__((noinline)) bool
own_beside(struct frame_cpu *cpu, struct frame_zone *zone, uint32_t n)
{
    uint32_t i = n / FRAMES_PER_2M;
    if (frame_block_is_owned(zone, i, frame_address(zone, i * FRAMES_PER_2M)))
        return false;
    frame_block_drop(&cpu->alloc);
    struct set512 taken;
    frame_tree_take_rest(&zone->tree, i, &taken);
    taken.words[n / 64 % SET512_WORDS] &= ~(UINT64_C(1) << n % 64);
    frame_reserve_fill(cpu, zone, i, &taken);
    frame_block_own(&cpu->alloc, zone, i, &taken);
    /* what was freed further down since comes before the next such 2M */
    cpu->near[FRAME_4K].left = 0;
    return true;
}

/* The same if they are many, and the CPU's last block is no other zone's. */
static inline bool own_many_beside(struct frame_cpu *cpu,
                                   struct frame_zone *zone, uint32_t n)
{
    return has_many_beside(zone, n) &&
           (cpu->alloc.zone == NULL || cpu->alloc.zone == zone) &&
           own_beside(cpu, zone, n);
}

/* With the zone: the lowest 4K of 2M number i, which is split and has some. */
static inline uint32_t take_4k_of(struct frame_cpu *cpu,
                                  struct frame_zone *zone, uint32_t i)
{
    uint32_t n = i * FRAMES_PER_2M + set512_lowest(&zone->tree.free_4k[i]);
    if (!own_many_beside(cpu, zone, n))
        frame_tree_take_4k(&zone->tree, n);
    return n;
}

static inline void set_near(struct frame_cpu *cpu, enum frame_size size,
                            struct frame_place place)
{
    struct frame_near *near = &cpu->near[size];
    if (near->pause != 0) {
        near->pause--;
        return;
    }
    near->zone = place.zone;
    near->word = place.number / FRAMES_PER_2M / 64;
    near->left = FRAME_NEAR_STEPS;
}

static inline void end_near(struct frame_near *near)
{
    if (near->left >= FRAME_NEAR_STEPS - FRAME_NEAR_USE)
        near->pause = FRAME_NEAR_PAUSE;
    near->left = 0;
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
    set_near(cpu, FRAME_4K, (struct frame_place){zone, n});
    own_many_beside(cpu, zone, n);
    if (!cpu->reserve_is_whole)
        frame_reserve_complete_singly(cpu, zone);
    return frame_address(zone, n);
}

/* In the section, with nothing left in the block. */
static paddr_t refill(struct frame_call call)
{
    struct frame_cpu *cpu = call.cpu;
    for (unsigned k = 0; k < 2 * frame_zone_count(); k++) {
        struct frame_zone *zone = frame_zone_number(cpu, FRAME_4K, k);
        if (zone == NULL || (!frame_may_have(zone) && cpu->free.zone != zone))
            continue;
        if (frame_is_open(zone))
            break; /* outside of the section it can be closed */
        /* own_beside drops it under the lock of this zone */
        if (cpu->alloc.zone != zone && !frame_drop_block(call, &cpu->alloc))
            continue;
        if (!frame_lock(call, zone))
            continue;
        paddr_t frame = refill_locked(cpu, zone);
        frame_unlock_or_keep(call, zone);
        if (frame != PADDR_NONE)
            return frame;
    }
    if (!cpu->reserve_is_whole)
        frame_reserve_try_later(cpu);
    return PADDR_NONE;
}

/* The large frame that this CPU freed last, if it keeps it. */
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
    for (unsigned k = 0; k < 2 * frame_zone_count(); k++) {
        struct frame_zone *zone = frame_zone_number(call.cpu, size, k);
        if (zone == NULL || !frame_may_have(zone))
            continue;
        if (frame_is_open(zone))
            break; /* as above */
        if (!frame_lock(call, zone))
            continue;
        paddr_t frame = take_locked(zone, size);
        if (frame != PADDR_NONE && size == FRAME_2M)
            set_near(call.cpu, size, frame_place_of(frame));
        frame_unlock_or_keep(call, zone);
        if (frame != PADDR_NONE)
            return frame;
    }
    return PADDR_NONE;
}

/* ---- Allocating near the last one, in a zone that this CPU keeps ---- */

/* On to the next word up that has any, in this GiB or the next.  False: there
 * is none. */
static inline bool move_up(const struct frame_tree *tree,
                           struct frame_near *near)
{
    uint32_t g = near->word / SET512_WORDS;
    unsigned from = near->word % SET512_WORDS;
    uint32_t used = words_in_use(&tree->some_4k_in_2m[g]) >> from << from;
    if (used == 0) {
        if (++g == tree->gib_count || !set512_has(&tree->some_4k_in_1g, g))
            return false;
        used = words_in_use(&tree->some_4k_in_2m[g]);
    }
    near->word = g * SET512_WORDS + word_lowest(used);
    return true;
}

/* The lowest 4K of those 2Ms, or of the next. */
static inline uint32_t take_near_4k(struct frame_cpu *cpu,
                                    struct frame_near *near)
{
    const struct frame_tree *tree = &near->zone->tree;
    const uint64_t *words = tree->some_4k_in_2m->words;
    if (__builtin_expect(words[near->word] == 0, 0) && !move_up(tree, near))
        return FRAME_NONE;
    uint64_t bits = words[near->word];
    uint32_t first = near->word * 64, i = first + word_lowest(bits);
    /* the next one's line comes meanwhile; the last bit is a sentinel */
    __builtin_prefetch(&tree->free_4k[first + word_lowest((bits & (bits - 1)) |
                                                          UINT64_C(1) << 63)]);
    return take_4k_of(cpu, near->zone, i);
}

/* The highest of those 2Ms that is whole, if their GiB is not. */
static inline uint32_t take_near_2m(struct frame_tree *tree,
                                    const struct frame_near *near)
{
    uint32_t g = near->word / SET512_WORDS;
    uint64_t bits = tree->free_2m[g].words[near->word % SET512_WORDS];
    if (__builtin_expect(bits == 0 || !set512_has(&tree->some_2m_in_1g, g), 0))
        return FRAME_NONE;
    uint32_t i = near->word * 64 + word_highest(bits);
    frame_tree_take_2m(tree, i);
    return i * FRAMES_PER_2M;
}

/* With the zone: what is left to do when frame number n was taken. */
static inline paddr_t finish_take(enum frame_size size, struct frame_zone *zone,
                                  uint32_t n)
{
    frame_zone_add_free(zone, -(INT64_C(1) << 9 * size));
    return frame_address(zone, n);
}

/* With the zone, of which that 4K was just taken: the CPU's block has it. */
static inline void get_ready(struct frame_cpu *cpu, struct frame_zone *zone,
                             uint32_t n)
{
    struct frame_block *block = &cpu->alloc;
    if (block->zone != NULL) { /* of own_beside */
        frame_block_use(block, block->base, n / 64 % SET512_WORDS);
        frame_word_set(block->word, *block->word | UINT64_C(1) << n % 64);
    } else if (!frame_block_own_one(block, zone, n)) {
        (void)frame_tree_free(&zone->tree, n);
        frame_zone_add_free(zone, 1);
    }
}

/* In the section; PADDR_NONE: there is none near.  Ahead: for the CPU's block,
 * which has none. */
static inline __attribute__((always_inline)) paddr_t
alloc_near(struct frame_cpu *cpu, enum frame_size size, bool ahead)
{
    struct frame_near *near = &cpu->near[size];
    struct frame_zone *zone = near->zone;
    if (near->left == 0)
        return PADDR_NONE;
    if (!frame_step_begin(cpu, zone)) {
        near->left = 0;
        return PADDR_NONE;
    }
    if (size == FRAME_4K && cpu->alloc.zone == zone)
        frame_block_forget(&cpu->alloc); /* which is empty */
    near->left--;
    uint32_t n = size == FRAME_4K ? take_near_4k(cpu, near)
                                  : take_near_2m(&zone->tree, near);
    paddr_t frame = PADDR_NONE;
    if (__builtin_expect(n != FRAME_NONE, 1))
        frame = finish_take(size, zone, n);
    else
        end_near(near);
    if (ahead && n != FRAME_NONE)
        get_ready(cpu, zone, n);
    frame_step_end(cpu, zone);
    return frame;
}

/* With the zone: its lowest 4K; one that is split before one that is whole, and
 * then what was freed into the CPU's other block first, the slow way. */
static inline uint32_t take_first_4k(struct frame_cpu *cpu,
                                     struct frame_zone *zone, bool ahead)
{
    struct frame_tree *tree = &zone->tree;
    uint32_t n;
    if (!set512_is_empty(&tree->some_4k_in_1g)) {
        uint32_t i = frame_tree_lowest_split(tree);
        set_near(cpu, FRAME_4K, (struct frame_place){zone, i * FRAMES_PER_2M});
        n = take_4k_of(cpu, zone, i);
    } else if (ahead || cpu->free.zone != NULL) {
        n = FRAME_NONE;
    } else {
        n = frame_tree_alloc_4k(tree);
        if (n != FRAME_NONE)
            own_many_beside(cpu, zone, n);
    }
    return n;
}

/* With the zone: its highest one of that size. */
static inline uint32_t take_first_large(struct frame_cpu *cpu,
                                        enum frame_size size,
                                        struct frame_zone *zone)
{
    uint32_t n = take_from(&zone->tree, size);
    if (n != FRAME_NONE && size == FRAME_2M)
        set_near(cpu, size, (struct frame_place){zone, n});
    return n;
}

/* In the section: from the first zone that has any, of those of this CPU's
 * node; PADDR_NONE: the slow way.  Ahead: as above, and no 2M is split. */
static inline __attribute__((always_inline)) paddr_t
alloc_first(struct frame_cpu *cpu, enum frame_size size, bool ahead)
{
    paddr_t frame = PADDR_NONE;
    for (unsigned k = 0; k < frame_zones.count && frame == PADDR_NONE; k++) {
        struct frame_zone *zone = frame_zone_number(cpu, size, k);
        if (zone == NULL)
            break;
        if (!frame_may_have(zone))
            continue;
        if (!frame_step_begin(cpu, zone))
            break;
        uint32_t n = size == FRAME_4K ? take_first_4k(cpu, zone, ahead)
                                      : take_first_large(cpu, size, zone);
        if (n != FRAME_NONE)
            frame = finish_take(size, zone, n);
        if (ahead && n != FRAME_NONE)
            get_ready(cpu, zone, n);
        frame_step_end(cpu, zone);
        if (n == FRAME_NONE)
            break;
    }
    return frame;
}

static enum mm_error finish_alloc(struct frame_call call, enum frame_size size,
                                  paddr_t *frame)
{
    enum mm_error error = MM_OK;
    if (size > FRAME_1G)
        error = MM_BAD_ARGUMENT;
    else if (*frame == PADDR_NONE)
        *frame = take(call, size); /* also from zones that others keep */
    if (error == MM_OK && *frame == PADDR_NONE)
        error = take_last(call, size, frame);
    frame_call_end(call);
    return error;
}

/* In the section: gives up the block, which has nothing left, unless alloc_near
 * will do that.  False: its zone cannot be had. */
static inline bool give_up_block(struct frame_cpu *cpu)
{
    struct frame_zone *zone = cpu->alloc.zone;
    const struct frame_near *near = &cpu->near[FRAME_4K];
    if (zone == NULL || (near->left != 0 && near->zone == zone))
        return true;
    if (!frame_step_begin(cpu, zone))
        return false;
    frame_block_forget(&cpu->alloc);
    frame_step_end(cpu, zone);
    return true;
}

void frame_ready(struct frame_cpu *cpu)
{
    if (find_word(&cpu->alloc) || frame_reserve_was_used(cpu))
        return;
    uint32_t pause = frame_ready_pause(cpu);
    if (pause != 0) {
        __atomic_store_n(&cpu->ready_pause, pause - 1, __ATOMIC_RELAXED);
        return;
    }
    if (give_up_block(cpu) && alloc_near(cpu, FRAME_4K, true) == PADDR_NONE &&
        give_up_block(cpu))
        (void)alloc_first(cpu, FRAME_4K, true);
}

/* The rest of a call that is in its section, which it leaves; all of that size.
 */
static __attribute__((noinline)) enum mm_error
search_inside(struct frame_cpu *cpu, enum frame_size size, paddr_t *frame)
{
    struct frame_call call = frame_call_begin(cpu);
    *frame = PADDR_NONE;
    if (size == FRAME_4K)
        *frame = refill(call);
    else if (size <= FRAME_1G)
        *frame = alloc_large(call, size);
    cpu_section_leave(&cpu->section);
    return finish_alloc(call, size, frame);
}

/* The same for a 4K, where the reserve lacks some: what a zone must be had for
 * is done outside of the section. */
static __attribute__((noinline)) enum mm_error
settle_and_search(struct frame_cpu *cpu, paddr_t *frame)
{
    struct frame_call call = frame_call_begin(cpu);
    cpu_section_leave(&cpu->section);
    frame_reserve_settle(call);
    if (cpu_section_enter(&cpu->section))
        return search_inside(cpu, FRAME_4K, frame);
    frame_reserve_try_later(cpu);
    return finish_alloc(call, FRAME_4K, frame);
}

/* The same if another CPU has the zone of the block, which is empty: in the
 * section nobody waits for it. */
static __attribute__((noinline)) enum mm_error
leave_block(struct frame_cpu *cpu, paddr_t *frame)
{
    struct frame_call call = frame_call_begin(cpu);
    struct frame_block *block = &cpu->alloc;
    struct frame_zone *zone = block->zone;
    cpu_section_leave(&cpu->section);
    if (frame_lock(call, zone)) {
        if (cpu_section_enter(&cpu->section)) {
            /* a handler may have freed into it meanwhile */
            if (block->zone == zone && frame_block_is_empty(block))
                frame_block_forget(block);
            cpu_section_leave(&cpu->section);
        }
        frame_unlock(call, zone);
    }
    return finish_alloc(call, FRAME_4K, frame);
}

static inline __attribute__((always_inline)) enum mm_error
alloc_inside(struct frame_cpu *cpu, enum frame_size size, paddr_t *frame)
{
    *frame = PADDR_NONE;
    if (size == FRAME_4K && find_word(&cpu->alloc))
        *frame = pop(&cpu->alloc);
    if (size == FRAME_4K && *frame == PADDR_NONE && frame_reserve_lacks(cpu))
        return settle_and_search(cpu, frame);
    if (size == FRAME_4K && *frame == PADDR_NONE && !give_up_block(cpu))
        return leave_block(cpu, frame);
    if (*frame == PADDR_NONE && size <= FRAME_2M)
        *frame = alloc_near(cpu, size, false);
    if (size == FRAME_4K && *frame == PADDR_NONE && !give_up_block(cpu))
        return leave_block(cpu, frame);
    if (*frame == PADDR_NONE && size <= FRAME_1G)
        *frame = alloc_first(cpu, size, false);
    if (*frame == PADDR_NONE)
        return search_inside(cpu, size, frame);
    cpu_section_leave(&cpu->section);
    frame_free_deferred(cpu);
    return MM_OK;
}

/* The rest of a call that may not enter its section. */
static enum mm_error alloc_outside(struct frame_cpu *cpu, enum frame_size size,
                                   paddr_t *frame)
{
    struct frame_call call = frame_call_begin(cpu);
    *frame = PADDR_NONE;
    return finish_alloc(call, size, frame);
}

/* The same for callers who do not ask for the reason: each size has a copy. */
static __attribute__((noinline)) paddr_t alloc_slow(struct frame_cpu *cpu,
                                                    enum frame_size size)
{
    paddr_t frame;
    if (size == FRAME_4K)
        (void)alloc_inside(cpu, FRAME_4K, &frame);
    else if (size == FRAME_2M)
        (void)alloc_inside(cpu, FRAME_2M, &frame);
    else
        (void)alloc_inside(cpu, size, &frame);
    return frame;
}

static __attribute__((noinline)) paddr_t alloc_nested(struct frame_cpu *cpu,
                                                      enum frame_size size)
{
    paddr_t frame;
    (void)alloc_outside(cpu, size, &frame);
    return frame;
}

paddr_t frame_alloc(enum frame_size size)
{
    uint32_t number = platform_cpu();
    if (__builtin_expect(number >= frame_cpus.count, 0))
        return PADDR_NONE;
    struct frame_cpu *cpu = &frame_cpus.cpu[number];
    if (__builtin_expect(!cpu_section_enter(&cpu->section), 0))
        return alloc_nested(cpu, size);
    paddr_t frame;
    if (__builtin_expect(size == FRAME_4K, 1))
        frame = pop(&cpu->alloc);
    else
        frame = take_kept(cpu, size);
    if (__builtin_expect(frame == PADDR_NONE, 0))
        return alloc_slow(cpu, size);
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

/* ---- Asking ---- */

enum frame_state frame_state(paddr_t address)
{
    struct frame_cpu *cpu = frame_this_cpu();
    struct frame_place place;
    if (cpu == NULL || !frame_find_zone(address, &place))
        return FRAME_OUTSIDE;
    struct frame_call call = frame_call_begin(cpu);
    bool locked = frame_lock(call, place.zone);
    enum frame_state state = frame_tree_state(&place.zone->tree, place.number);
    if (state != FRAME_AVAILABLE && frame_is_kept_anywhere(address))
        state = FRAME_AVAILABLE;
    if (locked)
        frame_unlock(call, place.zone);
    frame_call_end(call);
    return state;
}
