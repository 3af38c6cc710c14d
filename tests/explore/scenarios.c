/* What few calls of mm/frame.h on two or three CPUs, and a handler, do to each
 * other: by its public calls only.
 *
 *     explore [-p PREEMPTIONS] [-P PLANT] [SCENARIO...]
 *
 * Exit status 0: no run was wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/explore/explore.h"
#include "tests/host/platform_host.h"

#include "lib/bits.h"
#include "mm/frame.h"

#define END    (5 * MIB)
#define FRAMES (END / SIZE_4K)

static struct memory_map map;
static uint64_t all;      /* free bytes at the begin */
static bool held[FRAMES]; /* by anybody */
static paddr_t theirs[2]; /* that other CPUs free */
static unsigned lines;

/* ---- What each CPU does ---- */

static void mark(paddr_t frame, enum frame_size size, bool value)
{
    for (uint64_t n = frame / SIZE_4K;
         n < (frame + frame_bytes(size)) / SIZE_4K; n++) {
        if (held[n] == value)
            explore_wrong(value ? "a frame was given twice" : "not held");
        held[n] = value;
    }
}

/* PADDR_NONE is no mistake: frames are few. */
static paddr_t take(enum frame_size size)
{
    paddr_t frame;
    enum mm_error error = frame_try_alloc(size, &frame);
    if (error == MM_OK)
        mark(frame, size, true);
    else if (error != MM_BUSY && error != MM_OUT_OF_MEMORY)
        explore_wrong("an allocation was refused by another name");
    return frame;
}

static void release(paddr_t frame, enum frame_size size)
{
    if (frame == PADDR_NONE)
        return;
    mark(frame, size, false);
    enum mm_error error = frame_free(frame);
    if (error == MM_BUSY)
        mark(frame, size, true);
    else if (error != MM_OK)
        explore_wrong("a right free was refused");
}

static void pair(void)
{
    release(take(FRAME_4K), FRAME_4K);
}

static void take_three(void)
{
    for (unsigned i = 0; i < 3; i++)
        (void)take(FRAME_4K);
}

static void large_pair(void)
{
    release(take(FRAME_2M), FRAME_2M);
}

static void release_theirs(void)
{
    release(theirs[0], FRAME_4K);
    (void)take(FRAME_4K);
}

static void release_second(void)
{
    release(theirs[1], FRAME_4K);
    pair();
}

static void count(void)
{
    struct frame_stats now;
    frame_stats(&now);
    if (now.free_bytes > all)
        explore_wrong("more is free than there is");
    pair();
}

static void retire(void)
{
    enum mm_error error = frame_retire(theirs[0]);
    if (error != MM_OK && error != MM_STILL_HELD && error != MM_BUSY)
        explore_wrong("a frame was not retired");
}

static void remove_and_add(void)
{
    paddr_t start = 4 * MIB;
    if (frame_remove_range(start, END) == MM_OK &&
        frame_add_range(start, END) != MM_OK)
        explore_wrong("a range does not come back");
}

/* ---- Begins ---- */

static void begin(void)
{
    host_cpu_count = EXPLORE_CPUS;
    memory_map_init(&map, 46);
    if (memory_map_add(&map, MIB, END - MIB, MEMORY_USABLE) != MM_OK ||
        frame_init(&map, HOST_MEMORY_BYTES) != MM_OK)
        exit(2);
    memset(held, 0, sizeof(held));
    struct frame_stats stats;
    frame_stats(&stats);
    all = stats.free_bytes;
    lines = host_log_lines;
    for (unsigned i = 0; i < 2; i++)
        theirs[i] = take(FRAME_4K);
    platform_thread_cpu = 1; /* has a block */
    pair();
    platform_thread_cpu = 0;
}

/* Four are left; two of them are with CPU 1. */
static void begin_few(void)
{
    begin();
    for (uint64_t n = all / SIZE_4K - 4; n > 2; n--)
        (void)take(FRAME_4K);
    platform_thread_cpu = 1;
    pair();
    release(theirs[0], FRAME_4K);
    theirs[0] = PADDR_NONE;
    (void)take(FRAME_4K);
    platform_thread_cpu = 0;
}

/* CPU 0 has freed so many that the next free goes on to the trees. */
static void begin_full(void)
{
    static paddr_t frames[80];
    begin();
    platform_thread_cpu = 1; /* so that it is no block of CPU 0 */
    for (unsigned i = 0; i < 80; i++)
        frames[i] = take(FRAME_4K);
    platform_thread_cpu = 0;
    for (unsigned i = 0; i < 64; i++)
        release(frames[i], FRAME_4K);
    theirs[0] = frames[70];
    theirs[1] = frames[71];
}

/* ---- The end of each ---- */

static const char *end(void)
{
    uint64_t left = 0;
    for (uint64_t n = 0; n < FRAMES; n++)
        left += held[n];
    struct frame_stats stats;
    frame_stats(&stats);
    if (stats.free_bytes + (stats.retired + left) * SIZE_4K != all)
        return "frames were lost, or won";
    if (!frame_check())
        return host_log_last;
    return host_log_lines != lines ? host_log_last : NULL;
}

static const struct scenario scenarios[] = {
    {"last-frames", 2, begin_few, {take_three, pair}, NULL, end},
    {"last-frames-3", 3, begin_few, {take_three, pair, take_three}, NULL, end},
    {"pairs", 2, begin, {pair, pair}, NULL, end},
    {"large", 2, begin, {large_pair, large_pair}, NULL, end},
    {"others", 2, begin, {release_theirs, release_second}, NULL, end},
    {"full-ring", 2, begin_full, {release_theirs, release_second}, NULL, end},
    {"count", 2, begin, {count, pair}, NULL, end},
    {"retire", 2, begin, {retire, release_theirs}, NULL, end},
    {"remove", 2, begin, {remove_and_add, large_pair}, NULL, end},
    {"handler", 2, begin, {pair, pair}, pair, end},
    {"handler-full",
     2,
     begin_full,
     {release_theirs, pair},
     release_second,
     end},
    {"handler-few", 2, begin_few, {take_three, pair}, pair, end},
    {"handler-large", 2, begin, {large_pair, pair}, large_pair, end},
};

static bool is_named(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return count == 0;
}

int main(int argc, char **argv)
{
    static const char *const plants[] = {"none", "no-fence", "no-lock", "lost"};
    unsigned preemptions = 2;
    int option, wrong = 0;
    while ((option = getopt(argc, argv, "p:P:")) != -1) {
        if (option == 'p')
            preemptions = (unsigned)atoi(optarg);
        for (unsigned i = 0; option == 'P' && i < 4; i++)
            if (strcmp(optarg, plants[i]) == 0)
                explore_plant = (enum plant)i;
    }
    for (unsigned i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (!is_named(scenarios[i].name, argc - optind, argv + optind))
            continue;
        bool right = explore(&scenarios[i], preemptions);
        printf("%s %s: %lu runs, at most %u preemptions\n",
               right ? "right" : "WRONG", scenarios[i].name, explore_runs,
               preemptions);
        fflush(stdout);
        wrong += !right;
    }
    return wrong != 0;
}
