/* sources: mm/cpu/ */
/* sources: mm/heap/count.c */
/* sources: mm/heap/heap.c mm/heap/backend.c mm/heap/simple.c mm/heap/guard.c */
/* sources: mm/heap/failing.c mm/error.c lib/format.c */
/* sources: mm/heap/bins.c mm/heap/buddy.c mm/heap/bump.c mm/heap/list.c */
/* sources: mm/heap/slab/ */
/* The back-end slab with several CPUs: blocks that one allocates and another
 * frees, CPUs that are stopped when memory is short, and signals whose handler
 * allocates in the middle of everything. */
#define _GNU_SOURCE
#include "tests/host/platform_host.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/bits.h"
#include "mm/heap/backend.h"
#include "mm/heap/slab/slab.h"

#define THREADS 4
#define BLOCKS  64
#ifdef __SANITIZE_THREAD__ /* it sees a race that did not happen, but slowly */
#define ROUNDS 10000
#else
#define ROUNDS 40000
#endif

static alignas(4096) unsigned char array[2 * MIB];
static struct heap heap;

static int set_up(void **state)
{
    (void)state;
    host_cpu_count = THREADS;
    memset(array, 0, sizeof(array));

    struct heap_region region = heap_region_array(array, sizeof(array));
    region.zeroed = true;
    return heap_init(&heap, &heap_slab, region) != MM_OK;
}

static int tear_down(void **state)
{
    (void)state;
    heap_fini(&heap);
    host_cpu_count = 1;
    platform_thread_cpu = 0;
    return 0;
}

static uint64_t random_word(uint64_t *state)
{
    *state = *state * 6364136223846793005 + 1442695040888963407;
    return *state >> 33;
}

static void assert_sound(void)
{
    struct heap_flaw flaw = heap_check(&heap);

    if (flaw.what)
        fail_msg("%p: %s", flaw.place, flaw.what);
}

/* While others are at work the heap may be busy, and no worse. */
static void assert_no_flaw(struct heap_flaw flaw)
{
    if (flaw.place)
        fail_msg("%p: %s", flaw.place, flaw.what);
}

static void assert_busy(void)
{
    struct heap_flaw flaw = heap_check(&heap);

    assert_null(flaw.place);
    assert_non_null(flaw.what);
}

/* Slots that all threads put blocks into and take out of. */
static unsigned char *shared[BLOCKS];
static size_t wrong;
static struct heap_flaw found; /* while threads ran */

/* Blocks say their size at their start, and are filled with its lowest byte. */
static unsigned char *make_block(uint64_t *random, size_t most)
{
    size_t size = 16 + random_word(random) % (most - 16);
    unsigned char *block = heap_alloc_in(&heap, (struct layout){size, 8});

    if (block) {
        memset(block, (int)(size & 0xff), size);
        memcpy(block, &size, sizeof(size));
    }
    return block;
}

static void end_block(unsigned char *block)
{
    size_t size, others = 0;

    memcpy(&size, block, sizeof(size));
    for (size_t i = sizeof(size); i < size; i++)
        others += block[i] != (unsigned char)size;
    if (others > 0)
        __atomic_fetch_add(&wrong, others, __ATOMIC_RELAXED);
    heap_dealloc_in(&heap, block, (struct layout){size, 8});
}

struct work {
    unsigned cpu;
    size_t most; /* bytes of a block */
};

static void *exchange_blocks(void *context)
{
    const struct work *work = context;
    uint64_t random = work->cpu + 1;

    platform_thread_cpu = work->cpu;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned char *mine = make_block(&random, work->most);
        unsigned char *theirs = __atomic_exchange_n(
            &shared[random_word(&random) % BLOCKS], mine, __ATOMIC_ACQ_REL);

        if (theirs)
            end_block(theirs);
    }
    return NULL;
}

/* Of these threads the last does something else. */
static void run_threads_beside(unsigned count, size_t most,
                               void *(*last)(void *context))
{
    pthread_t threads[THREADS];
    struct work work[THREADS];

    wrong = 0;
    found = (struct heap_flaw){0};
    for (unsigned i = 0; i < count; i++) {
        work[i] = (struct work){i, most};
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i + 1 < count ? exchange_blocks : last,
                                        &work[i]),
                         0);
    }
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(wrong, 0);
    assert_no_flaw(found);
    assert_sound();
    for (size_t i = 0; i < BLOCKS; i++)
        if (shared[i]) {
            end_block(shared[i]);
            shared[i] = NULL;
        }
    assert_int_equal(heap_stats(&heap).blocks, 0);
    heap_trim(&heap);
    assert_sound();
}

static void run_threads(unsigned count, size_t most)
{
    run_threads_beside(count, most, exchange_blocks);
}

static void test_two_threads_exchange_blocks(void **state)
{
    (void)state;
    run_threads(2, 1024);
    assert_int_equal(heap_stats(&heap).failures, 0);
}

static void test_four_threads_exchange_blocks(void **state)
{
    (void)state;
    run_threads(4, 1024);
    assert_int_equal(heap_stats(&heap).failures, 0);
}

