/* Frames: through mm/frame.h, as everyone calls it, and directly on a tree of
 * the same size.  Metadata alone: no frame is ever touched. */
#include "bench/bench.h"

#include <stdatomic.h>

#include "bench/latency.h"
#include "lib/bits.h"
#include "mm/frame.h"

enum subject { BY_FRAME, BY_TREE };

struct frame_bench {
    struct frame_tree tree; /* of BY_TREE */
    struct set512 *levels;
    uint64_t bytes; /* that are managed */

    uint64_t random;
    uint64_t *held; /* a bit a 4K, for the random workload */
    uint64_t held_words;

    paddr_t *list; /* for the others */
    uint64_t list_room, list_count;
};

/* Each workload is written once and compiled twice, so that what is timed has
 * no test of the subject in it. */
#define FOR_EACH_SUBJECT static inline __attribute__((always_inline))

FOR_EACH_SUBJECT paddr_t take(enum subject subject, struct frame_bench *state,
                              enum frame_size size)
{
    if (subject == BY_FRAME)
        return frame_alloc(size);
    uint32_t n = size == FRAME_4K   ? frame_tree_alloc_4k(&state->tree)
                 : size == FRAME_2M ? frame_tree_alloc_2m(&state->tree)
                                    : frame_tree_alloc_1g(&state->tree);
    return n == FRAME_NONE ? PADDR_NONE : (paddr_t)n * SIZE_4K;
}

FOR_EACH_SUBJECT bool give(enum subject subject, struct frame_bench *state,
                           paddr_t frame)
{
    if (subject == BY_FRAME)
        return frame_free(frame) == MM_OK;
    return frame_tree_free(&state->tree, (uint32_t)(frame / SIZE_4K)) <=
           FRAME_FREED_1G;
}

/* ---- Setting up ---- */

static void end(void *context)
{
    struct frame_bench *state = context;
    if (state->levels != NULL)
        bench_give(state->levels,
                   frame_tree_bytes((unsigned)(state->bytes / SIZE_1G)));
    if (state->held != NULL)
        bench_give(state->held, state->held_words * sizeof(uint64_t));
    if (state->list != NULL)
        bench_give(state->list, state->list_room * sizeof(paddr_t));
    bench_give(state, sizeof(*state));
}

static bool make_tree(struct frame_bench *state)
{
    unsigned gibs = (unsigned)(state->bytes / SIZE_1G);
    state->levels = bench_take(frame_tree_bytes(gibs));
    if (state->levels == NULL)
        return false;
    frame_tree_init(&state->tree, state->levels, gibs);
    frame_tree_give(&state->tree, 0, gibs * FRAMES_PER_1G);
    return true;
}

/* A row's bytes are those of the machine; list_room, the most frames that the
 * workload holds in its list. */
static struct frame_bench *begin(enum subject subject, uint64_t bytes,
                                 uint64_t list_room)
{
    struct frame_bench *state = bench_take(sizeof(*state));
    if (state == NULL)
        return NULL;
    state->bytes = bytes;
    state->random = 1;
    state->list_room = list_room;
    state->list = bench_take(list_room * sizeof(paddr_t));
    bool well = state->list != NULL;
    well =
        well && (subject == BY_TREE ? make_tree(state) : bench_machine(bytes));
    if (well)
        return state;
    end(state);
    return NULL;
}

/* ---- Repeat: one frame, allocated and freed ---- */

/* Whether this frame is the first of its 2M, and all others are available. */
FOR_EACH_SUBJECT bool is_first_of_2m(enum subject subject, paddr_t frame)
{
    bool first = is_aligned(frame, SIZE_2M);
    for (unsigned i = 1; subject == BY_FRAME && first && i < FRAMES_PER_2M; i++)
        first = frame_state(frame + i * SIZE_4K) == FRAME_AVAILABLE;
    return first;
}

/* Frames are held up to the first of a 2M that nobody else has a part of: so
 * the figures do not depend on what the boot took before. */
