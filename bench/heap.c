/* Heaps: the workloads of which every pass runs in this process.
 *
 * The subjects are the back-ends, and the allocators that programs know.  As
 * those have no checks, ours are off but in rows of their own. */
#include "bench/bench.h"
#include "bench/heap_subjects.h"
#include "bench/latency.h"

#define WORKLOAD(workload)                                                     \
    static bool workload##_ours(void *state, uint64_t count)                   \
    {                                                                          \
        return heap_##workload(state, count, &heap_ours);                      \
    }                                                                          \
    static bool workload##_peer(void *state, uint64_t count)                   \
    {                                                                          \
        return heap_##workload(state, count, &heap_peers);                     \
    }

WORKLOAD(pair)
WORKLOAD(batch)
WORKLOAD(rand)
WORKLOAD(mixed)
WORKLOAD(pass_on)
WORKLOAD(larson)

static void reset_ring(void *context, uint64_t count)
{
    struct heap_state *state = context;
    (void)count;
    atomic_store(&state->ring.put, 0);
    atomic_store(&state->ring.taken, 0);
}

/* ---- The longest single calls ---- */

static const struct bench_figure worst_figures[] = {
    {"alloc", NULL, false}, {"free", NULL, false}, {0}};

static uint64_t longest(const uint32_t *stamps, uint64_t count)
{
    uint64_t most = 0;
    for (uint64_t i = 0; i < count; i++)
        most = stamps[i] > most ? stamps[i] : most;
    uint64_t own = bench_stamp_cost();
    return most > own ? most - own : 0;
}

static bool measure_worst(void *state, uint64_t count, uint64_t *figure)
{
    size_t bytes = count * sizeof(uint32_t);
    uint32_t *alloc = bench_take(bytes), *free = bench_take(bytes);
    bool well = alloc != NULL && free != NULL &&
                heap_single_calls(state, count, &heap_ours, alloc, free);
    if (well) {
        figure[0] = bench_stamp_ticks(longest(alloc, count));
        figure[1] = bench_stamp_ticks(longest(free, count));
    }
    if (alloc != NULL)
        bench_give(alloc, bytes);
    if (free != NULL)
        bench_give(free, bytes);
    return well;
}

/* ---- The table ---- */

#define ROW(name, size, cpus, in_kernel, on_host)                              \
    .suite = "heap", .workload = name, .bytes = size, .threads = cpus,         \
    .count = {in_kernel, on_host}

#define OURS(loop)                                                             \
    .begin = heap_begin_ours, .before = reset_ring, .run = loop##_ours,        \
    .end = heap_end_ours
#define PEER(loop)                                                             \
    .before = reset_ring, .run = loop##_peer, .end = heap_end_peer

/* The default: at or below the best of the others, and beside it the best
 * figure that is known of any. */
#define DEFAULT(best) .subject = "slab", .ratio_goal = 100, .known = {best}

/* clang-format off */

/* A workload in the kernel and on the host, where list, which looks through
 * its free blocks, has `few` operations. */
#define GROUP(loop, name, size, cpus, kernel, host, few, best)                 \
    {ROW(name, size, cpus, kernel, host), OURS(loop), DEFAULT(best)},          \
    {ROW(name, size, cpus, kernel, host), OURS(loop), .subject = "bins"},      \
    {ROW(name, size, cpus, kernel, host), OURS(loop), .subject = "buddy"},     \
    {ROW(name, size, cpus, kernel, few), OURS(loop), .subject = "list"},       \
    {ROW(name, size, cpus, 0, host), PEER(loop), .begin = heap_begin_peer,          \
     .variant = heap_peer_name, .role = BENCH_REFERENCE},                      \
    {ROW(name, size, cpus, kernel, host), PEER(loop), .begin = heap_begin_empty,    \
     .subject = "empty", .role = BENCH_YARDSTICK}

/* For workloads that free all between whiles: bump uses nothing twice before
 * that. */
#define BUMP(loop, name, size, kernel, host)                                   \
    {ROW(name, size, 1, kernel, host), OURS(loop), .subject = "bump"}

/* With checks, which none of the others has. */
#define CHECKED(loop, name, size, checks, kernel, host, best)                  \
    {ROW(name, size, 1, kernel, host), .begin = heap_begin_##checks,           \
     .run = loop##_ours, .end = heap_end_ours, .subject = "slab",              \
     .known = {best}},                                                         \
    {ROW(name, size, 1, kernel, host), .begin = heap_begin_##checks,           \
     .run = loop##_ours, .end = heap_end_ours, .subject = "bins"},             \
    {ROW(name, size, 1, kernel, host), .begin = heap_begin_##checks,           \
     .run = loop##_ours, .end = heap_end_ours, .subject = "buddy"}

/* The host's are in bench/host/heap_alone.c. */
#define WORST(name)                                                            \
    {ROW("worst", 1024, 1, 20000, 0), .subject = name, .begin = heap_begin_ours,    \
     .end = heap_end_ours, .measure = measure_worst, .figures = worst_figures}

/* Best known: in hundredths of a nanosecond, on a machine of 2.6 GHz. */
const struct bench bench_heap[] = {
    GROUP(pair, "pair", 64, 1, 1000, 1000000, 1000000, 190),
    BUMP(pair, "pair", 64, 1000, 1000000),
    GROUP(pair, "pair", 4096, 1, 1000, 1000000, 1000000, 260),
    BUMP(pair, "pair", 4096, 1000, 1000000),
    GROUP(batch, "batch", 64, 1, 4000, 1000000, 1000000, 190),
    BUMP(batch, "batch", 64, 4000, 1000000),
    GROUP(rand, "rand", 1024, 1, 1000, 1000000, 20000, 430),
    GROUP(mixed, "mixed", 1024, 1, 1000, 1000000, 100000, 1750),
    GROUP(mixed, "mixed", 65536, 1, 1000, 200000, 50000, 9300),
    GROUP(rand, "rand", 1024, 2, 0, 1000000, 1000, 470),
    GROUP(pass_on, "pass-on", 64, 2, 0, 200000, 200000, 4900),
    GROUP(larson, "larson", 1024, 2, 0, 320000, 3200, 1240),
    CHECKED(pair, "pair-basic", 64, basic, 1000, 1000000, 400),
    CHECKED(rand, "rand-basic", 1024, basic, 1000, 1000000, 930),
    CHECKED(pair, "pair-full", 64, full, 1000, 100000, 0),
    CHECKED(rand, "rand-full", 1024, full, 1000, 100000, 0),
    WORST("slab"), WORST("bins"), WORST("buddy"), WORST("list"),
    {0},
};
/* clang-format on */
