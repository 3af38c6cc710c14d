/* sources: mm/cpu/ */
/* sources: mm/heap/count.c */
/* sources: mm/heap/heap.c mm/heap/backend.c mm/heap/simple.c mm/heap/guard.c */
/* sources: mm/heap/failing.c mm/error.c lib/format.c */
/* sources: mm/heap/bins.c mm/heap/buddy.c mm/heap/bump.c mm/heap/list.c */
/* sources: mm/heap/slab/ */
/* Heap calls that are run one instruction at a time.  After each of them either
 * a handler of the same CPU uses the heap, or another CPU does: what happens at
 * one instruction only happens here each time. */
#include "tests/host/platform_host.h"

#include <signal.h>
#include <stdalign.h>
#include <string.h>

#include "lib/bits.h"
#include "mm/cpu/cpu_order.h"
#include "mm/heap/backend.h"

#define KEPT 6

static alignas(4096) unsigned char array[4 * MIB];
static struct heap heap;
static void (*at_each_step)(void);
static unsigned long steps, wrong;

/* Blocks of the handler, or of the other CPU. */
static struct {
    unsigned char *start;
    size_t size;
} kept[KEPT];

static size_t grow(void *context, size_t bytes)
{
    (void)context;
    return bytes;
}

static void on_trap(int number)
{
    (void)number;
    steps++;
    at_each_step();
}