FOR_EACH_SUBJECT struct frame_bench *begin_pair(enum subject subject,
                                                uint64_t bytes)
{
    struct frame_bench *state = begin(subject, bytes, 8 * FRAMES_PER_2M);
    while (state != NULL && state->list_count < state->list_room) {
        paddr_t frame = take(subject, state, FRAME_4K);
        if (frame == PADDR_NONE)
            break;
        state->list[state->list_count++] = frame;
        if (is_first_of_2m(subject, frame))
            break;
    }
    return state;
}

FOR_EACH_SUBJECT void end_pair(enum subject subject, struct frame_bench *state)
{
    while (state->list_count > 0)
        (void)give(subject, state, state->list[--state->list_count]);
    end(state);
}

FOR_EACH_SUBJECT bool pair(enum subject subject, struct frame_bench *state,
                           enum frame_size size, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        paddr_t frame = take(subject, state, size);
        if (frame == PADDR_NONE || !give(subject, state, frame))
            return false;
    }
    return true;
}

static bool run_empty_pair(void *context, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        bench_use(context);
    return true;
}

/* What one uncontended lock costs. */
static bool run_exchange(void *context, uint64_t count)
{
    static _Atomic uint64_t word;
    (void)context;
    for (uint64_t i = 0; i < count; i++)
        /* acquire: as the lock of mm/frame.c takes it */
        atomic_exchange_explicit(&word, i, memory_order_acquire);
    return true;
}

/* ---- Bulk: so many 4K frames; then all of them back, in order ---- */

FOR_EACH_SUBJECT bool bulk_alloc(enum subject subject,
                                 struct frame_bench *state, uint64_t count)
{
    paddr_t *list = state->list;
    bool well = true;
    for (uint64_t i = 0; i < count; i++) {
        list[i] = take(subject, state, FRAME_4K);
        well &= list[i] != PADDR_NONE;
    }
    return well;
}

FOR_EACH_SUBJECT bool bulk_free(enum subject subject, struct frame_bench *state,
                                uint64_t count)
{
    bool well = true;
    for (uint64_t i = 0; i < count; i++)
        well &= give(subject, state, state->list[i]);
    return well;
}

/* ---- Random: 70 % full; a random 4K is freed, one allocated ---- */

static inline bool is_held(const struct frame_bench *state, uint32_t n)
{
    return state->held[n / 64] >> n % 64 & 1;
}

static inline void flip(struct frame_bench *state, uint32_t n)
{
    state->held[n / 64] ^= UINT64_C(1) << n % 64;
}

static inline uint32_t random_held(struct frame_bench *state)
{
    uint32_t frames = (uint32_t)(state->bytes / SIZE_4K), n;
    do
        n = bench_random(&state->random, frames);
    while (!is_held(state, n));
    return n;
}

/* All frames are taken, then random ones given back. */
FOR_EACH_SUBJECT bool fill(enum subject subject, struct frame_bench *state)
{
    uint64_t held = 0, frames = state->bytes / SIZE_4K;
    for (paddr_t frame; (frame = take(subject, state, FRAME_4K)) != PADDR_NONE;
         held++)
        flip(state, (uint32_t)(frame / SIZE_4K));
    bool well = held > frames / 10 * 7;
    for (; well && held > frames / 10 * 7; held--) {
        uint32_t n = random_held(state);
        flip(state, n);
        well = give(subject, state, (paddr_t)n * SIZE_4K);
    }
    return well;
}

static struct frame_bench *begin_held(enum subject subject, uint64_t bytes)
{
    struct frame_bench *state = begin(subject, bytes, 1);
    if (state == NULL)
        return NULL;
    state->held_words = bytes / SIZE_4K / 64;
    state->held = bench_take(state->held_words * sizeof(uint64_t));
    if (state->held != NULL)
        return state;
    end(state);
    return NULL;
}