/* 64 blocks of 32 KiB fill the region: all the time some CPU stops the others
 * and takes what they keep. */
static void test_cpus_are_stopped_when_memory_is_short(void **state)
{
    (void)state;
    run_threads(4, 64 * KIB);
    assert_true(heap_stats(&heap).failures > 0);
}

/* CPUs are stopped at any place of a call, and what each keeps is taken from
 * it. */
static void *stop_cpus(void *context)
{
    const struct work *work = context;
    uint64_t random = work->cpu + 1;

    platform_thread_cpu = work->cpu;
    for (unsigned i = 0; i < ROUNDS / 40; i++) {
        unsigned char *own = make_block(&random, work->most);

        heap_trim(&heap);
        if (own)
            end_block(own);
    }
    return NULL;
}

static void test_cpus_are_stopped_all_the_time(void **state)
{
    (void)state;
    run_threads_beside(3, 256, stop_cpus);
    assert_int_equal(heap_stats(&heap).failures, 0);
}

/* ---- The check beside other CPUs ---- */

static void *check_all_the_time(void *context)
{
    const struct work *work = context;
    uint64_t random = work->cpu + 1;

    platform_thread_cpu = work->cpu;
    for (unsigned i = 0; !found.place && i < ROUNDS / 100; i++) {
        unsigned char *own = make_block(&random, work->most);

        found = heap_check(&heap);
        if (own)
            end_block(own);
    }
    return NULL;
}

static void test_the_check_beside_other_cpus(void **state)
{
    (void)state;
    run_threads_beside(4, 256, check_all_the_time);
    run_threads_beside(4, 48 * KIB, check_all_the_time);
}

#define MOMENT_NS 5000000

static bool arrived;

static void *free_on_cpu_1(void *block)
{
    platform_thread_cpu = 1;
    __atomic_store_n(&arrived, true, __ATOMIC_RELEASE);
    end_block(block);
    return NULL;
}

/* What CPU 1 frees while it is stopped, and has to wait for a lock to do so, is
 * as it was: the check finds no block that is in nobody's hands. */
static void test_a_free_that_waits_has_changed_nothing(void **state)
{
    struct slab_heap *slabs = slab_heap(&heap);
    const struct timespec moment = {0, 4 * MOMENT_NS};
    uint64_t random = 7;
    unsigned char *block = make_block(&random, 64);
    unsigned number = slab_class_of(slabs, block);
    pthread_t thread;

    (void)state;
    arrived = false;
    assert_true(slab_stop_cpus(slabs));
    assert_true(slab_lock(slabs, number));
    assert_int_equal(pthread_create(&thread, NULL, free_on_cpu_1, block), 0);
    while (!__atomic_load_n(&arrived, __ATOMIC_ACQUIRE))
        platform_relax();
    nanosleep(&moment, NULL); /* until it waits */
    assert_no_flaw(slab_verify(&heap));
    slab_unlock(&heap, number);
    slab_go_on(slabs);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_sound();
    assert_int_equal(heap_stats(&heap).blocks, 0);
}

/* A handler that hit a call cannot look, and is told so. */
static void test_the_check_in_the_middle_of_a_call(void **state)
{
    struct slab_heap *slabs = slab_heap(&heap);
    struct cpu_lock *locks[] = {&slabs->stop_lock, &slabs->large.lock,
                                &slabs->class[5].lock, &heap.lock};

    (void)state;
    for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
        assert_true(cpu_lock_acquire(locks[i]));
        assert_busy();
        cpu_lock_release(locks[i]);
        assert_sound();
    }
    assert_true(cpu_section_enter(&slabs->cpu[0].section));
    assert_busy();
    cpu_section_leave(&slabs->cpu[0].section);
    assert_sound();
}

/* A CPU may have seen that it is open just before it is closed: it is let out
 * before anything is taken from it. */

static struct {
    pthread_t thread;
    bool inside, out;
} late;

static void *leave_after_a_moment(void *context)
{
    const struct timespec moment = {0, MOMENT_NS};

    nanosleep(&moment, NULL);
    __atomic_store_n(&late.out, true, __ATOMIC_RELAXED);
    cpu_section_leave(context);
    return NULL;
}

/* As if CPU 1 had entered its section before the fence, when it was closed. */
static void enter_if_closed(void)
{
    struct slab_cpu *cpu = &slab_heap(&heap)->cpu[1];

    if (late.inside || !cpu->closed)
        return;
    late.inside = true;
    assert_true(cpu_section_enter_closable(&cpu->section));
    assert_int_equal(
        pthread_create(&late.thread, NULL, leave_after_a_moment, &cpu->section),
        0);
}

static void test_a_cpu_that_saw_itself_open_is_waited_for(void **state)
{
    (void)state;
    memset(&late, 0, sizeof(late));
    host_on_fence = enter_if_closed;
    heap_trim(&heap);
    host_on_fence = NULL;
    assert_true(late.inside);
    /* on a busy host the heap may have lost patience, and left the CPU alone */
    assert_true(__atomic_load_n(&late.out, __ATOMIC_RELAXED) ||
                !slab_cpu_is_stopped(slab_heap(&heap), 1));
    assert_int_equal(pthread_join(late.thread, NULL), 0);
    assert_sound();
}

