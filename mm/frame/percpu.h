/* The frame layer FRAMES=percpu: what each CPU keeps, and its protocol.  For
 * the files of mm/frame/ only.
 *
 * A CPU keeps, out of zones of its own node:
 *
 *   block   the 4Ks that were available in one 2M: allocated lowest first, and
 *           freed into again
 *   ring    4Ks that it freed elsewhere, on their way to their trees, oldest
 *           first
 *   large   2Ms: those that it freed last, and some that it is going to need
 *   slots   a few frames for handlers in the middle of a call: to have, and
 *           room for what they free
 *
 * To the trees all of this is held.  No frame of it has a caller's mark
 * (mark.h), so whoever frees one of them is told.
 *
 * The words that CPUs share, and who changes them:
 *
 *   - section.busy: its CPU alone.  0 to 1 at the begin of a call, to 2 for
 *     what is left of one that leaves its CPU's things alone (its hands are
 *     off them), to 0 at its end.  A handler that finds it not 0 is nested.
 *   - section.stopped: 0 to 1 to 0 by who has the gather lock.
 *   - block, ring, large: their CPU in its section (busy is 1); or who has
 *     the gather lock, has stopped that CPU, and saw after a fence on every
 *     CPU that busy is not 1.
 *   - slots: whoever it is, by one exchange or compare-and-swap each.
 *   - a zone and its tree: who has the zone's lock.
 *   - marks: as mark.h says.
 *
 * Who waits for whom:
 *
 *   - a zone's lock: turns in their section, turns with their hands off, and
 *     the one with the gather lock.  Who has a zone's lock waits for nothing.
 *   - the gather lock: only turns with their hands off, without a zone's lock.
 *   - leaving sections: only who has the gather lock, and no zone's.  Who is in
 *     a section waits for zones' locks only.
 *
 *   So the order is gather, section, zone, and no circle can form.  Nested
 *   turns, and those of NMIs, wait for nothing.  Each wait ends after a while
 *   all the same: with the lock of a CPU that does not run.  Then
 *
 *   - an allocation goes to the next zone; what no zone has is MM_BUSY;
 *   - a free goes into the ring, or is MM_BUSY if the ring is full;
 *   - what a CPU keeps that does not leave its section stays there, and who
 *     looks for a frame without success hears MM_BUSY.
 *
 * What a handler may do: where it interrupted no call, or the instructions of
 * one before busy was stored, what a thread may do.  In the middle of a call:
 * take from and free into any zone whose lock is free now; otherwise the slots.
 * A turn with its things at the end of its way through the trees looks after
 * them: fills some, and frees what is too much.
 *
 * After a search that had to gather CPUs keep nothing for FRAME_SCARCE calls
 * that would want to: so who shares the last frames need not gather for every
 * one.
 */
#ifndef MM_FRAME_PERCPU_H
#define MM_FRAME_PERCPU_H

#include "mm/cpu/cpu_order.h"
#include "mm/cpu/cpu_section.h"
#include "mm/frame/turn.h"
#include "mm/tree/set512.h"

#define FRAME_RING  64 /* a power of 2 */
#define FRAME_FLUSH 8  /* so many leave a full ring */
#define FRAME_LARGE 8
#define FRAME_SLOTS 12
#define FRAME_READY 4 /* slots that have a 4K as a rule, */
#define FRAME_ROOM  4 /* and slots that are empty */

#define FRAME_SCARCE 1024

/* So many 4Ks are taken from one 2M after the other upwards; then the lowest
 * that is split comes again.  So memory is filled from below, and yet each
 * visit to a 2M finds what many frees have left there. */
#define FRAME_NEAR 65536

/* Where no 2M of the CPU's zones is split, so many 4Ks are taken out of the
 * ring before the zones are asked again. */
#define FRAME_FROM_RING 64

/* The base of none: so far up that no frame lies in the 2M from there on. */
#define FRAME_NO_BLOCK (UINT64_C(1) << 63)