FOR_EACH_SUBJECT struct frame_bench *begin_random(enum subject subject,
                                                  uint64_t bytes)
{
    struct frame_bench *state = begin_held(subject, bytes);
    if (state == NULL || fill(subject, state))
        return state;
    end(state);
    return NULL;
}

FOR_EACH_SUBJECT bool replace_random(enum subject subject,
                                     struct frame_bench *state, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint32_t n = random_held(state);
        flip(state, n);
        if (!give(subject, state, (paddr_t)n * SIZE_4K))
            return false;
        paddr_t frame = take(subject, state, FRAME_4K);
        if (frame == PADDR_NONE)
            return false;
        flip(state, (uint32_t)(frame / SIZE_4K));
    }
    return true;
}

/* The same choice among as many frames, and the same marks, but no allocator:
 * what was freed comes back at once. */
static void *begin_random_empty(const struct bench *bench, unsigned variant)
{
    (void)variant;
    struct frame_bench *state = begin_held(BY_TREE, bench->bytes);
    if (state == NULL)
        return NULL;
    uint64_t random = 1;
    for (uint64_t n = 0; n < bench->bytes / SIZE_4K; n++)
        if (bench_random(&random, 10) < 7)
            flip(state, (uint32_t)n);
    return state;
}

static bool run_random_empty(void *context, uint64_t count)
{
    struct frame_bench *state = context;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t n = random_held(state);
        flip(state, n);
        bench_use(state);
        flip(state, n);
    }
    return true;
}

/* ---- Worst: the longest single call of a long run of all sizes ---- */

#define SLOTS 2048u

static const struct bench_figure worst_figures[] = {
    {"alloc", NULL, false},
    {"free", NULL, false},
    {0},
};

/* One allocation in 128 is a GiB, and one in 8 of the others 2M. */
static enum frame_size random_size(uint64_t *random)
{
    uint32_t n = bench_random(random, 128);
    return n == 0 ? FRAME_1G : n % 8 == 1 ? FRAME_2M : FRAME_4K;
}

