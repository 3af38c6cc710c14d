/* Benchmarks in the kernel.  They count instructions if the machine can. */
#include "kernel/bench.h"

#include "bench/bench.h"
#include "drivers/clock.h"
#include "kernel/console/console.h"

#ifdef __clang__
#define COMPILER_NAME ""
#else
#define COMPILER_NAME "gcc "
#endif
#ifdef COPSE_DEBUG
#define COMPILED_FOR ", debug"
#else
#define COMPILED_FOR ""
#endif
#define COMPILER COMPILER_NAME __VERSION__ COMPILED_FOR

/* Whether a tick of the clock is one instruction, as under QEMU's -icount.
 * Then a loop of known length always takes as many ticks as it has
 * instructions, and a few for clock_ticks. */
static bool ticks_are_instructions(void)
{
    enum { TURNS = 1000, AROUND = 32 };
    for (unsigned i = 0; i < 8; i++) {
        uint64_t turns = TURNS, begin = clock_ticks();
        __asm__ volatile("1: dec %0; jnz 1b" : "+r"(turns));
        uint64_t ticks = clock_ticks() - begin;
        if (ticks < 2 * TURNS || ticks > 2 * TURNS + AROUND)
            return false;
    }
    return true;
}

bool bench_kernel(const char *name)
{
    const char *tick = ticks_are_instructions() ? "instructions" : "ticks";
    printf("# compiler: %s\n# %s an operation\n", COMPILER, tick);
    /* One pass: exact counts never vary, and times are measured on the host. */
    bool any = bench_run(BENCH_KERNEL, name, 1, tick, printf, printf);
    if (!any)
        printf("# there is no benchmark, workload or suite '%s'\n", name);
    return any;
}