/* ---- Who fetches the line of a block that it frees ---- */

#define HANDED 600

static void hand_blocks(unsigned from, unsigned to, unsigned rounds,
                        size_t size)
{
    const struct layout layout = {size, 16};
    void *blocks[HANDED];

    for (unsigned round = 0; round < rounds; round++) {
        platform_thread_cpu = from;
        for (unsigned i = 0; i < HANDED; i++)
            assert_non_null(blocks[i] = heap_alloc_in(&heap, layout));
        platform_thread_cpu = to;
        for (unsigned i = 0; i < HANDED; i++)
            heap_dealloc_in(&heap, blocks[i], layout);
    }
    platform_thread_cpu = 0;
}

static void test_a_cpu_that_only_frees_does_not_recycle(void **state)
{
    const struct slab_cpu *cpu = slab_heap(&heap)->cpu;

    (void)state;
    hand_blocks(0, 0, 40, 64);
    assert_true(cpu[0].recycles);
    hand_blocks(0, 1, 40, 64);
    assert_true(cpu[0].recycles);
    assert_false(cpu[1].recycles);
    hand_blocks(1, 1, 2, 64);
    assert_true(cpu[1].recycles);
    /* more than magazines and depot take: the rest goes to the slabs */
    hand_blocks(1, 1, 1, 1024);
    assert_true(cpu[1].recycles);
    assert_sound();
}

static int set_up_trusting(void **state)
{
    heap_set_checks(HEAP_CHECKS_OFF);
    int failed = set_up(state);
    heap_set_checks(HEAP_CHECKS_BASIC);
    return failed;
}

/* ---- Handlers ---- */

#define HITS 3000

static struct {
    volatile sig_atomic_t hits, got, refused;
    unsigned char *kept[8];
    uint64_t random;
} handler;

static void on_signal(int number)
{
    unsigned i = (unsigned)handler.hits % 8;

    (void)number;
    handler.hits++;
    if (handler.kept[i])
        end_block(handler.kept[i]);
    handler.kept[i] = make_block(&handler.random, 4096);
    if (handler.kept[i])
        handler.got++;
    else
        handler.refused++;
}

/* Until half of the hits have got a block, however often a busy host lets them
 * come in the middle of the slow ways. */
static bool handler_goes_on(void)
{
    return handler.hits < HITS ||
           (handler.got <= HITS / 2 && handler.hits < 100 * HITS);
}

static timer_t start_timer(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGUSR1};
    const struct itimerspec every = {{0, 20000}, {0, 20000}};
    timer_t timer;

    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
    return timer;
}

static void test_a_signal_in_the_middle_of_calls(void **state)
{
    unsigned char *blocks[BLOCKS] = {0};
    uint64_t random = 1;

    (void)state;
    memset(&handler, 0, sizeof(handler));
    wrong = 0;
    timer_t timer = start_timer();
    for (unsigned round = 0; handler_goes_on(); round++) {
        unsigned i = (unsigned)(random_word(&random) % BLOCKS);

        if (blocks[i])
            end_block(blocks[i]);
        blocks[i] = make_block(&random, round % 64 ? 512 : 20000);
        if (round % 1024 == 0) /* and so the slow ways are hit, too */
            heap_trim(&heap);
        if (round % 1024 == 512)
            assert_no_flaw(heap_check(&heap));
    }
    assert_int_equal(timer_delete(timer), 0);
    signal(SIGUSR1, SIG_IGN);
    assert_true(handler.got > HITS / 2);
    for (unsigned i = 0; i < 8; i++)
        if (handler.kept[i])
            end_block(handler.kept[i]);
    for (unsigned i = 0; i < BLOCKS; i++)
        if (blocks[i])
            end_block(blocks[i]);
    assert_int_equal(wrong, 0);
    assert_sound();
    assert_int_equal(heap_stats(&heap).blocks, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_TRUSTING(name)                                                    \
    {                                                                          \
#name " trusting", name, set_up_trusting, tear_down, NULL              \
    }

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_two_threads_exchange_blocks),
        TEST(test_four_threads_exchange_blocks),
        TEST(test_cpus_are_stopped_when_memory_is_short),
        TEST(test_cpus_are_stopped_all_the_time),
        TEST(test_the_check_beside_other_cpus),
        TEST(test_a_free_that_waits_has_changed_nothing),
        TEST(test_the_check_in_the_middle_of_a_call),
        TEST(test_a_cpu_that_saw_itself_open_is_waited_for),
        TEST(test_a_cpu_that_only_frees_does_not_recycle),
        TEST(test_a_signal_in_the_middle_of_calls),
        TEST_TRUSTING(test_four_threads_exchange_blocks),
        TEST_TRUSTING(test_cpus_are_stopped_all_the_time),
        TEST_TRUSTING(test_the_check_beside_other_cpus),
        TEST_TRUSTING(test_a_signal_in_the_middle_of_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
