/* sources: mm/cpu/ */
/* sources: mm/frame/ mm/tree/ mm/map/memory_map.c */
/* sources: mm/map/boot_frames.c mm/error.c */
/* mm/frame.h on two and four CPUs at once, each a thread: against a model of
 * one owner for each 4K, and with handlers that come at any time.  Built twice,
 * for AddressSanitizer and for ThreadSanitizer. */
#include "tests/host/platform_host.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/bits.h"
#include "mm/frame.h"
#include "tests/shared/patient.h"

#ifdef __SANITIZE_THREAD__
#define ROUNDS 20000u
#else
#define ROUNDS 60000u
#endif

#define CPUS_MAX 4

static struct memory_map map;

static void start(paddr_t end, unsigned cpus)
{
    host_cpu_count = cpus;
    memory_map_init(&map, 46);
    assert_int_equal(memory_map_add(&map, MIB, end - MIB, MEMORY_USABLE),
                     MM_OK);
    assert_int_equal(
        memory_map_add(&map, 5 * MIB + 3 * SIZE_4K, 2 * SIZE_4K, MEMORY_MODULE),
        MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
}

static uint64_t free_bytes(void)
{
    struct frame_stats stats;
    frame_stats(&stats);
    return stats.free_bytes;
}

/* ---- The model: who has each 4K ---- */

#define NOBODY 0

static uint8_t *owner; /* by frame number; the CPU's number + 1 */
static uint64_t owner_count;

static bool take_over(paddr_t frame, enum frame_size size, uint8_t from,
                      uint8_t to)
{
    for (uint64_t n = frame / SIZE_4K;
         n < (frame + frame_bytes(size)) / SIZE_4K; n++) {
        uint8_t was = __atomic_exchange_n(&owner[n], to, __ATOMIC_RELAXED);
        if (was != from)
            return false;
    }
    return true;
}

/* ---- A CPU that allocates and frees at random ---- */

#define HELD_MAX 3000u

struct held {
    paddr_t frame;
    enum frame_size size;
};

struct cpu_state {
    unsigned number, wrong;
    uint64_t random;
    struct held held[HELD_MAX];
    unsigned count;
    pthread_t thread;
};

static struct cpu_state cpus[CPUS_MAX];

/* Frames on their way from one CPU to the next: allocated here, freed there. */
static paddr_t mailbox[CPUS_MAX];

static uint64_t random_below(struct cpu_state *cpu, uint64_t end)
{
    cpu->random = cpu->random * UINT64_C(6364136223846793005) +
                  UINT64_C(1442695040888963407);
    return (cpu->random >> 20) % end;
}

static void expect(struct cpu_state *cpu, bool good)
{
    cpu->wrong += !good;
}

static void alloc_one(struct cpu_state *cpu)
{
    uint64_t r = random_below(cpu, 1000);
    enum frame_size size = r == 0 ? FRAME_1G : r < 100 ? FRAME_2M : FRAME_4K;
    paddr_t frame = PADDR_NONE;
    enum mm_error error = patient_try_alloc(size, &frame);
    expect(cpu, (error == MM_OK) == (frame != PADDR_NONE));
    expect(cpu, error == MM_OK || error == MM_OUT_OF_MEMORY);
    if (frame == PADDR_NONE)
        return;
    expect(cpu, is_aligned(frame, frame_bytes(size)));
    expect(cpu, take_over(frame, size, NOBODY, (uint8_t)(cpu->number + 1)));
    cpu->held[cpu->count++] = (struct held){frame, size};
}

static void free_one(struct cpu_state *cpu, unsigned i)
{
    struct held held = cpu->held[i];
    cpu->held[i] = cpu->held[--cpu->count];
    if (held.size != FRAME_4K)
        expect(cpu, patient_free(held.frame + SIZE_4K) == MM_INSIDE_LARGER);
    expect(cpu, take_over(held.frame, held.size, (uint8_t)(cpu->number + 1),
                          NOBODY));
    expect(cpu, patient_free(held.frame) == MM_OK);
}

static void send_one(struct cpu_state *cpu, unsigned cpu_count)
{
    paddr_t frame = patient_alloc(FRAME_4K);
    if (frame != PADDR_NONE)
        expect(cpu, take_over(frame, FRAME_4K, NOBODY, 100));
    /* release and acquire: what was noted of the frame goes with it */
    frame = __atomic_exchange_n(&mailbox[(cpu->number + 1) % cpu_count], frame,
                                __ATOMIC_ACQ_REL);
    paddr_t got = __atomic_exchange_n(&mailbox[cpu->number], PADDR_NONE,
                                      __ATOMIC_ACQ_REL);
    paddr_t both[2] = {frame, got};
    for (unsigned i = 0; i < 2; i++)
        if (both[i] != PADDR_NONE) {
            expect(cpu, take_over(both[i], FRAME_4K, 100, NOBODY));
            expect(cpu, patient_free(both[i]) == MM_OK);
        }
}

static unsigned cpu_total, cpu_rounds;

static void *run_cpu(void *argument)
{
    struct cpu_state *cpu = argument;
    platform_thread_cpu = cpu->number;
    for (unsigned i = 0; i < cpu_rounds; i++) {
        uint64_t r = random_below(cpu, 100);
        /* long runs of the same, so that memory fills up and runs out */
        bool grows = i / 2048 % 2 == 0;
        if (r < 10)
            send_one(cpu, cpu_total);
        else if (r < (grows ? 70 : 30) && cpu->count < HELD_MAX)
            alloc_one(cpu);
        else if (cpu->count > 0)
            free_one(cpu, r % 2 == 0 ? cpu->count - 1
                                     : (unsigned)random_below(cpu, cpu->count));
        if (r == 99 && i % 16 == 0) {
            expect(cpu, patient_free(5 * MIB + 3 * SIZE_4K) == MM_RESERVED);
            expect(cpu, patient_free(3 * TIB) == MM_OUT_OF_RANGE);
            (void)free_bytes();
        }
    }
    while (cpu->count > 0)
        free_one(cpu, cpu->count - 1);
    return NULL;
}

static void run_on(unsigned count, paddr_t end, unsigned rounds)
{
    start(end, count);
    cpu_rounds = rounds;
    owner_count = end / SIZE_4K;
    owner = calloc(owner_count, 1);
    uint64_t before = free_bytes();
    cpu_total = count;
    for (unsigned i = 0; i < count; i++) {
        cpus[i] = (struct cpu_state){.number = i, .random = i + count};
        mailbox[i] = PADDR_NONE;
    }
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(
            pthread_create(&cpus[i].thread, NULL, run_cpu, &cpus[i]), 0);
    for (unsigned i = 0; i < count; i++)
        pthread_join(cpus[i].thread, NULL);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(cpus[i].wrong, 0);
        if (mailbox[i] != PADDR_NONE)
            assert_int_equal(frame_free(mailbox[i]), MM_OK);
    }
    assert_true(frame_check());
    assert_int_equal(free_bytes(), before);
    assert_true(frame_check());
    free(owner);
}

