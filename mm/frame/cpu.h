/* What each CPU keeps for itself.  For the files of mm/frame/ only.
 *
 * A CPU owns up to two 2Ms (struct frame_block): it allocates 4Ks from one and
 * frees 4Ks into the other.  It also keeps the 2M and the 1G that it freed last
 * (struct frame_large).  In the trees all of this is held.  Other CPUs may read
 * which 2Ms a CPU owns, and which frames in them are free.  Only the owner
 * changes this, in its section (mm/cpu/cpu_section.h), or a CPU that has
 * stopped the owner.
 *
 * A CPU may also keep the locks of zones between its calls (mm/frame/keep.c):
 * it uses a zone that no other CPU asks for without taking a lock.
 *
 * Invariants, seen by a CPU that holds the lock of a zone:
 *
 *   - at most one struct frame_block owns a 2M, and at most one CPU keeps a
 *     large frame: so the owner can tell a double free from its own bits and
 *     those of the 4K level;
 *   - no bit is set both in a struct frame_block and in the 4K level;
 *   - zone->kept has a counter for each number of a 2M modulo 256.  It counts
 *     the owned 2Ms with that number, and the large frames and the 4Ks of
 *     handler stocks that lie there: where it is 0, no CPU keeps anything.
 *
 * A CPU that takes or drops one of these holds the lock of its zone.
 */
#ifndef MM_FRAME_CPU_H
#define MM_FRAME_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/assert.h"
#include "lib/bits.h"
#include "mm/cpu/cpu_order.h"
#include "mm/cpu/cpu_section.h"
#include "mm/frame/zone.h"

/* A 2M that a CPU owns. */
struct frame_block {
    paddr_t base;              /* its address, or PADDR_NONE */
    struct frame_zone *zone;   /* where it lies; NULL: there is none */
    uint16_t *count;           /* of zone->kept, for it */
    const struct set512 *leaf; /* its bits in the tree */
    uint64_t *word;            /* of free: where 4Ks come from now, */
    paddr_t word_base;         /* and the address of its first */
    struct set512 free;        /* its frames that are free, kept by this CPU */

    /* Those that no free may take as held: not ours to give, or in the reserve
     * of some CPU.  The slow way knows more. */
    struct set512 barred;
};

/* The 2M or 1G that a CPU freed last.  Kept means that it is free, and that the
 * CPU's next allocation of that size will get it. */
struct frame_large {
    paddr_t frame; /* or PADDR_NONE */
    struct frame_zone *zone;
    uint16_t *count; /* of zone->kept, for its 2M */
    bool kept;

    /* Where the tree says that it is held: a bit that is 0 above a set that is
     * full. */
    const uint64_t *word;
    uint64_t bit;
    const struct set512 *below;
};

/* Where a CPU took its last frame of one size from: the zone, and in it one
 * word of the middle level, 64 2Ms.  The next ones come from there too, until
 * it has none or `left` are taken; then the zones are asked in their order
 * again, for their lowest or highest.  So what was freed elsewhere is found
 * soon enough. */
struct frame_near {
    struct frame_zone *zone;
    uint32_t word; /* of free_2m or some_4k_in_2m, counted through all GiBs */
    uint16_t left;
    uint16_t pause; /* where it was of little use: so many frames without it */
};

#define FRAME_NEAR_STEPS 16384
#define FRAME_NEAR_USE   4 /* if it gave fewer, it rests */
#define FRAME_NEAR_PAUSE 64

/* A zone with so few free 4Ks is full: which of them goes out next makes no
 * difference to what is left of its large frames. */
#define FRAME_ZONE_FEW 64

/* So many frees get nothing ready after what the CPU kept was taken back. */
#define FRAME_READY_PAUSE 1024

/* For handlers that come in the middle of a call which holds a lock: frames to
 * have, and room for frames that they free. */
#define FRAME_RESERVE  4
#define FRAME_DEFERRED 8

struct frame_cpu {
    struct cpu_section section; /* guards all to row */

    /* How many calls of this CPU have a lock or wait for one, each in a handler
     * that interrupted the last.  Who finds it 0 may wait for locks. */
    uint32_t depth;
    bool has_deferred;
    bool reserve_is_whole;    /* no slot of reserve_counted is empty */
    uint8_t reserve_was_used; /* why a call is to look after it, or 0 */

    uint32_t self; /* its number + 1: as zones tell who keeps them */

