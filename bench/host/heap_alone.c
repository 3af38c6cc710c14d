/* Heaps, each in a process of its own: where it matters what the process did
 * before, or what other memory it has.
 *
 * The benchmark starts this program again with a workload and a subject as
 * arguments, and that one writes what it has seen to its standard output.
 */
#define _GNU_SOURCE
#include "bench/host/heap_alone.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/heap_subjects.h"
#include "bench/latency.h"
#include "lib/bits.h"

/* ---- The other process ---- */

struct subject {
    struct heap_state *state;
    const struct heap_functions *functions;
    const struct heap_peer *peer; /* NULL for one of Copse's */
};

static struct subject find_subject(const char *name, uint64_t bytes)
{
    struct bench row = {.subject = name, .bytes = bytes};
    if (heap_backend_find(name) != NULL)
        return (struct subject){heap_begin_ours(&row, 0), &heap_ours, NULL};
    for (unsigned i = 0; heap_peer_name(i) != NULL; i++)
        if (strcmp(heap_peer_name(i), name) == 0)
            return (struct subject){heap_begin_peer(&row, i), &heap_peers,
                                    heap_peer(i)};
    return (struct subject){NULL, NULL, NULL};
}

/* ---- The longest single calls ---- */

#define CALLS 100000u

/* Calls before that: where memory is touched for the first time the system has
 * to find a frame for it, which takes longer than any call of an allocator. */
#define CALLS_BEFORE 1000000u

struct calls {
    uint32_t alloc[CALLS], free[CALLS];
};

static bool do_worst(struct subject subject, struct calls *calls)
{
    uint32_t own = (uint32_t)bench_stamp_cost();
    if (!heap_rand(subject.state, CALLS_BEFORE, subject.functions) ||
        !heap_single_calls(subject.state, CALLS, subject.functions,
                           calls->alloc, calls->free))
        return false;
    for (unsigned i = 0; i < CALLS; i++) {
        calls->alloc[i] -= calls->alloc[i] < own ? calls->alloc[i] : own;
        calls->free[i] -= calls->free[i] < own ? calls->free[i] : own;
    }
    return true;
}

/* ---- Memory held ---- */

#define LIVE_BYTES  (32 * MIB)
#define KEPT_BYTES  (LIVE_BYTES / 8) /* from one phase to the next */
#define SIZE_LEAST  16u
#define BLOCKS_MAX  (LIVE_BYTES / SIZE_LEAST)
#define LOOK_EVERY  1024u /* allocations */
#define LEFT_OF_100 1u    /* blocks that are left in the end */

/* A phase's sizes begin at SIZE_LEAST times 2 to this, and end at twice that:
 * up and down, so that no phase fits into what the one before it left. */
static const unsigned phase_shift[] = {0, 3, 6, 1, 4, 7, 2, 5};

#define PHASES (sizeof(phase_shift) / sizeof(phase_shift[0]))

struct held {
    uint64_t peak, left; /* bytes */
};

struct phases {
    struct subject subject;
    uint64_t random, live, before;
    struct held held;
    size_t count;
    struct {
        void *block;
        size_t size;
    } blocks[BLOCKS_MAX];
};