static void two_cpus_agree_with_the_model(void **state)
{
    (void)state;
    run_on(2, 40 * MIB, ROUNDS);
    run_on(2, 3 * GIB, ROUNDS);
}

static void four_cpus_agree_with_the_model(void **state)
{
    (void)state;
    run_on(4, 40 * MIB, ROUNDS);
    run_on(4, 6 * GIB, ROUNDS);
}

/* ---- Frames that others took ---- */

/* Frames of all zones in any order, of which each CPU frees its part. */
#define SPREAD (4 * ROUNDS)

static paddr_t spread[SPREAD];

static void *free_part(void *argument)
{
    struct cpu_state *cpu = argument;
    platform_thread_cpu = cpu->number;
    for (unsigned i = cpu->number; i < SPREAD; i += cpu_total) {
        expect(cpu, patient_free(spread[i]) == MM_OK);
        /* nobody allocates meanwhile */
        if (cpu_rounds == 0 && i % 4096 == cpu->number)
            expect(cpu, patient_free(spread[i]) == MM_NOT_HELD);
    }
    return NULL;
}

/* All kinds of calls meanwhile. */
static void *do_more(void *argument)
{
    struct cpu_state *cpu = argument;
    platform_thread_cpu = cpu->number;
    for (unsigned i = 0; i < cpu_rounds; i++) {
        paddr_t frame = patient_alloc(i % 3 == 0 ? FRAME_2M : FRAME_4K);
        expect(cpu, frame != PADDR_NONE);
        expect(cpu, frame_state(frame) ==
                        (i % 3 == 0 ? FRAME_HELD_2M : FRAME_HELD_4K));
        if (i % 8 == 1) {
            enum mm_error error = frame_reserve(frame, FRAME_4K);
            expect(cpu, error == MM_NOT_FREE || error == MM_BUSY);
        }
        expect(cpu, patient_free(frame) == MM_OK);
        if (i % 32 == 0)
            expect(cpu, frame_check());
        struct timespec pause = {0, 50000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void shuffle_spread(uint64_t seed)
{
    struct cpu_state random = {.random = seed};
    for (unsigned i = SPREAD; i > 1; i--) {
        uint64_t j = random_below(&random, i);
        paddr_t frame = spread[i - 1];
        spread[i - 1] = spread[j];
        spread[j] = frame;
    }
}

/* So many CPUs free, and if `rounds` is not 0 one more does other things. */
static void free_spread(unsigned count, unsigned rounds, uint64_t seed)
{
    uint64_t before = free_bytes();
    for (unsigned i = 0; i < SPREAD; i++) {
        platform_thread_cpu = i / 512 % count;
        spread[i] = frame_alloc(FRAME_4K);
        assert_int_not_equal(spread[i], PADDR_NONE);
    }
    platform_thread_cpu = 0;
    shuffle_spread(seed);
    cpu_total = count;
    cpu_rounds = rounds;
    for (unsigned i = 0; i <= count; i++) {
        cpus[i] = (struct cpu_state){.number = i, .random = i};
        if (i < count || rounds != 0)
            assert_int_equal(pthread_create(&cpus[i].thread, NULL,
                                            i < count ? free_part : do_more,
                                            &cpus[i]),
                             0);
    }
    for (unsigned i = 0; i <= count; i++) {
        if (i < count || rounds != 0)
            pthread_join(cpus[i].thread, NULL);
        assert_int_equal(cpus[i].wrong, 0);
    }
    assert_true(frame_check());
    assert_int_equal(free_bytes(), before);
    assert_true(frame_check());
}

static void many_free_at_once(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        start(2 * GIB, 4);
        free_spread(2 + round % 2, 0, round);
        free_spread(2 + round % 2, 0, round + 100);
    }
}

static void many_free_while_one_does_more(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        start(2 * GIB, 4);
        free_spread(2 + round % 2, 200, round);
    }
}

/* ---- What another CPU keeps ---- */

/* Runs f as another CPU, to its end. */
static void *as_cpu_1(void *f)
{
    platform_thread_cpu = 1;
    void (*function)(void) = f;
    function();
    return NULL;
}

static void on_cpu_1(void (*f)(void))
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, as_cpu_1, (void *)f), 0);
    pthread_join(thread, NULL);
}

