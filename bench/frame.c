/* Frames: how long allocating and freeing takes, and the table of all that is
 * measured of them.
 *
 * On the host, machines of 8, 64 and 512 GiB; in the kernel, a core and a buddy
 * of 1 GiB, and mm/frame.h on the memory of the machine ("0" in the table). */
#include <stdatomic.h>
#include <stddef.h>

#include "bench/frame_subjects.h"
#include "bench/frame_wear.h"
#include "bench/latency.h"
#include "mm/platform.h"

static void *begin_4k(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return frame_bench_begin(bench, FRAME_4K);
}

static void *begin_2m(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return frame_bench_begin(bench, FRAME_2M);
}

static void *begin_1g(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return frame_bench_begin(bench, FRAME_1G);
}

/* ---- Repeat: one frame, allocated and freed ---- */

FOR_EACH_SUBJECT bool repeat(enum frame_subject subject,
                             struct frame_bench *state, enum frame_size size,
                             uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint32_t n = take(subject, state, size);
        if (n == FRAME_NONE || !give(subject, state, n, size))
            return false;
    }
    return true;
}

static bool run_repeat_4k(void *state, uint64_t count)
{
    RUN_FOR_SUBJECT(repeat, state, FRAME_4K, count);
}

static bool run_repeat_2m(void *state, uint64_t count)
{
    RUN_FOR_SUBJECT(repeat, state, FRAME_2M, count);
}

static bool run_repeat_1g(void *state, uint64_t count)
{
    RUN_FOR_SUBJECT(repeat, state, FRAME_1G, count);
}

/* What one uncontended lock costs; with two threads, what one costs that is
 * another's every time. */
static bool run_exchange(void *state, uint64_t count)
{
    static _Atomic uint64_t word;
    (void)state;
    for (uint64_t i = 0; i < count; i++)
        /* acquire: as a lock is taken */
        atomic_exchange_explicit(&word, i, memory_order_acquire);
    return true;
}

/* ---- Bulk: all frames, or so many; then all of them back in order ---- */

static const struct bench_figure bulk_figures[] = {
    {"alloc", NULL, false},
    {"free", NULL, false},
    {0},
};

static void *begin_bulk_4k(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return frame_bench_begin_list(bench, FRAME_4K);
}

static void *begin_bulk_2m(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return frame_bench_begin_list(bench, FRAME_2M);
}

static uint64_t mean(uint64_t ticks, uint64_t count)
{
    return (ticks * 100 + count / 2) / count;
}

FOR_EACH_SUBJECT bool bulk(enum frame_subject subject,
                           struct frame_bench *state, enum frame_size size,
                           uint64_t most, uint64_t *figure)
{
    uint32_t *list = state->list;
    uint64_t count = 0;
    bool well = true;
    uint64_t begin = bench_ticks();
    while (count < most) {
        uint32_t n = take(subject, state, size);
        if (n == FRAME_NONE)
            break;
        list[count++] = n;
    }
    uint64_t middle = bench_ticks();
    for (uint64_t i = 0; i < count; i++)
        well &= give(subject, state, list[i], size);
    uint64_t end = bench_ticks();
    if (count == 0)
        return false;
    figure[0] = mean(middle - begin, count);
    figure[1] = mean(end - middle, count);
    return well;
}

static bool measure_bulk_4k(void *state, uint64_t most, uint64_t *figure)
{
    RUN_FOR_SUBJECT(bulk, state, FRAME_4K, most, figure);
}

static bool measure_bulk_2m(void *state, uint64_t most, uint64_t *figure)
{
    RUN_FOR_SUBJECT(bulk, state, FRAME_2M, most, figure);
}

/* ---- Random: 70 % full; a random frame is freed, one allocated ---- */

/* So many frames, if there are as many, for this CPU's share. */
FOR_EACH_SUBJECT bool take_most(enum frame_subject subject,
                                struct frame_bench *state, enum frame_size size,
                                uint64_t most)
{
    struct frame_share *share = &state->share[platform_cpu()];
    for (uint32_t i = 0; i < most; i++) {
        uint32_t n = subject == BY_NOTHING ? i << size_shift(size)
                                           : take(subject, state, size);
        if (n == FRAME_NONE)
            return i > 0;
        hold(share, n);
    }
    return true;
}

