/* Benchmarks: one source for the host and the kernel.
 *
 * A row of a suite's table is one subject doing one workload.  Rows of one
 * workload with the same bytes and threads stand together: they are set up
 * together, run in turns, and are compared with each other.
 *
 * In the kernel, under QEMU's -icount, a tick is one instruction, and every run
 * gives the same counts.  On the host a tick is a nanosecond.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/heap.h"
#include "mm/page_table.h"

enum bench_place { BENCH_KERNEL, BENCH_HOST, BENCH_PLACES };

enum bench_role {
    BENCH_SUBJECT,
    BENCH_REFERENCE, /* what subjects are held against */
    BENCH_YARDSTICK, /* no allocator, and compared with nothing: the same loop
                      * around nothing, or around one instruction */
};

/* One of the figures that a workload gives. */
struct bench_figure {
    const char *name; /* stands after the workload's name and a '-' */
    const char *unit; /* NULL: ticks */
    bool more_is_better;
};

#define BENCH_FIGURES_MAX 6

struct bench {
    const char *suite, *workload;

    /* One subject by name; or, if that is NULL, as many as this has names for,
     * counted from 0. */
    const char *subject;
    const char *(*variant)(unsigned number);

    enum bench_role role;
    uint64_t bytes;   /* mapped, managed or allocated: the workload tells */
    unsigned threads; /* that run at the same time; 0 is one */

    /* Operations in one pass, of each thread; 0: not a benchmark of that
     * place. */
    uint64_t count[BENCH_PLACES];

    /* Sets up; NULL if it cannot run here, and bench_cannot may have said why.
     * end undoes it. */
    void *(*begin)(const struct bench *bench, unsigned variant);
    void (*end)(void *state);

    /* One pass; the figure is the mean of an operation.  before and after,
     * which may be NULL, are not timed.  False: some operation failed, and the
     * figure is void.  With several threads, run is called on CPUs 0, 1, ... at
     * the same time with the same state (platform_cpu tells which it is), and
     * the time is that of the last one to end. */
    void (*before)(void *state, uint64_t count);
    bool (*run)(void *state, uint64_t count);
    void (*after)(void *state, uint64_t count);

    /* In place of these three, and without begin if that is NULL: one pass that
     * looks at something else.  Gives its figures, in hundredths of their
     * units, as the list names them, which a row without a name ends. */
    bool (*measure)(void *state, uint64_t count, uint64_t *figure);
    const struct bench_figure *figures;

    bool once; /* every pass gives the same figures: one is enough */

    /* What the project has set itself, in hundredths, 0 for nothing: at most
     * this multiple of the best reference; of each figure, in nanoseconds or
     * in its unit.  And the best figure that was known of any allocator before,
     * on the machine that the goals are for. */
    unsigned ratio_goal;
    uint64_t goal[BENCH_FIGURES_MAX], known[BENCH_FIGURES_MAX];
};

/* A goal of nothing at all, or a best known figure of that: 0 says that there
 * is none. */
#define BENCH_ZERO UINT64_MAX

/* All suites: tables that end with a row without a suite. */
extern const struct bench *const bench_suites[];
extern const struct bench bench_page[], bench_range[], bench_frame[],
    bench_heap[];

/* What only this place has: a table as well. */
extern const struct bench bench_here[];

typedef int bench_print(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Runs the benchmarks of a suite or a workload, or all if the name is "", so
 * many passes of each after one that is not timed, and takes the medians.  tick
 * is what bench_ticks counts.  Prints a table with `table` as it goes, then
 * every result as one line of JSON with `json`.  False if there was none. */
bool bench_run(enum bench_place place, const char *name, unsigned passes,
               const char *tick, bench_print *table, bench_print *json);

/* ---- What each place has of its own ---- */

/* The time now. */
uint64_t bench_ticks(void);

/* Hundredths of ticks in so many steps of bench_stamp. */
uint64_t bench_stamp_ticks(uint64_t stamps);

/* Calls run on CPUs 0 to threads - 1 at the same time, and gives the ticks from
 * the common start to the last end.  False if one of them said false, or if
 * there are fewer CPUs. */
bool bench_run_on(unsigned threads, bool (*run)(void *state, uint64_t count),
                  void *state, uint64_t count, uint64_t *ticks);

/* A point of a plot: y, in hundredths, of this subject at x.  The host writes
 * them down if it is asked to. */
void bench_sample(const char *plot, const char *subject, uint64_t x,
                  uint64_t y);

/* In a run on several CPUs: waits until all of them have come here. */
void bench_meet(void);

/* Memory for a workload, 64-byte aligned and zeroed, or NULL; and back. */
void *bench_take(size_t bytes);
void bench_give(void *memory, size_t bytes);

/* Addresses for a heap of at most so many bytes (whole pages), that get memory
 * as the heap grows and lose it again; false: not now.  And their end, after
 * heap_fini. */
bool bench_heap_region(struct heap_region *region, size_t limit);
void bench_heap_region_end(const struct heap_region *region);

/* Whether memory that is touched for the first time from now on may lie in huge
 * pages, that of other allocators too; at first it may.  The kernel's lies in
 * what mm/ chooses. */
void bench_huge_pages(bool wanted);

/* Makes the frame allocator that of a machine with so much memory, all free.
 * The kernel's machine is what it is: there, 0 means that one, and no other can
 * be had. */
bool bench_machine(uint64_t bytes);

/* A page table, and addresses of it that are free, or NULL. */
struct page_table *bench_page_table(void);
extern const vaddr_t bench_scratch;
#define BENCH_SCRATCH_BYTES (UINT64_C(1) << 36)

/* ---- For workloads ---- */

/* Why begin is about to return NULL: "not installed", for one.  The text must
 * live on. */
void bench_cannot(const char *why);

/* What was said last. */
const char *bench_why_not(void);

/* The time-stamp counter, read when all that stands before it is done: for
 * single calls, which are too short for bench_ticks.  AMD64 manual 3, RDTSC. */
static inline uint64_t bench_stamp(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* The compiler must take this pointer, and all that it can reach, for used. */
static inline void bench_use(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

/* Pseudo-random, below a limit under 2^32; xorshift64 (Marsaglia 2003). */
static inline uint32_t bench_random(uint64_t *state, uint32_t limit)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 32) * limit >> 32);
}

#endif