static uint64_t resident_bytes(void)
{
    char text[128] = "";
    unsigned long long size, resident = 0;
    int file = open("/proc/self/statm", O_RDONLY);
    if (file < 0 || read(file, text, sizeof(text) - 1) <= 0 ||
        sscanf(text, "%llu %llu", &size, &resident) != 2) {
        perror("/proc/self/statm");
        exit(1);
    }
    close(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t held_bytes(const struct phases *phases)
{
    uint64_t now = resident_bytes();
    return now > phases->before ? now - phases->before : 0;
}

static void free_one(struct phases *phases)
{
    uint32_t i = bench_random(&phases->random, (uint32_t)phases->count);
    phases->subject.functions->free(phases->subject.state->allocator,
                                    phases->blocks[i].block,
                                    phases->blocks[i].size);
    phases->live -= phases->blocks[i].size;
    phases->blocks[i] = phases->blocks[--phases->count];
}

/* All of a block is written to: what was never touched is not held. */
static bool add_one(struct phases *phases, uint32_t size_min)
{
    size_t size = size_min + bench_random(&phases->random, size_min);
    void *block = phases->subject.functions->alloc(
        phases->subject.state->allocator, size);
    if (block == NULL)
        return false;
    memset(block, 1, size);
    phases->blocks[phases->count].block = block;
    phases->blocks[phases->count++].size = size;
    phases->live += size;
    return true;
}

/* Sizes come in phases: each frees most of what lives, at random, and fills up
 * with blocks of its own sizes.  In the end nearly all is freed. */
static bool do_phases(struct phases *phases)
{
    phases->random = 1;
    memset(phases->blocks, 1, sizeof(phases->blocks)); /* its own pages */
    phases->before = resident_bytes();
    for (unsigned phase = 0; phase < PHASES; phase++) {
        while (phases->live > KEPT_BYTES)
            free_one(phases);
        for (unsigned n = 0; phases->live < LIVE_BYTES; n++) {
            if (!add_one(phases, SIZE_LEAST << phase_shift[phase]))
                return false;
            uint64_t held = n % LOOK_EVERY == 0 ? held_bytes(phases) : 0;
            if (held > phases->held.peak)
                phases->held.peak = held;
        }
    }
    size_t left = phases->count * LEFT_OF_100 / 100;
    while (phases->count > left)
        free_one(phases);
    if (phases->subject.peer != NULL)
        phases->subject.peer->trim();
    else
        heap_trim(phases->subject.state->allocator);
    phases->held.left = held_bytes(phases);
    return true;
}

static bool tell(const void *what, size_t bytes)
{
    const char *at = what;
    while (bytes > 0) {
        ssize_t written = write(STDOUT_FILENO, at, bytes);
        if (written <= 0)
            return false;
        at += written;
        bytes -= (size_t)written;
    }
    return true;
}

int heap_alone(const char *workload, const char *name)
{
    static struct calls calls;
    static struct phases phases;
    bool worst = strcmp(workload, "worst") == 0;
    struct subject subject = find_subject(name, worst ? 1024 : LIVE_BYTES);
    if (subject.state == NULL)
        return 1;
    phases.subject = subject;
    bool well =
        worst ? do_worst(subject, &calls) && tell(&calls, sizeof(calls))
              : do_phases(&phases) && tell(&phases.held, sizeof(phases.held));
    return well ? 0 : 1;
}

/* ---- This process ---- */

static bool read_all(int file, void *to, size_t bytes)
{
    char *at = to;
    while (bytes > 0) {
        ssize_t got = read(file, at, bytes);
        if (got <= 0)
            return false;
        at += got;
        bytes -= (size_t)got;
    }
    return true;
}

/* What a process of a subject alone tells, or false. */
static bool ask(const char *workload, const char *subject, void *answer,
                size_t bytes)
{
    int pipes[2], status;
    pid_t child;
    posix_spawn_file_actions_t actions;
    char *arguments[] = {(char *)"copse-bench", (char *)HEAP_ALONE,
                         (char *)(uintptr_t)workload,
                         (char *)(uintptr_t)subject, NULL};
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    bool well = posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments,
                            environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    if (well) {
        well = read_all(pipes[0], answer, bytes);
        well &= waitpid(child, &status, 0) == child && status == 0;
    }
    close(pipes[0]);
    return well;
}

static uint64_t longest(const uint32_t *stamps)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < CALLS; i++)
        most = stamps[i] > most ? stamps[i] : most;
    return most;
}

/* Every process makes the same calls.  What one was slower in than another was
 * not the allocator's doing (an interrupt, for one): of each call the shortest
 * counts, and of those the longest. */
static bool measure_worst(void *name, uint64_t processes, uint64_t *figure)
{
    static struct calls least, calls;
    memset(&least, 0xff, sizeof(least));
    for (uint64_t n = 0; n < processes; n++) {
        if (!ask("worst", name, &calls, sizeof(calls)))
            return false;
        for (unsigned i = 0; i < CALLS; i++) {
            if (calls.alloc[i] < least.alloc[i])
                least.alloc[i] = calls.alloc[i];
            if (calls.free[i] < least.free[i])
                least.free[i] = calls.free[i];
        }
    }
    figure[0] = longest(least.alloc) * 100;
    figure[1] = longest(least.free) * 100;
    return true;
}

static bool measure_phases(void *name, uint64_t count, uint64_t *figure)
{
    struct held held;
    (void)count;
    if (!ask("phases", name, &held, sizeof(held)))
        return false;
    figure[0] = held.peak * 100 / LIVE_BYTES;
    figure[1] = held.left * 100 / MIB;
    return true;
}

/* ---- The table ---- */

static void *begin_ours(const struct bench *bench, unsigned variant)
{
    (void)variant;
    if (heap_backend_find(bench->subject) != NULL)
        return (void *)(uintptr_t)bench->subject;
    bench_cannot("there is no such back-end");
    return NULL;
}

static void *begin_peer(const struct bench *bench, unsigned variant)
{
    (void)bench;
    return heap_peer(variant) != NULL
               ? (void *)(uintptr_t)heap_peer_name(variant)
               : NULL;
}

static void end(void *name)
{
    (void)name;
}

static const struct bench_figure worst_figures[] = {
    {"alloc", "cycles", false}, {"free", "cycles", false}, {0}};

static const struct bench_figure phases_figures[] = {
    {"held-by-live", "x", false}, {"held-after", "MiB", false}, {0}};

/* clang-format off */
#define GROUP(name, size, processes, ...)                                      \
    {OURS(name, size, processes), .subject = "slab", .ratio_goal = 100,        \
     .known = {__VA_ARGS__}},                                                  \
    {OURS(name, size, processes), .subject = "bins"},                          \
    {OURS(name, size, processes), .subject = "buddy"},                         \
    {ROW(name, size, processes), .variant = heap_peer_name,                    \
     .role = BENCH_REFERENCE, .begin = begin_peer}
#define OURS(name, size, processes)                                            \
    ROW(name, size, processes), .begin = begin_ours
#define ROW(name, size, processes)                                             \
    .suite = "heap", .workload = #name, .bytes = size,                         \
    .count = {0, processes}, .end = end, .measure = measure_##name,            \
    .figures = name##_figures, .once = true

/* Best known: in hundredths of the units. */
const struct bench bench_here[] = {
    GROUP(worst, 1024, 15, 83000, 57000),
    GROUP(phases, LIVE_BYTES, 1, 187, 570),
    {0},
};
/* clang-format on */