static paddr_t theirs[3];

static void keep_some(void)
{
    theirs[0] = frame_alloc(FRAME_4K);
    theirs[1] = frame_alloc(FRAME_2M);
    for (unsigned i = 0; i < 2; i++)
        if (frame_free(theirs[i]) != MM_OK)
            theirs[i] = PADDR_NONE;
}

/* A frame that CPU 1 keeps is free for CPU 0: as an error, and as memory. */
static void what_another_keeps_is_free(void **state)
{
    (void)state;
    start(64 * MIB, 2);
    uint64_t all = free_bytes();
    on_cpu_1(keep_some);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_not_equal(theirs[i], PADDR_NONE);
        assert_int_equal(frame_free(theirs[i]), MM_NOT_HELD);
        assert_int_equal(frame_state(theirs[i]), FRAME_AVAILABLE);
    }
    assert_int_equal(frame_free(theirs[1] + SIZE_4K), MM_NOT_HELD);
    assert_true(frame_check());
    uint64_t count = 0;
    while (frame_alloc(FRAME_4K) != PADDR_NONE)
        count++;
    assert_int_equal(count, all / SIZE_4K);
    paddr_t none;
    assert_int_equal(frame_try_alloc(FRAME_4K, &none), MM_OUT_OF_MEMORY);
    assert_true(frame_check());
}

