/* Benchmarks in the kernel: those of bench/ that work here. */
#ifndef KERNEL_BENCH_H
#define KERNEL_BENCH_H

#include <stdbool.h>

/* Runs the benchmarks of a suite or of a workload, or all if the name is "".
 * Prints a table, the compiler, and each result as one line of JSON.  False if
 * there was none of that name.  To be called after the whole boot, with
 * interrupts off. */
bool bench_kernel(const char *name);

#endif