    struct frame_near near[2];   /* 4K, 2M */
    uint32_t ready_pause;        /* so many frees get nothing ready */
    struct frame_block alloc;    /* 4Ks are allocated from here, and freed */
    struct frame_block free;     /* 4Ks are freed into it */
    struct frame_large large[2]; /* 2M, 1G */
    paddr_t last_free;           /* 2M of the last 4K in no block of these, */
    uint32_t row;                /* and how many of them it was in a row */

    struct frame_home home;

    /* 4Ks that this CPU freed into each zone of the boot while it was open: its
     * own count does not have them yet. */
    uint32_t *freed;

    /* Slots that are taken and filled by single atomic exchanges; PADDR_NONE
     * where empty.  What zone->kept counts of the reserve stands beside it. */
    paddr_t reserve[FRAME_RESERVE], reserve_counted[FRAME_RESERVE];
    paddr_t deferred[FRAME_DEFERRED];
} __attribute__((aligned(1024))); /* so that a shift finds it by its number */

/* count is 0 before frame_init, and then nobody gets past frame_this_cpu. */
struct frame_cpus {
    uint32_t count;
    struct frame_cpu *cpu;
};

extern struct frame_cpus frame_cpus;

/* After frame_zones_init; nothing gets past frame_this_cpu until count is set.
 * MM_OUT_OF_MEMORY if there is none below limit. */
enum mm_error frame_cpus_init(struct memory_map *map, paddr_t limit);

/* What this CPU keeps; NULL before frame_init, and on a CPU that has a number
 * as large as the count. */
static inline struct frame_cpu *frame_this_cpu(void)
{
    uint32_t number = platform_cpu();
    if (__builtin_expect(number >= frame_cpus.count, 0))
        return NULL;
    return &frame_cpus.cpu[number];
}

