/* All suites, in the order of the report. */
#include "bench/bench.h"

const struct bench *const bench_suites[] = {
    bench_page, bench_range, bench_frame, bench_heap, bench_here, NULL,
};
