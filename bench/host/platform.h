/* The fake machine of the benchmarks on the host. */
#ifndef BENCH_HOST_PLATFORM_H
#define BENCH_HOST_PLATFORM_H

#include <stdbool.h>
#include <stdio.h>

/* Where bench_sample writes; NULL, as at first: nowhere. */
void host_samples_to(FILE *file);

/* Makes the first part of the machine's memory be there; false, with errno set,
 * if the addresses are taken.  Once, before any benchmark. */
bool host_map_machine(void);

#endif
