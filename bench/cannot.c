/* Why a row of the benchmarks does not run. */
#include "bench/bench.h"

static const char *reason;

void bench_cannot(const char *why)
{
    reason = why;
}

const char *bench_why_not(void)
{
    return reason;
}