/* The same, and then a random 30 % are given back. */
FOR_EACH_SUBJECT bool fill(enum frame_subject subject,
                           struct frame_bench *state, enum frame_size size,
                           uint64_t most)
{
    struct frame_share *share = &state->share[platform_cpu()];
    bool well = take_most(subject, state, size, most);
    for (uint32_t back = share->count / 10 * 3; well && back > 0; back--) {
        uint32_t *place = random_held(share);
        well = give(subject, state, *place, size);
        let_go(share, place);
    }
    return well;
}

FOR_EACH_SUBJECT bool replace_random(enum frame_subject subject,
                                     struct frame_bench *state,
                                     enum frame_size size, uint64_t count)
{
    struct frame_share *share = &state->share[platform_cpu()];
    struct chosen chosen = {{NULL}};
    begin_choosing(&chosen, share);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t *place = choose(&chosen, i, share);
        if (!give(subject, state, *place, size))
            return false;
        *place = take(subject, state, size);
        if (*place == FRAME_NONE)
            return false;
    }
    return true;
}

static bool fill_4k(void *state, uint64_t most)
{
    RUN_FOR_SUBJECT(fill, state, FRAME_4K, most);
}

static bool fill_2m(void *state, uint64_t most)
{
    RUN_FOR_SUBJECT(fill, state, FRAME_2M, most);
}

static bool take_4k(void *state, uint64_t most)
{
    RUN_FOR_SUBJECT(take_most, state, FRAME_4K, most);
}

/* Makes the allocator of a row and lets each of its threads begin with its part
 * of all frames. */
static void *begin_with(const struct bench *bench, enum frame_size size,
                        bool (*work)(void *state, uint64_t most))
{
    struct frame_bench *state = frame_bench_begin(bench, size);
    if (state == NULL)
        return NULL;
    unsigned threads = bench->threads > 1 ? bench->threads : 1;
    uint64_t ticks;
    if (bench_run_on(threads, work, state,
                     (state->span >> size_shift(size)) / threads, &ticks))
        return state;
    frame_bench_end(state);
    return NULL;
}

static void *begin_random_4k(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return begin_with(bench, FRAME_4K, fill_4k);
}

/* The same with two threads, but half of what each has came to the other. */
static void *begin_others_4k(const struct bench *bench, unsigned variant)
{
    struct frame_bench *state = begin_random_4k(bench, variant);
    if (state == NULL)
        return NULL;
    struct frame_share *a = &state->share[0], *b = &state->share[1];
    uint32_t count = a->count < b->count ? a->count : b->count;
    uint64_t random = 1;
    for (uint32_t i = 0; i < count; i++)
        if (bench_random(&random, 2) == 0) {
            uint32_t n = a->held[i];
            a->held[i] = b->held[i];
            b->held[i] = n;
        }
    return state;
}

static void *begin_random_2m(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return begin_with(bench, FRAME_2M, fill_2m);
}

static bool run_random_4k(void *state, uint64_t count)
{
    RUN_FOR_SUBJECT(replace_random, state, FRAME_4K, count);
}

static bool run_random_2m(void *state, uint64_t count)
{
    RUN_FOR_SUBJECT(replace_random, state, FRAME_2M, count);
}

/* ---- Needle: the same, but 100 % full ---- */

static void *begin_needle(const struct bench *bench, unsigned variant)
{
    (void)variant;
    return begin_with(bench, FRAME_4K, take_4k);
}

/* ---- Latency: of the allocations in random ---- */

FOR_EACH_SUBJECT bool time_allocs(enum frame_subject subject,
                                  struct frame_bench *state,
                                  struct bench_latency *latency, uint64_t count)
{
    struct frame_share *share = &state->share[0];
    struct chosen chosen = {{NULL}};
    begin_choosing(&chosen, share);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t *place = choose(&chosen, i, share);
        if (!give(subject, state, *place, FRAME_4K))
            return false;
        uint64_t stamp = bench_stamp();
        *place = take(subject, state, FRAME_4K);
        bench_latency_add(latency, bench_stamp() - stamp);
        if (*place == FRAME_NONE)
            return false;
    }
    return true;
}

static bool run_time_allocs(void *state, struct bench_latency *latency,
                            uint64_t count)
{
    RUN_FOR_SUBJECT(time_allocs, state, latency, count);
}

static bool measure_latency(void *state, uint64_t count, uint64_t *figure)
{
    struct bench_latency *latency = bench_take(sizeof(*latency));
    if (latency == NULL)
        return false;
    bench_latency_begin(latency);
    bool well = run_time_allocs(state, latency, count);
    bench_latency_figures(latency, figure);
    bench_give(latency, sizeof(*latency));
    return well;
}

