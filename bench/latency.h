/* How long single calls take: the middle one, the tail, and the worst.
 *
 *     bench_latency_begin(latency);
 *     for each call:
 *         stamp = bench_stamp();
 *         the call
 *         bench_latency_add(latency, bench_stamp() - stamp);
 *     bench_latency_figures(latency, figure);
 *
 * What the two looks at the counter cost at least is taken off. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include "bench/bench.h"

/* A bucket a step of the counter, and the last one for all longer calls. */
#define LATENCY_BUCKETS 65536u

struct bench_latency {
    uint64_t own_cost; /* of the two looks */
    uint64_t count, worst;
    uint32_t bucket[LATENCY_BUCKETS];
};

/* The four that bench_latency_figures gives: p50, p99, p99.9 and the worst. */
extern const struct bench_figure latency_figures[];

/* The least that two looks at the counter, one after the other, cost. */
uint64_t bench_stamp_cost(void);

/* No call has been looked at yet. */
void bench_latency_begin(struct bench_latency *latency);

static inline void bench_latency_add(struct bench_latency *latency,
                                     uint64_t stamps)
{
    uint64_t own = latency->own_cost, net = stamps > own ? stamps - own : 0;
    latency->bucket[net < LATENCY_BUCKETS ? net : LATENCY_BUCKETS - 1]++;
    latency->worst = net > latency->worst ? net : latency->worst;
    latency->count++;
}

/* In hundredths of ticks; a percentile among the calls beyond the buckets is
 * the worst. */
void bench_latency_figures(const struct bench_latency *latency,
                           uint64_t *figure);

#endif