static paddr_t shared[3];
static enum mm_error shared_error;

static void free_shared(void)
{
    for (unsigned i = 0; i < 3; i++)
        if (shared[i] != PADDR_NONE)
            shared_error |= frame_free(shared[i]);
}

static void free_shared_and_alloc(void)
{
    free_shared();
    theirs[0] = frame_alloc(FRAME_4K);
}

/* What CPU 1 freed into a 2M that CPU 0 owns is free for CPU 0 too, and the 2M
 * stays CPU 0's when CPU 1 allocates from it. */
static void a_2m_has_one_owner(void **state)
{
    (void)state;
    start(64 * MIB, 2);
    for (unsigned i = 0; i < 3; i++)
        shared[i] = frame_alloc(FRAME_4K);
    shared_error = MM_OK;
    on_cpu_1(free_shared_and_alloc);
    assert_int_equal(shared_error, MM_OK);
    assert_true(frame_check());
    assert_int_equal(frame_free(shared[1]), MM_NOT_HELD);
    assert_int_equal(frame_free(shared[2]), MM_NOT_HELD);
    assert_true(frame_check());
}

static void free_and_keep_large(void)
{
    shared_error = frame_free(shared[0]);
    theirs[0] = frame_alloc(FRAME_2M);
    shared_error |= frame_free(theirs[0]);
}

/* The same large frame was the last of both CPUs: only one may keep it. */
static void a_large_frame_is_kept_once(void **state)
{
    (void)state;
    start(64 * MIB, 2);
    shared[0] = frame_alloc(FRAME_2M);
    on_cpu_1(free_and_keep_large);
    assert_int_equal(shared_error, MM_OK);
    assert_int_equal(frame_free(shared[0]), MM_NOT_HELD);
    assert_true(frame_check());
}

static void use_as_no_cpu(void)
{
    platform_thread_cpu = 7;
    paddr_t frame;
    theirs[0] = (paddr_t)frame_try_alloc(FRAME_4K, &frame);
    theirs[1] = (paddr_t)frame_free(8 * MIB);
    theirs[2] = frame_alloc(FRAME_4K);
}

static void a_cpu_without_a_number_is_refused(void **state)
{
    (void)state;
    start(64 * MIB, 2);
    on_cpu_1(use_as_no_cpu);
    assert_int_equal(theirs[0], MM_BAD_ARGUMENT);
    assert_int_equal(theirs[1], MM_BAD_ARGUMENT);
    assert_int_equal(theirs[2], PADDR_NONE);
    assert_true(frame_check());
}

/* In memory that is full the frame that was freed last goes out again at once;
 * in any state of it a double free is one. */
static void full_memory_gives_what_was_freed_last(void **state)
{
    (void)state;
    start(64 * MIB, 2);
    static paddr_t all[64 * MIB / SIZE_4K];
    unsigned count = 0;
    while ((all[count] = frame_alloc(FRAME_4K)) != PADDR_NONE)
        count++;
    uint64_t random = 1;
    for (unsigned i = 0; i < 2000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        paddr_t frame = all[(random >> 33) % count];
        assert_int_equal(frame_free(frame), MM_OK);
        assert_int_equal(frame_free(frame), MM_NOT_HELD);
        assert_int_equal(frame_alloc(FRAME_4K), frame);
        assert_int_equal(frame_state(frame), FRAME_HELD_4K);
    }
    assert_int_equal(frame_alloc(FRAME_4K), PADDR_NONE);
    assert_true(frame_check());
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(frame_free(all[i]), MM_OK);
    assert_true(frame_check());
}

/* ---- Handlers ---- */

static unsigned handler_runs, handler_wrong, handler_busy;

/* One call may be hit again and again, and has room for few frees that wait for
 * its end: what it does not take is freed the next time. */
static paddr_t handler_frame[3];