/* ---- Handover: two threads allocate, each frees what the other got ---- */

static const struct bench_figure handover_figures[] = {
    {"", NULL, false}, /* the mean of all calls */
    {"alloc", NULL, false},
    {"free", NULL, false},
    {0},
};

FOR_EACH_SUBJECT bool take_part(enum frame_subject subject,
                                struct frame_bench *state, uint64_t count)
{
    uint32_t *part = &state->list[platform_cpu() * count];
    bool well = true;
    for (uint64_t i = 0; i < count; i++) {
        part[i] = take(subject, state, FRAME_4K);
        well &= part[i] != FRAME_NONE;
    }
    return well;
}

FOR_EACH_SUBJECT bool give_other_part(enum frame_subject subject,
                                      struct frame_bench *state, uint64_t count)
{
    uint32_t *part = &state->list[(1 - platform_cpu()) * count];
    bool well = true;
    for (uint64_t i = 0; i < count; i++)
        well &= give(subject, state, part[i], FRAME_4K);
    return well;
}

static bool run_take_part(void *state, uint64_t count)
{
    RUN_FOR_SUBJECT(take_part, state, count);
}

static bool run_give_other_part(void *state, uint64_t count)
{
    RUN_FOR_SUBJECT(give_other_part, state, count);
}

/* Fisher and Yates. */
static void shuffle(uint32_t *list, uint64_t count)
{
    uint64_t random = 1;
    for (uint64_t i = count; i > 1; i--) {
        uint32_t j = bench_random(&random, (uint32_t)i), n = list[i - 1];
        list[i - 1] = list[j];
        list[j] = n;
    }
}

static bool handover(struct frame_bench *state, bool shuffled, uint64_t count,
                     uint64_t *figure)
{
    uint64_t alloc_ticks, free_ticks;
    if (!bench_run_on(2, run_take_part, state, count, &alloc_ticks))
        return false;
    if (shuffled)
        shuffle(state->list, 2 * count);
    bool well = bench_run_on(2, run_give_other_part, state, count, &free_ticks);
    figure[0] = mean(alloc_ticks + free_ticks, 2 * count);
    figure[1] = mean(alloc_ticks, count);
    figure[2] = mean(free_ticks, count);
    return well;
}

static bool measure_handover(void *state, uint64_t count, uint64_t *figure)
{
    return handover(state, false, count, figure);
}

static bool measure_shuffled(void *state, uint64_t count, uint64_t *figure)
{
    return handover(state, true, count, figure);
}

/* ---- Start-up: all metadata written, all frames free ---- */

static const struct bench_figure start_up_figures[] = {
    {"", NULL, false},
    {"metadata", "ppm", false}, /* of the memory */
    {0},
};

/* In the kernel, where a GiB is too little to tell of the rest. */
static const struct bench_figure start_up_time[] = {
    {"", NULL, false},
    {0},
};

static bool measure_start_up(void *context, uint64_t count, uint64_t *figure)
{
    struct frame_bench *state = context;
    uint64_t begin = bench_ticks();
    bool well = true;
    for (uint64_t i = 0; i < count; i++)
        well &= frame_bench_reset(state);
    figure[0] = mean(bench_ticks() - begin, count);
    figure[1] = frame_bench_metadata(state) * 1000000 / (state->bytes / 100);
    return well;
}

/* ---- Worst: the longest single call of a long run of all sizes ---- */

#define SLOTS 2048u

static const struct bench_figure worst_figures[] = {
    {"alloc", NULL, false},
    {"free", NULL, false},
    {0},
};

/* One allocation in 128 is a GiB, and one in 8 of the others 2M; but a buddy
 * has no such large blocks. */
FOR_EACH_SUBJECT enum frame_size random_size(enum frame_subject subject,
                                             uint64_t *random)
{
    uint32_t n = bench_random(random, 128);
    if (n == 0 && subject != BY_BUDDY)
        return FRAME_1G;
    return n % 8 == 1 ? FRAME_2M : FRAME_4K;
}

struct worst {
    struct bench_latency alloc, free;
    struct {
        uint32_t frame; /* or FRAME_NONE */
        enum frame_size size;
    } slot[SLOTS];
};

