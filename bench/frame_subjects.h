/* The allocators of frames that are measured against each other, with one way
 * to set up and call each.  Metadata alone: no frame is ever touched. */
#ifndef BENCH_FRAME_SUBJECTS_H
#define BENCH_FRAME_SUBJECTS_H

#include "bench/bench.h"
#include "bench/reference_buddy.h"
#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/platform.h"

enum frame_subject {
    BY_FRAME,       /* "frame": mm/frame.h, as everyone calls it */
    BY_TREE,        /* "frame_tree": the sequential core alone, one thread's */
    BY_BUDDY,       /* "buddy": bench/reference_buddy.h */
    BY_BUDDY_LISTS, /* "buddy-lists": the same without stacks */
    BY_NOTHING,     /* "empty": what was freed last comes back */
};

/* The CPUs that a workload may run on; each has its own share of the frames. */
#define FRAME_BENCH_CPUS 2

struct frame_share {
    uint64_t random;
    uint32_t *held; /* frames of the workload's size, in any order */
    uint32_t count; /* of them */
    uint32_t last;  /* of BY_NOTHING: the frame freed last */
} __attribute__((aligned(64)));

struct frame_bench {
    enum frame_subject subject;
    enum frame_size size;   /* that the workload allocates */
    uint64_t bytes;         /* managed; 0: what the machine has */
    uint32_t span;          /* all 4K numbers are below it */
    uint32_t frames;        /* 4K that can be had when all is free */
    struct frame_tree tree; /* of BY_TREE */
    struct set512 *levels;  /* the same */
    struct reference_buddy buddy;
    struct buddy_page *pages;
    struct frame_share share[FRAME_BENCH_CPUS];

    uint32_t *list; /* of frames, for workloads that want one: begin_list */
};

const char *frame_subject_name(enum frame_subject subject);

/* Makes the allocator that the row names, of the row's bytes, all free.  NULL
 * if it cannot be, with bench_cannot. */
struct frame_bench *frame_bench_begin(const struct bench *bench,
                                      enum frame_size size);

/* The same, with room in the list for every frame of that size.  The room is
 * one for all subjects: what it holds is lost after a pass. */
struct frame_bench *frame_bench_begin_list(const struct bench *bench,
                                           enum frame_size size);

/* Gives back what shares hold, then itself. */
void frame_bench_end(void *state);

/* Makes the allocator anew, all free. */
bool frame_bench_reset(struct frame_bench *state);

/* Whole free 2M frames, GiBs included. */
uint64_t frame_bench_free_2m(struct frame_bench *state);

/* Bytes of metadata for the row's bytes. */
uint64_t frame_bench_metadata(const struct frame_bench *state);

/* Each workload is written once and compiled for each subject, so that what is
 * timed has no test of the subject in it:
 *
 *     FOR_EACH_SUBJECT bool work(enum frame_subject subject,
 *                                struct frame_bench *state, ...)
 *     static bool run(void *context, uint64_t count)
 *     {
 *         RUN_FOR_SUBJECT(work, context, count);
 *     }
 */
#define FOR_EACH_SUBJECT static inline __attribute__((always_inline))

#define RUN_FOR_SUBJECT(work, context, ...)                                    \
    struct frame_bench *of_ = (context);                                       \
    switch (of_->subject) {                                                    \
    case BY_FRAME:                                                             \
        return work(BY_FRAME, of_, __VA_ARGS__);                               \
    case BY_TREE:                                                              \
        return work(BY_TREE, of_, __VA_ARGS__);                                \
    case BY_BUDDY:                                                             \
    case BY_BUDDY_LISTS:                                                       \
        return work(BY_BUDDY, of_, __VA_ARGS__);                               \
    case BY_NOTHING:                                                           \
        return work(BY_NOTHING, of_, __VA_ARGS__);                             \
    }                                                                          \
    return false

static inline unsigned buddy_order(enum frame_size size)
{
    return size == FRAME_4K ? 0 : 9;
}

/* The number of a frame's first 4K, or FRAME_NONE. */
FOR_EACH_SUBJECT uint32_t take(enum frame_subject subject,
                               struct frame_bench *state, enum frame_size size)
{
    switch (subject) {
    case BY_FRAME: {
        paddr_t frame = frame_alloc(size);
        return frame == PADDR_NONE ? FRAME_NONE : (uint32_t)(frame / SIZE_4K);
    }
    case BY_TREE:
        return size == FRAME_4K   ? frame_tree_alloc_4k(&state->tree)
               : size == FRAME_2M ? frame_tree_alloc_2m(&state->tree)
                                  : frame_tree_alloc_1g(&state->tree);
    case BY_BUDDY:
    case BY_BUDDY_LISTS:
        return reference_buddy_alloc(&state->buddy, buddy_order(size));
    case BY_NOTHING:
        bench_use(state);
        return state->share[platform_cpu()].last;
    }
    return FRAME_NONE;
}

/* Of what take gave with this size. */
FOR_EACH_SUBJECT bool give(enum frame_subject subject,
                           struct frame_bench *state, uint32_t n,
                           enum frame_size size)
{
    switch (subject) {
    case BY_FRAME:
        return frame_free((paddr_t)n * SIZE_4K) == MM_OK;
    case BY_TREE:
        return frame_tree_free(&state->tree, n) <= FRAME_FREED_1G;
    case BY_BUDDY:
    case BY_BUDDY_LISTS:
        reference_buddy_free(&state->buddy, n, buddy_order(size));
        return true;
    case BY_NOTHING:
        state->share[platform_cpu()].last = n;
        return true;
    }
    return false;
}

/* ---- What a share holds ---- */

/* 4K frames in one of that size, as a shift. */
static inline unsigned size_shift(enum frame_size size)
{
    return 9 * (unsigned)size;
}

static inline void hold(struct frame_share *share, uint32_t n)
{
    share->held[share->count++] = n;
}

/* The place of a random frame that the share holds: there must be some. */
static inline uint32_t *random_held(struct frame_share *share)
{
    return &share->held[bench_random(&share->random, share->count)];
}

/* The same, but places are chosen so many steps ahead, and fetched: the list is
 * larger than the caches, and waiting for it is no allocator's work.  Slots
 * begin as NULL, and places are lost when a frame is let go. */
#define CHOSEN_AHEAD 8u

struct chosen {
    uint32_t *place[CHOSEN_AHEAD];
};

static inline uint32_t *choose(struct chosen *chosen, uint64_t step,
                               struct frame_share *share)
{
    uint32_t *next = random_held(share);
    __builtin_prefetch(next, 1);
    uint32_t **slot = &chosen->place[step % CHOSEN_AHEAD], *place = *slot;
    *slot = next;
    return place;
}

static inline void begin_choosing(struct chosen *chosen,
                                  struct frame_share *share)
{
    for (uint64_t i = 0; i < CHOSEN_AHEAD; i++)
        (void)choose(chosen, i, share);
}

/* That frame is not held any more. */
static inline void let_go(struct frame_share *share, uint32_t *place)
{
    *place = share->held[--share->count];
}

#endif