FOR_EACH_SUBJECT bool worst_of(enum subject subject, uint64_t count,
                               struct bench_latency latency[2])
{
    struct frame_bench *state =
        begin(subject, subject == BY_TREE ? 4 * SIZE_1G : 0, SLOTS);
    if (state == NULL)
        return false;
    bench_latency_begin(&latency[0]);
    bench_latency_begin(&latency[1]);
    /* An empty slot is 0: the trees never give that frame out here, for it is
     * held for ever in one, and no memory in the other. */
    bool well = subject == BY_FRAME || take(subject, state, FRAME_4K) == 0;
    for (uint64_t i = 0; i < count; i++) {
        paddr_t *slot = &state->list[bench_random(&state->random, SLOTS)];
        enum frame_size size = random_size(&state->random);
        paddr_t frame = *slot;
        uint64_t stamp = bench_stamp();
        if (frame == 0) {
            frame = take(subject, state, size);
            bench_latency_add(&latency[0], bench_stamp() - stamp);
            *slot = frame == PADDR_NONE ? 0 : frame;
        } else {
            well &= give(subject, state, frame);
            bench_latency_add(&latency[1], bench_stamp() - stamp);
            *slot = 0;
        }
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (state->list[i] != 0)
            well &= give(subject, state, state->list[i]);
    end(state);
    return well;
}

FOR_EACH_SUBJECT bool worst(enum subject subject, uint64_t count,
                            uint64_t *figure)
{
    struct bench_latency *latency = bench_take(2 * sizeof(*latency));
    if (latency == NULL)
        return false;
    bool well = worst_of(subject, count, latency);
    figure[0] = bench_stamp_ticks(latency[0].worst);
    figure[1] = bench_stamp_ticks(latency[1].worst);
    bench_give(latency, 2 * sizeof(*latency));
    return well;
}

/* ---- Both subjects of each ---- */

#define BOTH_SUBJECTS(as, subject)                                             \
    static void *as##_begin(const struct bench *bench, unsigned variant)       \
    {                                                                          \
        (void)variant;                                                         \
        return begin_pair(subject, bench->bytes);                              \
    }                                                                          \
    static void as##_end(void *state)                                          \
    {                                                                          \
        end_pair(subject, state);                                              \
    }                                                                          \
    static bool as##_4k(void *state, uint64_t count)                           \
    {                                                                          \
        return pair(subject, state, FRAME_4K, count);                          \
    }                                                                          \
    static bool as##_2m(void *state, uint64_t count)                           \
    {                                                                          \
        return pair(subject, state, FRAME_2M, count);                          \
    }                                                                          \
    static bool as##_1g(void *state, uint64_t count)                           \
    {                                                                          \
        return pair(subject, state, FRAME_1G, count);                          \
    }                                                                          \
    static void *as##_begin_bulk(const struct bench *bench, unsigned variant)  \
    {                                                                          \
        uint64_t most = bench->count[BENCH_KERNEL] > bench->count[BENCH_HOST]  \
                            ? bench->count[BENCH_KERNEL]                       \
                            : bench->count[BENCH_HOST];                        \
        (void)variant;                                                         \
        return begin(subject, bench->bytes, most);                             \
    }                                                                          \
    static bool as##_bulk_alloc(void *state, uint64_t count)                   \
    {                                                                          \
        return bulk_alloc(subject, state, count);                              \
    }                                                                          \
    static bool as##_bulk_free(void *state, uint64_t count)                    \
    {                                                                          \
        return bulk_free(subject, state, count);                               \
    }                                                                          \
    static void as##_untimed_alloc(void *state, uint64_t count)                \
    {                                                                          \
        (void)bulk_alloc(subject, state, count);                               \
    }                                                                          \
    static void as##_untimed_free(void *state, uint64_t count)                 \
    {                                                                          \
        (void)bulk_free(subject, state, count);                                \
    }                                                                          \
    static void *as##_begin_random(const struct bench *bench,                  \
                                   unsigned variant)                           \
    {                                                                          \
        (void)variant;                                                         \
        return begin_random(subject, bench->bytes);                            \
    }                                                                          \
    static bool as##_random(void *state, uint64_t count)                       \
    {                                                                          \
        return replace_random(subject, state, count);                          \
    }                                                                          \
    static bool as##_worst(void *state, uint64_t count, uint64_t *figure)      \
    {                                                                          \
        (void)state;                                                           \
        return worst(subject, count, figure);                                  \
    }

BOTH_SUBJECTS(frame, BY_FRAME)
BOTH_SUBJECTS(tree, BY_TREE)

/* ---- The tables ---- */

#define ROW(name, of, size)                                                    \
    .suite = "frame", .workload = name, .subject = of, .bytes = size

/* clang-format off */
/* In the kernel, mm/frame.h is measured on the memory of the machine, and the
 * tree on one of 8 GiB. */
#define PAIRS(name, run_size, size, goal_ns)                                   \
    {ROW(name, "frame", size), .count = {size == 0 ? 1000 : 0,                 \
                                         size == 0 ? 0 : 2000000},             \
     .begin = frame_begin, .end = frame_end, .run = frame_##run_size,          \
     .goal = {goal_ns}}

#define PAIR(name, run_size, goal_ns)                                          \
    PAIRS(name, run_size, 0, goal_ns),                                         \
    PAIRS(name, run_size, 8 * SIZE_1G, goal_ns),                               \
    {ROW(name, "frame_tree", 8 * SIZE_1G), .count = {1000, 2000000},           \
     .begin = tree_begin, .end = tree_end, .run = tree_##run_size,             \
     .goal = {goal_ns}}