FOR_EACH_SUBJECT bool worst_of(enum frame_subject subject,
                               struct frame_bench *state, struct worst *worst,
                               uint64_t count)
{
    uint64_t *random = &state->share[0].random;
    bool well = true;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t s = bench_random(random, SLOTS);
        enum frame_size size = random_size(subject, random);
        uint32_t n = worst->slot[s].frame;
        uint64_t stamp = bench_stamp();
        if (n == FRAME_NONE) {
            n = take(subject, state, size);
            bench_latency_add(&worst->alloc, bench_stamp() - stamp);
            worst->slot[s].frame = n;
            worst->slot[s].size = size;
        } else {
            well &= give(subject, state, n, worst->slot[s].size);
            bench_latency_add(&worst->free, bench_stamp() - stamp);
            worst->slot[s].frame = FRAME_NONE;
        }
    }
    for (unsigned s = 0; s < SLOTS; s++)
        if (worst->slot[s].frame != FRAME_NONE)
            well &=
                give(subject, state, worst->slot[s].frame, worst->slot[s].size);
    return well;
}

static bool run_worst(void *state, struct worst *worst, uint64_t count)
{
    RUN_FOR_SUBJECT(worst_of, state, worst, count);
}

static bool measure_worst(void *state, uint64_t count, uint64_t *figure)
{
    struct worst *worst = bench_take(sizeof(*worst));
    if (worst == NULL)
        return false;
    bench_latency_begin(&worst->alloc);
    bench_latency_begin(&worst->free);
    for (unsigned s = 0; s < SLOTS; s++)
        worst->slot[s].frame = FRAME_NONE;
    bool well = run_worst(state, worst, count);
    figure[0] = bench_stamp_ticks(worst->alloc.worst);
    figure[1] = bench_stamp_ticks(worst->free.worst);
    bench_give(worst, sizeof(*worst));
    return well;
}

/* ---- The table ---- */

/* clang-format off */
#define ROW(name, of, as, ...)                                                 \
    {.suite = "frame", .workload = name, .subject = of, .role = as,            \
     .end = frame_bench_end, __VA_ARGS__}

/* The fields of a row, or its goals, as one argument. */
#define FIELDS(...) __VA_ARGS__

/* On the host with one thread; the goals are for mm/frame.h. */
#define HOST(name, goals, ...)                                                 \
    ROW(name, "frame", BENCH_SUBJECT, goals, __VA_ARGS__),                     \
    ROW(name, "frame_tree", BENCH_SUBJECT, __VA_ARGS__),                       \
    ROW(name, "buddy", BENCH_REFERENCE, __VA_ARGS__),                          \
    ROW(name, "empty", BENCH_YARDSTICK, __VA_ARGS__)

/* With two, which the core alone does not know of. */
#define HOST_2(name, goals, ...)                                               \
    ROW(name, "frame", BENCH_SUBJECT, .threads = 2, goals, __VA_ARGS__),       \
    ROW(name, "buddy", BENCH_REFERENCE, .threads = 2, __VA_ARGS__),            \
    ROW(name, "empty", BENCH_YARDSTICK, .threads = 2, __VA_ARGS__)

/* What wears out; there is nothing that an empty allocator could show. */
#define WEAR(name, goals, ...)                                                 \
    ROW(name, "frame", BENCH_SUBJECT, goals, WEAR_FIELDS, __VA_ARGS__),        \
    ROW(name, "frame_tree", BENCH_SUBJECT, WEAR_FIELDS, __VA_ARGS__),          \
    ROW(name, "buddy", BENCH_REFERENCE, WEAR_FIELDS, __VA_ARGS__),             \
    ROW(name, "buddy-lists", BENCH_REFERENCE, WEAR_FIELDS, __VA_ARGS__)
#define WEAR_FIELDS                                                            \
    .bytes = 8 * SIZE_1G, .count = {0, 1}, .begin = frame_wear_begin,          \
    .once = true

/* In the kernel. */
#define KERNEL(name, operations, ...)                                          \
    ROW(name, "frame", BENCH_SUBJECT, .count = {operations, 0}, __VA_ARGS__),  \
    KERNEL_GIB(name, operations, __VA_ARGS__)
#define KERNEL_GIB(name, operations, ...)                                      \
    ROW(name, "frame_tree", BENCH_SUBJECT, .bytes = SIZE_1G,                   \
        .count = {operations, 0}, __VA_ARGS__),                                \
    ROW(name, "buddy", BENCH_REFERENCE, .bytes = SIZE_1G,                      \
        .count = {operations, 0}, __VA_ARGS__),                                \
    ROW(name, "empty", BENCH_YARDSTICK, .bytes = SIZE_1G,                      \
        .count = {operations, 0}, __VA_ARGS__)