/* Words of a block: others read them while the owner writes. */
static inline uint64_t frame_word_get(const uint64_t *word)
{
    /* relaxed: one bit is one frame, and who may ask about a frame has been
     * told of it by who had it before, which orders the two */
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void frame_word_set(uint64_t *word, uint64_t value)
{
    /* relaxed: as in frame_word_get */
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* A word of the tree, read without its lock: of a frame that the caller holds
 * the bit does not change, and of another it says what it was at some time. The
 * tree writes words as a whole.  ThreadSanitizer cannot know that. */
__attribute__((no_sanitize("thread"))) static inline uint64_t
frame_glance(const uint64_t *word)
{
    return *(const volatile uint64_t *)word;
}

/* ---- Locks: each call says whether it may wait ---- */

/* A call of mm/frame.h on its way: who runs it, and whether it may wait for a
 * lock.  One that interrupted another with a lock may not. */
struct frame_call {
    struct frame_cpu *cpu;
    bool may_wait;
};

/* section.busy while the CPU is in a step: see frame_step_begin. */
#define FRAME_IN_STEP 2

static inline struct frame_call frame_call_begin(struct frame_cpu *cpu)
{
    return (struct frame_call){
        /* relaxed: only this CPU stores these */
        cpu, __atomic_load_n(&cpu->depth, __ATOMIC_RELAXED) == 0 &&
                 __atomic_load_n(&cpu->section.busy, __ATOMIC_RELAXED) !=
                     FRAME_IN_STEP &&
                 cpu_order_allows_frames()};
}

/* Frees what handlers put aside.  No lock may be held. */
void frame_finish_deferred(struct frame_call call, struct frame_cpu *cpu);

/* At the end, with no lock: frees what handlers put aside meanwhile. */
static inline void frame_call_end(struct frame_call call)
{
    /* relaxed: only handlers of this CPU set it */
    if (__builtin_expect(
            call.may_wait &&
                __atomic_load_n(&call.cpu->has_deferred, __ATOMIC_RELAXED),
            0)) {
        __atomic_store_n(&call.cpu->has_deferred, false, __ATOMIC_RELAXED);
        frame_finish_deferred(call, call.cpu);
    }
}

/* The same at the end of a step. */
static inline void frame_free_deferred(struct frame_cpu *cpu)
{
    if (__builtin_expect(__atomic_load_n(&cpu->has_deferred, __ATOMIC_RELAXED),
                         0))
        frame_call_end(frame_call_begin(cpu));
}

static inline void frame_deepen(struct frame_cpu *cpu)
{
    /* relaxed: only this CPU and its handlers use it, in program order */
    __atomic_store_n(&cpu->depth, cpu->depth + 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void frame_surface(struct frame_cpu *cpu)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&cpu->depth, cpu->depth - 1, __ATOMIC_RELAXED);
}

/* Whether this CPU keeps the zone's lock: then it may use it in its section,
 * deepened, so that handlers in the middle of that do not. */
static inline bool frame_keeps(const struct frame_cpu *cpu,
                               const struct frame_zone *zone)
{
    /* relaxed: it becomes this CPU, or is it no more, in its section or while
     * it is stopped */
    return __atomic_load_n(&zone->keeper, __ATOMIC_RELAXED) == cpu->self;
}

static inline bool frame_is_inside(const struct frame_cpu *cpu)
{
    return __atomic_load_n(&cpu->section.busy, __ATOMIC_RELAXED);
}

/* In the section: handlers know that a zone is being worked in, until they are
 * told that it is not. */
static inline void frame_step_mark(struct frame_cpu *cpu)
{
    /* relaxed: as in cpu_section_enter */
    __atomic_store_n(&cpu->section.busy, FRAME_IN_STEP, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void frame_step_unmark(struct frame_cpu *cpu)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&cpu->section.busy, 1, __ATOMIC_RELAXED);
}

/* In the section: begins a step in a zone, which its CPU keeps or whose lock
 * it takes.  The calls of handlers in the middle of it may not wait.  False,
 * and there is no step: another CPU keeps the zone, or has it for long. */
bool frame_step_lock(struct frame_cpu *cpu, struct frame_zone *zone);

static inline __attribute__((always_inline)) bool
frame_step_begin(struct frame_cpu *cpu, struct frame_zone *zone)
{
    frame_step_mark(cpu);
    return __builtin_expect(frame_keeps(cpu, zone), 1) ||
           frame_step_lock(cpu, zone);
}

void frame_step_unlock(struct frame_cpu *cpu, struct frame_zone *zone);

/* Whether the zone is open.  It stays so while the asker is in its section. */
static inline bool frame_is_open(const struct frame_zone *zone)
{
    /* acquire: what was done in the zone before */
    return __atomic_load_n(&zone->keeper, __ATOMIC_ACQUIRE) == FRAME_OPEN;
}

/* As frame_zone_free, but also what an open zone does not count yet: false if
 * there is none. */
static inline bool frame_may_have(const struct frame_zone *zone)
{
    return frame_zone_free(zone) != 0 || frame_is_open(zone);
}

/* A step that does nothing but free one 4K.  It leaves an open zone open, and
 * then others free into it meanwhile, if zone->kept is 0. */
bool frame_put_lock(struct frame_cpu *cpu, struct frame_zone *zone);

static inline __attribute__((always_inline)) bool
frame_put_begin(struct frame_cpu *cpu, struct frame_zone *zone)
{
    frame_step_mark(cpu);
    return __builtin_expect(frame_keeps(cpu, zone), 1) ||
           frame_put_lock(cpu, zone);
}

void frame_put_unlock(struct frame_cpu *cpu, struct frame_zone *zone);

static inline __attribute__((always_inline)) void
frame_put_end(struct frame_cpu *cpu, struct frame_zone *zone)
{
    if (__builtin_expect(!frame_keeps(cpu, zone), 0))
        frame_put_unlock(cpu, zone);
    frame_step_unmark(cpu);
}

static inline __attribute__((always_inline)) void
frame_step_end(struct frame_cpu *cpu, struct frame_zone *zone)
{
    if (__builtin_expect(!frame_keeps(cpu, zone), 0))
        frame_step_unlock(cpu, zone);
    frame_step_unmark(cpu);
}

/* Takes the lock of a zone, or has it already because its CPU keeps it.  False:
 *   - it is taken, and this call may not wait;
 *   - another CPU keeps it, and this call, or the one that it interrupted, is
 *     in its section, where no CPU waits for another's;
 *   - another CPU keeps it and does not obey. */
bool frame_lock(struct frame_call call, struct frame_zone *zone);

/* Gives it up again, unless the CPU keeps it. */
void frame_unlock(struct frame_call call, struct frame_zone *zone);

/* The same at the end of a step that its CPU took in its section: keeps the
 * zone if no other CPU has asked for it for long enough. */
void frame_unlock_or_keep(struct frame_call call, struct frame_zone *zone);

/* All zones there are, whose number becomes *count; what CPUs keep was given
 * back.  False: one could not be had, and none is locked. */
bool frame_lock_all(struct frame_call call, unsigned *count);
void frame_unlock_all(struct frame_call call, unsigned count);

/* While a CPU is stopped: it keeps no zone now. */
void frame_let_go(const struct frame_cpu *cpu);

/* While all CPUs are stopped: no zone is open now. */
void frame_close_all(void);

/* ---- Blocks, in the CPU's section and under the lock of the zone ---- */

/* Whether any CPU owns the 2M at that address. */
bool frame_block_is_owned(const struct frame_zone *zone, uint32_t i,
                          paddr_t base);

/* Makes the 2M number i, of which `taken` was taken out of the tree, the
 * block's.  The block has none, and nobody else owns that one. */
void frame_block_own(struct frame_block *block, struct frame_zone *zone,
                     uint32_t i, const struct set512 *taken);

/* The same with the one frame number n, which is held as a 4K.  False, and
 * nothing changed: some CPU owns its 2M. */
bool frame_block_own_one(struct frame_block *block, struct frame_zone *zone,
                         uint32_t n);

/* 4Ks come from that word from now on. */
static inline void frame_block_use(struct frame_block *block, paddr_t base,
                                   unsigned word)
{
    block->word = &block->free.words[word];
    block->word_base = base + word * 64 * SIZE_4K;
}

/* The same with a 4K that is held, for a block that may have a 2M: of that one
 * nothing is free, and its zone is at hand too.  Of the new one nobody keeps
 * anything, and nothing is reserved. */
static inline void frame_block_own_instead(struct frame_block *block,
                                           struct frame_place place,
                                           paddr_t frame)
{
    uint32_t i = place.number / FRAMES_PER_2M;
    paddr_t base = align_down(frame, SIZE_2M);
    if (block->zone != NULL)
        --*block->count;
    block->zone = place.zone;
    block->count = &place.zone->kept[i % FRAME_ZONE_KEPT];
    ++*block->count;
    block->leaf = &place.zone->tree.free_4k[i];
    set512_clear(&block->barred);
    frame_block_use(block, base, place.number / 64 % SET512_WORDS);
    frame_word_set(block->word, UINT64_C(1) << place.number % 64);
    /* relaxed: under the lock of the zone, where others read it */
    __atomic_store_n(&block->base, base, __ATOMIC_RELAXED);
}

/* Whether its word has nothing for the next allocation. */
static inline bool frame_block_lacks(const struct frame_block *block)
{
    return frame_word_get(block->word) == 0;
}

/* Whether all of its words have nothing.  Its own CPU asks. */
static inline bool frame_block_is_empty(const struct frame_block *block)
{
    return set512_is_empty(&block->free);
}

/* Gives what the block has free back to its zone, and drops it; nothing if it
 * has none.  Needs the lock of that zone. */
void frame_block_drop(struct frame_block *block);

/* The same for one of whose 2M, which it has, nothing is free. */
void frame_block_forget(struct frame_block *block);

/* The same for who has no lock.  False: it is taken, and the call may not
 * wait. */
bool frame_drop_block(struct frame_call call, struct frame_block *block);

/* Points to where the zone tells of a frame of this size. */
static inline void frame_large_point(struct frame_large *large,
                                     struct frame_place place,
                                     enum frame_size size)
{
    const struct frame_tree *tree = &place.zone->tree;
    uint32_t i = place.number / FRAMES_PER_2M, g = place.number / FRAMES_PER_1G;
    bool is_2m = size == FRAME_2M;
    const struct set512 *own = is_2m ? tree->free_2m : &tree->free_1g;
    uint32_t member = is_2m ? i : g;

    large->zone = place.zone;
    large->count = &place.zone->kept[i % FRAME_ZONE_KEPT];
    large->word = &own->words[member / SET512_WORD_BITS];
    large->bit = UINT64_C(1) << member % SET512_WORD_BITS;
    large->below = is_2m ? &tree->free_4k[i] : &tree->free_2m[g];
}

/* Another frame than the last one, for frame_large_keep. */
bool frame_large_change(struct frame_cpu *cpu, struct frame_large *large,
                        struct frame_place place, paddr_t frame);

/* Keeps a frame that is held as a 2M or 1G, and that no CPU keeps: so it is
 * free.  False, and nothing changed, if the CPU keeps one, or if its last one
 * was of a zone that is not at hand.  frame_large_drop frees it and forgets
 * it. */
static inline bool frame_large_keep(struct frame_cpu *cpu,
                                    struct frame_large *large,
                                    struct frame_place place, paddr_t frame)
{
    if (large->kept || (large->frame != frame &&
                        !frame_large_change(cpu, large, place, frame)))
        return false;
    /* relaxed: as with a block's words */
    __atomic_store_n(&large->kept, true, __ATOMIC_RELAXED);
    return true;
}

/* In a step of the zone: the 2M that the CPU had last, of this zone or one that
 * it keeps, makes place for this one, which is held and becomes kept; nobody
 * keeps anything of it. */
static inline void frame_large_replace(struct frame_large *last,
                                       struct frame_place place, paddr_t frame)
{
    --*last->count;
    frame_large_point(last, place, FRAME_2M);
    ++*last->count;
    /* relaxed: as with a block's words */
    __atomic_store_n(&last->frame, frame, __ATOMIC_RELAXED);
    __atomic_store_n(&last->kept, true, __ATOMIC_RELAXED);
}

void frame_large_drop(struct frame_large *large);
bool frame_drop_large(struct frame_call call, struct frame_large *large);

/* Whether a CPU keeps this frame, so that it is free although the tree says
 * that it is held.  Under the lock of its zone; inside is any address in it. */
bool frame_is_kept(struct frame_place place, paddr_t inside);

/* The same, but also for a frame inside a kept 1G; slow. */
bool frame_is_kept_anywhere(paddr_t inside);

/* Frees a frame into its tree, under the lock of its zone; errors as of
 * frame_free. */
enum mm_error frame_put_locked(struct frame_place place, paddr_t frame);

/* The same for who has no lock.  MM_BUSY: the call may not wait. */
enum mm_error frame_put(struct frame_call call, struct frame_place place,
                        paddr_t frame);

/* ---- For handlers in the middle of a call ---- */

/* Values of reserve_was_used: some was given back to the trees; or a handler
 * wanted a frame, and until that is made good no free gets anything ready. */
#define FRAME_RESERVE_GIVEN_BACK 1
#define FRAME_RESERVE_USED       2

/* Whether some of the reserve was emptied since a call looked after it: the
 * next call that has nothing at hand settles it, and then fills it.  A slot
 * that a handler emptied can be filled when zone->kept does not count it any
 * more, for which the zone's lock is needed: it may be open, or another CPU may
 * keep it. */
static inline bool frame_reserve_lacks(const struct frame_cpu *cpu)
{
    /* relaxed: a flag, and what it tells of is atomic, or this CPU's */
    return __builtin_expect(
        __atomic_load_n(&cpu->reserve_was_used, __ATOMIC_RELAXED) != 0, 0);
}

static inline bool frame_reserve_was_used(const struct frame_cpu *cpu)
{
    /* relaxed: as above */
    return __builtin_expect(
        __atomic_load_n(&cpu->reserve_was_used, __ATOMIC_RELAXED) ==
            FRAME_RESERVE_USED,
        0);
}

/* Outside of the section: slots that handlers emptied are not counted any more,
 * if their zones can be had. */
void frame_reserve_settle(struct frame_call call);

/* The next call that has nothing at hand tries to fill it. */
void frame_reserve_try_later(struct frame_cpu *cpu);

/* In the section and under the lock: moves frames, but never the last one, out
 * of what was just taken of 2M number i into the reserve. */
void frame_reserve_complete(struct frame_cpu *cpu, struct frame_zone *zone,
                            uint32_t i, struct set512 *taken);

static inline void frame_reserve_fill(struct frame_cpu *cpu,
                                      struct frame_zone *zone, uint32_t i,
                                      struct set512 *taken)
{
    if (__builtin_expect(!cpu->reserve_is_whole, 0))
        frame_reserve_complete(cpu, zone, i, taken);
}

/* The same with frames of the tree, of the lowest word of 2Ms that are split:
 * in worn memory no 2M has many. */
void frame_reserve_complete_singly(struct frame_cpu *cpu,
                                   struct frame_zone *zone);

/* A 4K of the reserve, or PADDR_NONE.  Needs no section and no lock. */
paddr_t frame_reserve_take(struct frame_cpu *cpu);

/* Puts a frame that a handler frees aside, for the call that it interrupted.
 * False: the list is full. */
bool frame_defer(struct frame_cpu *cpu, paddr_t frame);

/* ---- Stopping the other CPUs ---- */

/* Stops every CPU, this one too if the call is not in the middle of its
 * section, so that each call goes to the trees until frame_start_cpus.  False:
 * not now, for this call may not wait, or it interrupted its own CPU's section
 * while another stops them; then nothing is stopped.  Takes a lock that comes
 * before any zone's. */
bool frame_stop_cpus(struct frame_call call);

/* Between the two: false if that CPU did not leave its section, and what it
 * keeps must be left alone. */
bool frame_has_stopped(struct frame_call call, const struct frame_cpu *cpu);

/* Between the two: gives back all that the CPUs keep.  False if one of them did
 * not stop, and keeps what it has, or if a zone cannot be had, and what is kept
 * of it stays. */
bool frame_give_all_back(struct frame_call call);

void frame_start_cpus(struct frame_call call);

#endif
