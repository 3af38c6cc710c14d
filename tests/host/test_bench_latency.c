/* sources: bench/latency.c */
/* Percentiles of calls whose times are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/latency.h"

/* Here a step of the counter is a tick. */
uint64_t bench_stamp_ticks(uint64_t stamps)
{
    return stamps * 100;
}

static struct bench_latency latency;

static void add(uint64_t stamps, unsigned calls)
{
    for (unsigned i = 0; i < calls; i++)
        bench_latency_add(&latency, latency.own_cost + stamps);
}

static void assert_figures(uint64_t p50, uint64_t p99, uint64_t p99_9,
                           uint64_t worst)
{
    uint64_t figure[BENCH_FIGURES_MAX];
    bench_latency_figures(&latency, figure);
    assert_int_equal(figure[0], p50 * 100);
    assert_int_equal(figure[1], p99 * 100);
    assert_int_equal(figure[2], p99_9 * 100);
    assert_int_equal(figure[3], worst * 100);
}

static void one_call_is_all_of_them(void **state)
{
    (void)state;
    bench_latency_begin(&latency);
    add(7, 1);
    assert_figures(7, 7, 7, 7);
}

/* A percentile is the longest call of the part that it names. */
static void parts_end_where_they_should(void **state)
{
    (void)state;
    bench_latency_begin(&latency);
    add(1, 500);
    add(2, 490);
    add(3, 9);
    add(4, 1);
    assert_figures(1, 2, 3, 4);
    add(1, 1000); /* of 2,000 calls, 1,980 are at most 2 */
    assert_figures(1, 2, 3, 4);
    add(4, 20);
    assert_figures(1, 4, 4, 4);
}

/* What is longer than the buckets is told by the worst. */
static void calls_beyond_the_buckets(void **state)
{
    (void)state;
    bench_latency_begin(&latency);
    add(10, 98);
    add(LATENCY_BUCKETS + 5, 1);
    add(UINT64_C(1) << 40, 1);
    assert_figures(10, UINT64_C(1) << 40, UINT64_C(1) << 40, UINT64_C(1) << 40);
}

/* A call that took no longer than the two looks took no time. */
static void the_looks_are_taken_off(void **state)
{
    (void)state;
    bench_latency_begin(&latency);
    latency.own_cost = 30;
    bench_latency_add(&latency, 0);
    bench_latency_add(&latency, 30);
    bench_latency_add(&latency, 31);
    assert_int_equal(latency.bucket[0], 2);
    assert_int_equal(latency.bucket[1], 1);
    assert_int_equal(latency.worst, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call_is_all_of_them),
        cmocka_unit_test(parts_end_where_they_should),
        cmocka_unit_test(calls_beyond_the_buckets),
        cmocka_unit_test(the_looks_are_taken_off),
    };
    return cmocka_run_group_tests_name("bench latency", tests, NULL, NULL);
}
