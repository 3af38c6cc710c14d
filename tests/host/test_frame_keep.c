/* sources: mm/cpu/ */
/* sources: mm/frame/ mm/tree/ mm/map/memory_map.c mm/map/boot_frames.c */
/* sources: mm/error.c */
/* Taking zones away from who keeps them (mm/frame/keep.c), where a step of one
 * CPU falls between two steps of another: one thread plays all of them, and a
 * hook at the fence, which comes after a CPU was asked to stop, takes the
 * other's step. */
#include "tests/host/platform_host.h"

#include <pthread.h>
#include <time.h>

#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/frame/cpu.h"

#define APART 8u

static struct memory_map map;

/* Held 4Ks, of which no CPU owns a 2M, and their zone, which CPU 0 keeps. */
static paddr_t frames[APART];
static struct frame_zone *zone;

static unsigned fences;

static void start_kept(void)
{
    host_cpu_count = 3;
    host_on_fence = NULL; /* of a test that failed */
    platform_thread_cpu = 0;
    memory_map_init(&map, 46);
    assert_int_equal(memory_map_add(&map, MIB, 63 * MIB, MEMORY_USABLE), MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
    for (unsigned i = 0; i < APART; i++) {
        frames[i] = frame_alloc(FRAME_2M);
        assert_int_not_equal(frames[i], PADDR_NONE);
        assert_int_equal(frame_split(frames[i]), MM_OK);
        frames[i] += SIZE_4K;
    }
    assert_int_equal(frame_free(frames[0] + SIZE_4K), MM_OK);
    zone = &frame_zones.zone[0];
    assert_int_equal(zone->keeper, 1);
    fences = 0;
}

static void end(void)
{
    host_on_fence = NULL;
    platform_thread_cpu = 0;
    for (unsigned c = 0; c < host_cpu_count; c++) {
        assert_int_equal(frame_cpus.cpu[c].section.busy, 0);
        assert_int_equal(frame_cpus.cpu[c].section.stopped, 0);
        assert_int_equal(frame_cpus.cpu[c].depth, 0);
    }
    assert_true(frame_check());
    assert_int_equal(zone->lock.holder, 0);
    assert_int_equal(zone->keeper, 0);
    host_cpu_count = 1;
}

static void count_fence(void)
{
    fences++;
    assert_int_equal(frame_cpus.cpu[0].section.stopped, 1);
    assert_int_equal(zone->keeper, 1);
    assert_int_equal(zone->lock.holder, 1);
}

/* The keeper is asked, then all CPUs pass a fence, and only then it is his no
 * more. */
static void a_keeper_is_asked_before_the_fence(void **state)
{
    (void)state;
    start_kept();
    host_on_fence = count_fence;
    platform_thread_cpu = 1;
    assert_int_equal(frame_free(frames[1]), MM_OK);
    assert_int_equal(fences, 1);
    end();
}

/* When CPU 1 asks it, CPU 0 is in its section and gives up the keep; its call
 * ends; and CPU 2, which is not asked, keeps the zone and is at work in it. */
static void change_keepers(void)
{
    fences++;
    if (fences == 1) {
        zone->keeper = 0; /* keep_no_longer */
        frame_cpus.cpu[0].section.busy = 0;
        zone->lock.holder = 0; /* frame_unlock */
        frame_cpus.cpu[2].section.busy = FRAME_IN_STEP;
        zone->lock.holder = zone->keeper = 3; /* step_lock, step_unlock */
    } else {
        assert_int_equal(frame_cpus.cpu[2].section.stopped, 1);
        assert_int_equal(zone->lock.holder, 3);
        assert_int_equal(zone->keeper, 3);
        frame_cpus.cpu[2].section.busy = 0;
    }
}

static void another_keeper_is_asked_too(void **state)
{
    (void)state;
    start_kept();
    host_on_fence = change_keepers;
    frame_cpus.cpu[0].section.busy = 1;
    platform_thread_cpu = 1;
    assert_int_equal(frame_free(frames[1]), MM_OK);
    assert_int_equal(fences, 2);
    end();
}

/* The same, but CPU 0's call goes on, with the lock and outside of its section,
 * until CPU 1 has waited for long. */
static unsigned ended; /* relaxed: a flag, and nothing behind it */

static void *end_late(void *argument)
{
    (void)argument;
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
    uint32_t holder = __atomic_load_n(&zone->lock.holder, __ATOMIC_RELAXED);
    __atomic_store_n(&ended, holder == 1, __ATOMIC_RELAXED);
    cpu_lock_release(&zone->lock);
    return NULL;
}

static pthread_t late;

static void keep_no_longer_and_go_on(void)
{
    fences++;
    zone->keeper = 0;
    frame_cpus.cpu[0].section.busy = 0;
    assert_int_equal(pthread_create(&late, NULL, end_late, NULL), 0);
}

static void a_plain_lock_is_waited_for(void **state)
{
    (void)state;
    start_kept();
    ended = 0;
    host_on_fence = keep_no_longer_and_go_on;
    frame_cpus.cpu[0].section.busy = 1;
    platform_thread_cpu = 1;
    assert_int_equal(frame_free(frames[1]), MM_OK);
    unsigned waited = __atomic_load_n(&ended, __ATOMIC_RELAXED);
    pthread_join(late, NULL);
    assert_int_equal(waited, 1);
    assert_int_equal(fences, 1);
    end();
}

/* ---- Handlers ---- */

/* In the middle of its CPU's section, but not of a step, a handler may use what
 * its CPU keeps; so it is served, and counts right, also when it stops others.
 */
static void a_handler_may_use_what_its_cpu_keeps(void **state)
{
    (void)state;
    start_kept();
    platform_thread_cpu = 1;
    paddr_t theirs = frame_alloc(FRAME_4K); /* and more of its 2M, and 4 */
    assert_int_not_equal(theirs, PADDR_NONE);
    platform_thread_cpu = 0;
    struct frame_stats before, stats;
    frame_stats(&before);
    platform_thread_cpu = 1;
    assert_int_equal(frame_free(theirs), MM_OK);
    theirs = frame_alloc(FRAME_4K);
    assert_int_not_equal(frame_cpus.cpu[1].reserve[0], PADDR_NONE);
    platform_thread_cpu = 0;
    zone->wanted = 0;
    assert_int_equal(frame_free(frames[1]), MM_OK);
    assert_int_equal(zone->keeper, 1);

    struct frame_cpu *cpu = &frame_cpus.cpu[0];
    cpu->section.busy = 1;
    frame_stats(&stats);
    assert_int_equal(stats.free_bytes, before.free_bytes + SIZE_4K);
    assert_int_equal(frame_cpus.cpu[1].reserve[0], PADDR_NONE);
    assert_int_equal(zone->keeper, 1);
    assert_true(frame_check());
    paddr_t large;
    assert_int_equal(frame_try_alloc(FRAME_1G, &large), MM_BUSY);
    assert_int_equal(frame_reserve(theirs + SIZE_4K, FRAME_4K), MM_OK);
    assert_int_equal(frame_free(theirs + SIZE_4K), MM_OK);
    assert_int_equal(zone->keeper, 1);
    assert_int_equal(zone->lock.holder, 1);
    assert_int_equal(cpu->section.stopped, 0);
    cpu->section.busy = 0;
    end();
}

/* In the middle of a step it may not, and nobody is stopped. */
static void a_handler_leaves_a_step_alone(void **state)
{
    (void)state;
    start_kept();
    struct frame_cpu *cpu = &frame_cpus.cpu[0];
    cpu->section.busy = FRAME_IN_STEP;
    assert_int_equal(frame_reserve(frames[1], FRAME_4K), MM_BUSY);
    assert_int_equal(frame_split(frames[1]), MM_BUSY);
    assert_int_equal(fences, 0);
    assert_int_equal(cpu->section.busy, FRAME_IN_STEP);
    cpu->section.busy = 0;
    end();
}

static unsigned in_reserve(unsigned c)
{
    unsigned found = 0;
    for (unsigned r = 0; r < FRAME_RESERVE; r++)
        found += frame_cpus.cpu[c].reserve[r] != PADDR_NONE;
    return found;
}

/* Until CPU 0's block is used up, and one more, which a tree has to give. */
static void take_past_the_block(void)
{
    for (bool last = false; !last;) {
        last = frame_block_is_empty(&frame_cpus.cpu[0].alloc);
        assert_int_not_equal(frame_alloc(FRAME_4K), PADDR_NONE);
    }
}

static void start_two_zones(unsigned cpus)
{
    host_cpu_count = cpus;
    host_on_fence = NULL; /* of a test that failed */
    platform_thread_cpu = 0;
    memory_map_init(&map, 46);
    assert_int_equal(memory_map_add(&map, MIB, 2 * GIB - MIB, MEMORY_USABLE),
                     MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
    assert_int_equal(frame_zones.count, 2);
    zone = &frame_zones.zone[1];
}

/* CPU 1 keeps the second zone, taken away from who kept it. */
static void keep_second(void)
{
    platform_thread_cpu = 1;
    assert_int_equal(frame_reserve(GIB + SIZE_2M, FRAME_2M), MM_OK);
    zone->wanted = 0;
    assert_in_range(frame_alloc(FRAME_2M), GIB, 2 * GIB);
    assert_int_equal(zone->keeper, 2);
}

/* Two zones.  What CPU 0 has for handlers is of the second, which CPU 1 keeps,
 * and one of them was taken; its next 4K comes from a tree, of the first zone.
 */
static void start_far(void)
{
    start_two_zones(2);
    struct frame_cpu *cpu = &frame_cpus.cpu[0];
    cpu->home.small = 1;
    take_past_the_block();
    assert_int_equal(in_reserve(0), FRAME_RESERVE);
    cpu->home.small = 0;
    while (!frame_block_is_empty(&cpu->alloc))
        assert_int_not_equal(frame_alloc(FRAME_4K), PADDR_NONE);
    cpu->near[FRAME_4K].left = 0;

    keep_second();
    platform_thread_cpu = 0;
    cpu->section.busy = FRAME_IN_STEP;
    frame_zones.zone[0].lock.holder = 1;
    paddr_t frame;
    assert_int_equal(frame_try_alloc(FRAME_4K, &frame), MM_OK);
    assert_ptr_equal(frame_place_of(frame).zone, zone);
    frame_zones.zone[0].lock.holder = frame_zones.zone[0].keeper;
    cpu->section.busy = 0;
    assert_int_equal(in_reserve(0), FRAME_RESERVE - 1);
    fences = 0;
}

static void count_any_fence(void)
{
    fences++;
}

/* Its place can be filled only when that zone was taken away. */
static void what_a_handler_took_of_a_kept_zone_is_replaced(void **state)
{
    (void)state;
    start_far();
    host_on_fence = count_any_fence;
    paddr_t frame = frame_alloc(FRAME_4K);
    assert_ptr_equal(frame_place_of(frame).zone, &frame_zones.zone[0]);
    assert_int_equal(fences, 1);
    assert_int_equal(in_reserve(0), FRAME_RESERVE);
    take_past_the_block();
    assert_int_equal(fences, 1);
    end();
}

/* The same while CPU 0 is being stopped: so not now, but the next time. */
static void stop_me_too(void)
{
    if (++fences == 1)
        frame_cpus.cpu[0].section.stopped = 1;
}

static void a_place_is_filled_when_its_cpu_goes_on(void **state)
{
    (void)state;
    start_far();
    host_on_fence = stop_me_too;
    assert_int_not_equal(frame_alloc(FRAME_4K), PADDR_NONE);
    assert_int_equal(fences, 1);
    assert_int_equal(in_reserve(0), FRAME_RESERVE - 1);
    frame_cpus.cpu[0].section.stopped = 0;
    assert_int_not_equal(frame_alloc(FRAME_4K), PADDR_NONE);
    assert_int_equal(in_reserve(0), FRAME_RESERVE);
    end();
}

/* ---- A CPU that is stuck ---- */

/* All that is left of the first zone is with CPU 2; CPU 1 keeps the second, and
 * does not come out of its section. */
static void what_others_give_back_is_had(void **state)
{
    (void)state;
    start_two_zones(3);
    struct frame_zone *first = &frame_zones.zone[0];
    for (paddr_t at = 0; at < GIB; at += SIZE_2M)
        (void)!frame_reserve(at, FRAME_2M); /* which are whole */
    keep_second();
    platform_thread_cpu = 2;
    frame_cpus.cpu[2].home.small = 0;
    while (frame_zone_free(first) != 0)
        assert_in_range(frame_alloc(FRAME_4K), MIB, GIB);
    assert_false(frame_block_is_empty(&frame_cpus.cpu[2].alloc));
    platform_thread_cpu = 0;
    paddr_t frame;
    frame_cpus.cpu[1].section.busy = 1;
    assert_int_equal(frame_try_alloc(FRAME_4K, &frame), MM_OK);
    frame_cpus.cpu[1].section.busy = 0;
    assert_in_range(frame, MIB, GIB);
    assert_int_equal(zone->keeper, 2);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_keeper_is_asked_before_the_fence),
        cmocka_unit_test(another_keeper_is_asked_too),
        cmocka_unit_test(a_plain_lock_is_waited_for),
        cmocka_unit_test(a_handler_may_use_what_its_cpu_keeps),
        cmocka_unit_test(a_handler_leaves_a_step_alone),
        cmocka_unit_test(what_a_handler_took_of_a_kept_zone_is_replaced),
        cmocka_unit_test(a_place_is_filled_when_its_cpu_goes_on),
        cmocka_unit_test(what_others_give_back_is_had),
    };
    return cmocka_run_group_tests_name("frame_keep", tests, NULL, NULL);
}