#define REPEAT(of)                                                             \
    .begin = begin_##of, .run = run_repeat_##of
#define BULK(of)                                                               \
    .begin = begin_bulk_##of, .measure = measure_bulk_##of,                    \
    .figures = bulk_figures
#define RANDOM(of)                                                             \
    .begin = begin_random_##of, .run = run_random_##of
#define NEEDLE                                                                 \
    .begin = begin_needle, .run = run_random_4k
#define WORST                                                                  \
    .begin = begin_4k, .measure = measure_worst, .figures = worst_figures,     \
    .once = true

#define ALL_4K(gib) ((gib) * FRAMES_PER_1G)
#define ALL_2M(gib) ((gib) * FRAMES_PER_2M)

const struct bench bench_frame[] = {
    HOST("bulk-4k", FIELDS(.goal = {500, 300}, .known = {1300, 480}), BULK(4k),
         .bytes = 8 * SIZE_1G, .count = {0, ALL_4K(8)}),
    HOST("bulk-4k", FIELDS(.goal = {500, 300}, .known = {1400, 500}), BULK(4k),
         .bytes = 64 * SIZE_1G, .count = {0, ALL_4K(64)}),
    HOST("bulk-4k", FIELDS(.goal = {500, 300}, .known = {1500, 560}), BULK(4k),
         .bytes = 512 * SIZE_1G, .count = {0, ALL_4K(512)}),

    HOST("repeat-4k", FIELDS(.goal = {400}, .known = {490}), REPEAT(4k),
         .bytes = 8 * SIZE_1G, .count = {0, 2000000}),
    ROW("repeat-4k", "locked-exchange", BENCH_YARDSTICK, .bytes = 8 * SIZE_1G,
        .count = {0, 2000000}, .begin = begin_4k, .run = run_exchange),

    HOST("random-4k", FIELDS(.goal = {3000}, .known = {3700}), RANDOM(4k),
         .bytes = 8 * SIZE_1G, .count = {0, 500000}),
    HOST("random-4k", FIELDS(.goal = {7000}, .known = {8400}), RANDOM(4k),
         .bytes = 64 * SIZE_1G, .count = {0, 500000}),
    HOST("random-4k", FIELDS(.goal = {9500}, .known = {11400}), RANDOM(4k),
         .bytes = 512 * SIZE_1G, .count = {0, 500000}),

    HOST("needle", FIELDS(.goal = {4000}, .known = {4700}), NEEDLE,
         .bytes = 8 * SIZE_1G, .count = {0, 500000}),
    HOST("needle", FIELDS(.goal = {7000}, .known = {9700}), NEEDLE,
         .bytes = 64 * SIZE_1G, .count = {0, 500000}),
    HOST("needle", FIELDS(.goal = {9000}, .known = {11700}), NEEDLE,
         .bytes = 512 * SIZE_1G, .count = {0, 500000}),

    HOST("alloc-4k",
         FIELDS(.goal = {1000, 3000, 4000}, .known = {2000, 3000, 4000}),
         .begin = begin_random_4k, .measure = measure_latency,
         .figures = latency_figures, .bytes = 64 * SIZE_1G,
         .count = {0, 500000}),

    HOST("bulk-2m", FIELDS(.goal = {500, 500}, .known = {1200, 1200}),
         BULK(2m), .bytes = 8 * SIZE_1G, .count = {0, ALL_2M(8)}),
    HOST("bulk-2m", FIELDS(.goal = {500, 500}, .known = {2100, 2100}),
         BULK(2m), .bytes = 64 * SIZE_1G, .count = {0, ALL_2M(64)}),
    HOST("bulk-2m", FIELDS(.goal = {500, 500}, .known = {7100, 7100}),
         BULK(2m), .bytes = 512 * SIZE_1G, .count = {0, ALL_2M(512)}),
    HOST("repeat-2m", FIELDS(.goal = {400}, .known = {490}), REPEAT(2m),
         .bytes = 8 * SIZE_1G, .count = {0, 2000000}),
    HOST("random-2m", FIELDS(.goal = {900}, .known = {1100}), RANDOM(2m),
         .bytes = 8 * SIZE_1G, .count = {0, 500000}),
    HOST("random-2m", FIELDS(.goal = {1500}, .known = {1800}), RANDOM(2m),
         .bytes = 64 * SIZE_1G, .count = {0, 500000}),
    HOST("random-2m", FIELDS(.goal = {5000}, .known = {6900}), RANDOM(2m),
         .bytes = 512 * SIZE_1G, .count = {0, 500000}),
    HOST("repeat-1g", FIELDS(.goal = {500}, .known = {2600}), REPEAT(1g),
         .bytes = 8 * SIZE_1G, .count = {0, 2000000}),

    HOST_2("repeat-4k", FIELDS(.goal = {400}, .known = {490}), REPEAT(4k),
           .bytes = 8 * SIZE_1G, .count = {0, 2000000}),
    ROW("repeat-4k", "locked-exchange", BENCH_YARDSTICK, .threads = 2,
        .bytes = 8 * SIZE_1G, .count = {0, 2000000}, .begin = begin_4k,
        .run = run_exchange),
    HOST_2("random-4k", FIELDS(.goal = {3500}, .known = {4700}), RANDOM(4k),
           .bytes = 8 * SIZE_1G, .count = {0, 500000}),
    HOST_2("random-others-4k", FIELDS(.goal = {0}), .begin = begin_others_4k,
           .run = run_random_4k, .bytes = 8 * SIZE_1G, .count = {0, 500000}),
    HOST_2("handover", FIELDS(.goal = {800}, .known = {1300}),
           .begin = begin_bulk_4k, .measure = measure_handover,
           .figures = handover_figures, .bytes = 8 * SIZE_1G,
           .count = {0, 1000000}),
    HOST_2("handover-shuffled", FIELDS(.goal = {2000}, .known = {2400}),
           .begin = begin_bulk_4k, .measure = measure_shuffled,
           .figures = handover_figures, .bytes = 8 * SIZE_1G,
           .count = {0, 1000000}),

    HOST("start-up",
         FIELDS(.goal = {100000000, 3100}, .known = {320000000, 3460}),
         .begin = begin_4k, .measure = measure_start_up,
         .figures = start_up_figures, .bytes = 512 * SIZE_1G,
         .count = {0, 1}),

    WEAR("ageing", FIELDS(.goal = {10000}, .known = {10000}),
         .measure = frame_ageing, .figures = frame_ageing_figures),
    WEAR("recover", FIELDS(.goal = {115000}, .known = {109800}),
         .measure = frame_recover, .figures = frame_recover_figures),
    WEAR("mixed-40-60", FIELDS(.goal = {8800, 7000}, .known = {8000, 5600}),
         .measure = frame_mixed_40_60, .figures = frame_mixed_figures),
    WEAR("mixed-20-80",
         FIELDS(.goal = {7500, 3500, BENCH_ZERO},
                .known = {6500, 1800, BENCH_ZERO}),
         .measure = frame_mixed_20_80, .figures = frame_mixed_figures),

    KERNEL("repeat-4k", 1000, REPEAT(4k)),
    KERNEL("repeat-2m", 1000, REPEAT(2m)),
    ROW("repeat-1g", "frame", BENCH_SUBJECT, .count = {1000, 0}, REPEAT(1g)),
    ROW("repeat-1g", "frame_tree", BENCH_SUBJECT, .bytes = SIZE_1G,
        .count = {1000, 0}, REPEAT(1g)),
    KERNEL("bulk-4k", 20000, BULK(4k)),
    KERNEL("bulk-2m", 500, BULK(2m)),
    KERNEL("random-4k", 20000, RANDOM(4k)),
    KERNEL("random-2m", 20000, RANDOM(2m)),
    KERNEL("needle", 20000, NEEDLE),
    KERNEL("alloc-4k", 20000, .begin = begin_random_4k,
           .measure = measure_latency, .figures = latency_figures,
           .once = true),
    KERNEL_GIB("start-up", 1, .begin = begin_4k, .measure = measure_start_up,
               .figures = start_up_time, .once = true),
    ROW("worst", "frame", BENCH_SUBJECT, .count = {50000, 0}, WORST),
    ROW("worst", "frame_tree", BENCH_SUBJECT, .bytes = 4 * SIZE_1G,
        .count = {50000, 0}, WORST),
    ROW("worst", "buddy", BENCH_REFERENCE, .bytes = SIZE_1G,
        .count = {50000, 0}, WORST),
    {0},
};
/* clang-format on */