/* Allocates and frees in the middle of whatever this thread is at. */
static void handle(int signal)
{
    (void)signal;
    for (unsigned i = 0; i < 3; i++) {
        if (handler_frame[i] != PADDR_NONE)
            continue;
        enum mm_error error =
            frame_try_alloc(i == 2 ? FRAME_2M : FRAME_4K, &handler_frame[i]);
        handler_busy += error == MM_BUSY;
        handler_wrong += error != MM_OK && error != MM_BUSY;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (handler_frame[i] == PADDR_NONE)
            continue;
        enum mm_error error = frame_free(handler_frame[i]);
        handler_wrong += error != MM_OK && error != MM_BUSY;
        if (error != MM_BUSY)
            handler_frame[i] = PADDR_NONE;
    }
    handler_runs++;
}

#ifdef __SANITIZE_THREAD__
#define HANDLER_RUNS 1000u
#else
#define HANDLER_RUNS 5000u
#endif

static int handlers_wanted; /* relaxed: a flag, and nothing behind it */

static void *signal_main(void *target)
{
    while (__atomic_load_n(&handlers_wanted, __ATOMIC_RELAXED)) {
        pthread_kill(*(pthread_t *)target, SIGUSR1);
        struct timespec pause = {0, 20000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Runs of every kind of call, and a signal every few microseconds. */
static void handlers_may_come_at_any_time(void **state)
{
    (void)state;
    start(6 * GIB, 1);
    uint64_t before = free_bytes();
    unsigned logged = host_log_lines;
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    handler_runs = handler_wrong = handler_busy = 0;
    for (unsigned i = 0; i < 3; i++)
        handler_frame[i] = PADDR_NONE;

    pthread_t self = pthread_self(), sender;
    handlers_wanted = 1;
    assert_int_equal(pthread_create(&sender, NULL, signal_main, &self), 0);
    static paddr_t frame[2000];
    unsigned wrong = 0;
    for (unsigned round = 0;
         __atomic_load_n(&handler_runs, __ATOMIC_RELAXED) < HANDLER_RUNS;
         round++) {
        for (unsigned i = 0; i < 2000; i++)
            wrong += (frame[i] = frame_alloc(FRAME_4K)) == PADDR_NONE;
        for (unsigned i = 0; i < 2000; i++) {
            /* some apart from each other, and the others in a row */
            unsigned j = round % 2 == 0 ? i * 777 % 2000 : i;
            if (frame[j] != PADDR_NONE)
                wrong += frame_free(frame[j]) != MM_OK;
            frame[j] = PADDR_NONE;
        }
        for (unsigned i = 0; i < 200; i++) {
            paddr_t large = frame_alloc(i % 2 == 0 ? FRAME_2M : FRAME_1G);
            wrong += large == PADDR_NONE || frame_free(large) != MM_OK;
        }
        (void)free_bytes();
    }
    __atomic_store_n(&handlers_wanted, 0, __ATOMIC_RELAXED);
    pthread_join(sender, NULL);
    signal(SIGUSR1, SIG_IGN);
    for (unsigned i = 0; i < 3; i++)
        if (handler_frame[i] != PADDR_NONE)
            assert_int_equal(frame_free(handler_frame[i]), MM_OK);
    assert_int_equal(wrong, 0);
    assert_int_equal(handler_wrong, 0);
    assert_int_equal(host_log_lines, logged);
    assert_true(frame_check());
    assert_int_equal(free_bytes(), before);
    assert_true(frame_check());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_keeps_is_free),
        cmocka_unit_test(a_2m_has_one_owner),
        cmocka_unit_test(a_large_frame_is_kept_once),
        cmocka_unit_test(a_cpu_without_a_number_is_refused),
        cmocka_unit_test(full_memory_gives_what_was_freed_last),
        cmocka_unit_test(two_cpus_agree_with_the_model),
        cmocka_unit_test(four_cpus_agree_with_the_model),
        cmocka_unit_test(many_free_at_once),
        cmocka_unit_test(many_free_while_one_does_more),
        cmocka_unit_test(handlers_may_come_at_any_time),
    };
    return cmocka_run_group_tests_name("frame_threads", tests, NULL, NULL);
}
