#include "bench/latency.h"

#include "lib/string.h"

const struct bench_figure latency_figures[] = {
    {"p50", NULL, false},
    {"p99", NULL, false},
    {"p99.9", NULL, false},
    {"worst", NULL, false},
    {0},
};

uint64_t bench_stamp_cost(void)
{
    uint64_t cost = UINT64_MAX;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t stamp = bench_stamp();
        uint64_t stamps = bench_stamp() - stamp;
        if (stamps < cost)
            cost = stamps;
    }
    return cost;
}

void bench_latency_begin(struct bench_latency *latency)
{
    memset(latency, 0, sizeof(*latency));
    latency->own_cost = bench_stamp_cost();
}

/* The call that so many thousandths of all calls are no longer than. */
static uint64_t percentile(const struct bench_latency *latency,
                           unsigned thousandths)
{
    uint64_t rank = (latency->count * thousandths + 999) / 1000, passed = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS - 1; i++) {
        passed += latency->bucket[i];
        if (passed >= rank)
            return i;
    }
    return latency->worst;
}

/* To whole ticks: the counter cannot tell single nanoseconds. */
static uint64_t whole_ticks(uint64_t stamps)
{
    return (bench_stamp_ticks(stamps) + 50) / 100 * 100;
}

void bench_latency_figures(const struct bench_latency *latency,
                           uint64_t *figure)
{
    figure[0] = whole_ticks(percentile(latency, 500));
    figure[1] = whole_ticks(percentile(latency, 990));
    figure[2] = whole_ticks(percentile(latency, 999));
    figure[3] = whole_ticks(latency->worst);
}