static inline void step_on(void)
{
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static inline void step_off(void)
{
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static void set_up(const struct heap_backend *backend, enum heap_checks checks)
{
    struct heap_region region = heap_region_array(array, sizeof(array));

    region.size = 0;
    region.grow = grow;
    heap_set_checks(checks);
    host_cpu_count = 2;
    assert_int_equal(heap_init(&heap, backend, region), MM_OK);
    steps = wrong = 0;
    for (size_t i = 0; i < KEPT; i++) {
        kept[i].size = 40 + 8 * i;
        kept[i].start = heap_alloc_in(&heap, (struct layout){kept[i].size, 16});
        assert_non_null(kept[i].start);
        memset(kept[i].start, (int)i, kept[i].size);
    }
}

/* Nothing is lost: all blocks can be freed, and the heap is sound. */
static void tear_down(void)
{
    for (size_t i = 0; i < KEPT; i++)
        heap_free_in(&heap, kept[i].start);
    assert_int_equal(heap_stats(&heap).blocks, 0);
    assert_int_equal(heap_stats(&heap).held, 0);
    assert_null(heap_check(&heap).what);
    assert_int_equal(wrong, 0);
    heap_fini(&heap);
}

/* ---- Handlers ---- */

static void ask_sizes(void)
{
    for (size_t i = 0; i < KEPT; i++)
        wrong += heap_usable_size_in(&heap, kept[i].start) < kept[i].size;
}

/* One block for another, if it is not refused. */
static void replace(void)
{
    size_t i = steps % KEPT;
    struct layout layout = {kept[i].size, 16};
    unsigned char *start = heap_alloc_in(&heap, layout);

    if (!start)
        return;
    for (size_t j = 0; j < layout.size; j++)
        wrong += kept[i].start[j] != i;
    if (steps & 1)
        heap_free_in(&heap, kept[i].start);
    else
        heap_dealloc_in(&heap, kept[i].start, layout);
    memset(start, (int)i, layout.size);
    kept[i].start = start;
}

/* Blocks that the handler frees, one at each instruction from free_from on
 * where a lock is held. */
static unsigned char *doomed[500];
static size_t doomed_count, next_doomed;
static unsigned long free_from;

static void free_one(void)
{
    if (steps < free_from || next_doomed == doomed_count ||
        cpu_order_allows(heap.guard ? CPU_RANK_GUARD : CPU_RANK_CLASS))
        return;
    /* what was in it tells of a link that is followed too soon */
    memset(doomed[next_doomed], 0xee, 24);
    heap_free_in(&heap, doomed[next_doomed++]);
}

static void do_nothing(void)
{
}

static void call_step_by_step(void)
{
    static const size_t sizes[] = {16, 100, 1000, 5000};
    /* full checks look at each byte of a block */
    size_t count = heap.checks == HEAP_CHECKS_FULL ? 1 : 4;
    void *blocks[4];

    for (size_t i = 0; i < count; i++) {
        step_on();
        blocks[i] = heap_alloc_in(&heap, (struct layout){sizes[i], 16});
        step_off();
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < count; i++) {
        struct layout layout = {sizes[i], 16};

        if (i % 2 == 0) {
            step_on();
            blocks[i] = heap_realloc_in(&heap, blocks[i], layout, 2 * sizes[i]);
            step_off();
            assert_non_null(blocks[i]);
            layout.size *= 2;
        }
        step_on();
        heap_dealloc_in(&heap, blocks[i], layout);
        step_off();
    }
}

static const enum heap_checks tiers[] = {HEAP_CHECKS_OFF, HEAP_CHECKS_BASIC,
                                         HEAP_CHECKS_FULL};

/* Runs a test with each back-end and tier. */
static void each(void (*test)(void))
{
    for (size_t i = 0; heap_backends[i]; i++)
        for (size_t tier = 0; tier < 3; tier++) {
            set_up(heap_backends[i], tiers[tier]);
            test();
            tear_down();
        }
    heap_set_checks(HEAP_CHECKS_BASIC);
}

static void step_with_questions(void)
{
    at_each_step = ask_sizes;
    call_step_by_step();
    assert_true(steps > 500);
}

static void test_sizes_are_told_at_any_moment(void **state)
{
    (void)state;
    each(step_with_questions);
}

static void step_with_calls(void)
{
    at_each_step = replace;
    call_step_by_step();
}

static void test_calls_at_any_moment(void **state)
{
    (void)state;
    each(step_with_calls);
}

/* Of a call that does not find what it needs near at hand. */
static void allocate_step_by_step(void (*at_step)(void))
{
    heap_trim(&heap);
    at_each_step = at_step;
    steps = 0;
    step_on();
    void *start = heap_alloc_in(&heap, (struct layout){24, 8});
    step_off();
    assert_non_null(start);
    heap_free_in(&heap, start);
}

/* Where there is one lock, the end of a call is what matters: there blocks that
 * wait are freed. */
#define FREES_AT_END 100

static void step_with_frees(void)
{
    bool one_lock = heap.guard || !heap.backend->calls;

    doomed_count = one_lock ? FREES_AT_END : sizeof(doomed) / sizeof(doomed[0]);
    for (size_t i = 0; i < doomed_count; i++) {
        doomed[i] = heap_alloc_in(&heap, (struct layout){24, 8});
        assert_non_null(doomed[i]);
    }
    next_doomed = 0;
    for (size_t i = 0; i < 2; i++) /* the second one as all that follow */
        allocate_step_by_step(do_nothing);
    free_from = one_lock ? steps - FREES_AT_END : 0;
    allocate_step_by_step(free_one);
    assert_true(next_doomed > 0);
    while (next_doomed < doomed_count)
        heap_free_in(&heap, doomed[next_doomed++]);
}

static void test_frees_at_any_moment(void **state)
{
    (void)state;
    each(step_with_frees);
}

/* ---- Another CPU ---- */

static void use_elsewhere(void)
{
    platform_thread_cpu = 1;
    replace();
    platform_thread_cpu = 0;
}

/* A handler of CPU 0 that must not wait puts its frees off, while CPU 1 frees
 * what waits. */
static void put_off_step_by_step(void)
{
    struct layout layout = {24, 8};
    unsigned char *blocks[8];

    at_each_step = use_elsewhere;
    for (size_t i = 0; i < 8; i++) {
        blocks[i] = heap_alloc_in(&heap, layout);
        assert_non_null(blocks[i]);
        memset(blocks[i], 0xee, layout.size);
    }
    cpu_order_forbid();
    for (size_t i = 0; i < 8; i++) {
        step_on();
        heap_dealloc_in(&heap, blocks[i], layout);
        step_off();
    }
    cpu_order_permit();
}

static void test_what_waits_can_be_freed_at_any_moment(void **state)
{
    (void)state;
    each(put_off_step_by_step);
}

static int catch_traps(void **state)
{
    struct sigaction action = {.sa_handler = on_trap};

    (void)state;
    return sigaction(SIGTRAP, &action, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_told_at_any_moment),
        cmocka_unit_test(test_calls_at_any_moment),
        cmocka_unit_test(test_frees_at_any_moment),
        cmocka_unit_test(test_what_waits_can_be_freed_at_any_moment),
    };

    return cmocka_run_group_tests(tests, catch_traps, NULL);
}