struct frame_block {
    paddr_t base;       /* of the 2M, or FRAME_NO_BLOCK */
    uint8_t *mark;      /* of its first frame */
    uint64_t *word;     /* of free: where 4Ks come from now, */
    paddr_t word_base;  /* the address of its first frame, */
    uint8_t *word_mark; /* and that one's mark */
    struct set512 free; /* those of its frames that are kept */
};

struct frame_cpu {
    struct cpu_section section;
    uint32_t ring_begin, ring_count;
    uint32_t ring_room; /* so many may be in it: 0 while frames are scarce */
    uint32_t large_count, large_room;
    uint32_t scarce; /* calls until it may keep frames again */
    struct frame_zone
        *near;          /* where the block came from, and the number of the */
    uint32_t near_next; /* 2M that comes after it; so many 4Ks more come */
    uint32_t near_left; /* from there on up, and then from the lowest */
    uint32_t from_ring; /* so many 4Ks come out of the ring, not the trees */
    bool slots_changed; /* by a handler, or they are not full yet */
    struct frame_home home;
    struct frame_block block;
    paddr_t ring[FRAME_RING]; /* count of them from begin on, around the end */
    paddr_t large[FRAME_LARGE];
    paddr_t slot[FRAME_SLOTS];    /* a frame, plus its size; or 0: empty */
} __attribute__((aligned(1024))); /* so that a shift finds it by its number */

/* count is 0 before frame_init, and then nobody gets past frame_this_cpu. */
struct frame_cpus {
    uint32_t count;
    uint32_t large_room; /* for each: less on small machines */
    struct frame_cpu *cpu;
    struct cpu_lock gather;
};

extern struct frame_cpus frame_cpus;

static inline struct frame_cpu *frame_this_cpu(void)
{
    uint32_t number = platform_cpu();
    if (__builtin_expect(number >= frame_cpus.count, 0))
        return NULL;
    return &frame_cpus.cpu[number];
}

/* Whether a zone's frames may be kept by this CPU. */
static inline bool frame_is_near(const struct frame_cpu *cpu, unsigned zone)
{
    return (uint16_t)(zone - cpu->home.first) < cpu->home.count;
}

/* A word of the block's set. */
static inline uint64_t frame_word_get(const uint64_t *word)
{
    /* relaxed, twice: for its CPU, in the section */
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void frame_word_set(uint64_t *word, uint64_t bits)
{
    __atomic_store_n(word, bits, __ATOMIC_RELAXED);
}

/* The word of the block's set where 4Ks come from now. */
static inline void frame_block_use(struct frame_block *block, unsigned word)
{
    block->word = &block->free.words[word];
    block->word_base = block->base + word * SET512_WORD_BITS * SIZE_4K;
    block->word_mark = block->mark + word * SET512_WORD_BITS;
}

/* ---- Filling and emptying: mm/frame/percpu_keep.c; in the section ---- */

/* Gets 4Ks for an empty block; unless those in the ring come before a 2M is
 * split. */
void frame_refill(struct frame_cpu *cpu);
void frame_refill_large(struct frame_cpu *cpu);

/* Whether there is room for one more, now that some have left. */
bool frame_flush(struct frame_cpu *cpu);
bool frame_flush_large(struct frame_cpu *cpu);

/* Counts a call while frames are scarce.  True: they are. */
bool frame_is_scarce(struct frame_cpu *cpu);

/* Fills slots out of the block, and frees what is in too many. */
void frame_slots_level(const struct frame_turn *turn);

/* From the section, or while it is stopped: all goes to the trees.  False: some
 * stays, because its zone could not be locked. */
bool frame_give_back(const struct frame_turn *turn, struct frame_cpu *cpu);

/* ---- Slots: any context ---- */

paddr_t frame_slot_take(struct frame_cpu *cpu, enum frame_size size);
bool frame_slot_put(struct frame_cpu *cpu, paddr_t frame, enum frame_size size);

#endif
