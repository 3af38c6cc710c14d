/* Benchmarks: one source for the host and the kernel.
 *
 * A row of a suite's table is one subject doing one workload.  Rows of one
 * workload with the same bytes stand together: they are set up together, run in
 * turns, and are compared with each other.
 *
 * In the kernel, under QEMU's -icount, a tick is one instruction, and every run
 * gives the same counts.  On the host a tick is a nanosecond.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/page_table.h"

enum bench_place { BENCH_KERNEL, BENCH_HOST, BENCH_PLACES };

enum bench_role {
    BENCH_SUBJECT,
    BENCH_REFERENCE, /* what subjects are held against */
    BENCH_EMPTY,     /* the same loop around nothing: the harness's own cost */
};

struct bench {
    const char *suite, *workload;

    /* One subject by name; or, if that is NULL, as many as this has names for,
     * counted from 0. */
    const char *subject;
    const char *(*variant)(unsigned number);

    enum bench_role role;
    uint64_t bytes; /* mapped, managed or allocated: the workload tells */

    /* Operations in one pass; 0: not a benchmark of that place. */
    uint64_t count[BENCH_PLACES];

    /* Sets up; NULL if it cannot run here.  end undoes it. */
    void *(*begin)(const struct bench *bench, unsigned variant);
    void (*end)(void *state);

    /* One pass.  before and after, which may be NULL, are not timed.  False:
     * some operation failed, and the figure is void. */
    void (*before)(void *state, uint64_t count);
    bool (*run)(void *state, uint64_t count);
    void (*after)(void *state, uint64_t count);

    /* In place of the four: looks at something else than the mean time, and
     * gives it in this unit (NULL: in ticks); BENCH_VOID if it cannot. */
    uint64_t (*measure)(uint64_t count);
    const char *unit;

    /* What the project has set itself, in hundredths, 0 for nothing: at most
     * this multiple of the best reference; at most so many nanoseconds, or of
     * the unit. */
    unsigned ratio_goal, goal;
};

#define BENCH_VOID UINT64_MAX

/* All suites: tables that end with a row without a suite. */
extern const struct bench *const bench_suites[];
extern const struct bench bench_page[], bench_range[], bench_frame[],
    bench_heap[];

typedef int bench_print(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Runs the benchmarks of a suite or a workload, or all if the name is "", so
 * many passes of each after one that is not timed, and takes the medians.  tick
 * is what bench_ticks counts.  Prints a table with `table`, then every result
 * as one line of JSON with `json`.  False if there was none. */
bool bench_run(enum bench_place place, const char *name, unsigned passes,
               const char *tick, bench_print *table, bench_print *json);

/* ---- What each place has of its own ---- */

/* The time now. */
uint64_t bench_ticks(void);

/* Memory for a workload, 64-byte aligned and zeroed, or NULL; and back. */
void *bench_take(size_t bytes);
void bench_give(void *memory, size_t bytes);

/* Makes the frame allocator that of a machine with so much memory, all free.
 * The kernel's machine is what it is: there, 0 means that one, and no other can
 * be had. */
bool bench_machine(uint64_t bytes);

/* A page table, and addresses of it that are free, or NULL. */
struct page_table *bench_page_table(void);
extern const vaddr_t bench_scratch;
#define BENCH_SCRATCH_BYTES (UINT64_C(1) << 36)

/* ---- For workloads ---- */

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