#define BULK(size, kernel)                                                     \
    {ROW("bulk-alloc", "frame", size), .count = {0, 1000000},                  \
     .begin = frame_begin_bulk, .end = end, .run = frame_bulk_alloc,           \
     .after = frame_untimed_free, .goal = {500}},                                \
    {ROW("bulk-alloc", "frame_tree", size), .count = {kernel, 1000000},        \
     .begin = tree_begin_bulk, .end = end, .run = tree_bulk_alloc,             \
     .after = tree_untimed_free, .goal = {500}},                                 \
    {ROW("bulk-free", "frame", size), .count = {0, 1000000},                   \
     .begin = frame_begin_bulk, .end = end, .before = frame_untimed_alloc,     \
     .run = frame_bulk_free, .goal = {300}},                                     \
    {ROW("bulk-free", "frame_tree", size), .count = {kernel, 1000000},         \
     .begin = tree_begin_bulk, .end = end, .before = tree_untimed_alloc,       \
     .run = tree_bulk_free, .goal = {300}}

#define RANDOM(size, goal_ns)                                                  \
    {ROW("random", "frame", size),                                             \
     .count = {0, size == SIZE_1G ? 0 : 500000},                               \
     .begin = frame_begin_random, .end = end, .run = frame_random,             \
     .goal = {goal_ns}},                                                         \
    {ROW("random", "frame_tree", size),                                        \
     .count = {size == SIZE_1G ? 20000 : 0,                                    \
               size == SIZE_1G ? 0 : 500000},                                  \
     .begin = tree_begin_random, .end = end, .run = tree_random,               \
     .goal = {goal_ns}},                                                         \
    {ROW("random", "empty", size), .role = BENCH_YARDSTICK,                        \
     .count = {size == SIZE_1G ? 20000 : 0,                                    \
               size == SIZE_1G ? 0 : 500000},                                  \
     .begin = begin_random_empty, .end = end, .run = run_random_empty}

#define WORST(subject, of, size)                                               \
    {ROW("worst", of, size), .count = {50000, 0},                              \
     .measure = subject##_worst, .figures = worst_figures, .once = true}

const struct bench bench_frame[] = {
    PAIR("repeat-4k", 4k, 400),
    {ROW("repeat-4k", "locked-exchange", 8 * SIZE_1G),
     .role = BENCH_YARDSTICK, .count = {0, 2000000}, .begin = tree_begin,
     .end = tree_end, .run = run_exchange},
    {ROW("repeat-4k", "empty", 8 * SIZE_1G), .role = BENCH_YARDSTICK,
     .count = {1000, 2000000}, .begin = tree_begin, .end = tree_end,
     .run = run_empty_pair},
    {ROW("repeat-4k", "frame", 8 * SIZE_1G), .threads = 2,
     .count = {0, 2000000}, .begin = frame_begin, .end = frame_end,
     .run = frame_4k, .goal = {400}, .known = {490}},
    {ROW("repeat-4k", "locked-exchange", 8 * SIZE_1G), .threads = 2,
     .role = BENCH_YARDSTICK, .count = {0, 2000000}, .begin = tree_begin,
     .end = tree_end, .run = run_exchange},
    {ROW("repeat-4k", "empty", 8 * SIZE_1G), .threads = 2,
     .role = BENCH_YARDSTICK, .count = {0, 2000000}, .begin = tree_begin,
     .end = tree_end, .run = run_empty_pair},
    PAIR("repeat-2m", 2m, 400),
    PAIR("repeat-1g", 1g, 500),

    BULK(8 * SIZE_1G, 10000),
    BULK(64 * SIZE_1G, 0),
    BULK(512 * SIZE_1G, 0),

    RANDOM(SIZE_1G, 0),
    RANDOM(8 * SIZE_1G, 3000),
    RANDOM(64 * SIZE_1G, 7000),
    RANDOM(512 * SIZE_1G, 9500),

    WORST(frame, "frame", 0),
    WORST(tree, "frame_tree", 4 * SIZE_1G),
    {0},
};
/* clang-format on */
