/* sources: mm/cpu/ */
/* sources: mm/frame/ mm/tree/ mm/map/memory_map.c mm/map/boot_frames.c */
/* sources: mm/error.c */
/* The protocol of mm/frame/percpu.h: what nested handlers, late CPUs and locks
 * that another CPU has cost, and that nothing is lost by any of it. */
#include "tests/host/platform_host.h"

#include <string.h>

#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/frame/percpu.h"

static struct memory_map map;

static void start(unsigned cpus, paddr_t end)
{
    host_cpu_count = cpus;
    platform_thread_cpu = 0;
    memory_map_init(&map, 46);
    assert_int_equal(memory_map_add(&map, 0, MIB, MEMORY_LOW), MM_OK);
    assert_int_equal(memory_map_add(&map, MIB, end - MIB, MEMORY_USABLE),
                     MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
}

static struct frame_stats stats(void)
{
    struct frame_stats now;
    frame_stats(&now);
    return now;
}

static uint64_t free_bytes(void)
{
    return stats().free_bytes;
}

/* All is as it was at `before`, and sound. */
static void check_same(struct frame_stats before)
{
    struct frame_stats now = stats();
    assert_memory_equal(&before, &now, sizeof(now));
    assert_true(frame_check());
}

static struct frame_cpu *cpu_number(unsigned cpu)
{
    return &frame_cpus.cpu[cpu];
}

/* As if CPU 0 were in the middle of a call that has every lock, or none. */
static void nest(bool locked)
{
    cpu_number(0)->section.busy = 1;
    for (unsigned i = 0; locked && i < frame_zones.count; i++)
        assert_true(cpu_lock_try(&frame_zones.zone[i].lock));
}

static void unnest(bool locked)
{
    for (unsigned i = 0; locked && i < frame_zones.count; i++)
        cpu_lock_release(&frame_zones.zone[i].lock);
    cpu_number(0)->section.busy = 0;
}

/* ---- Nested handlers ---- */

static void a_nested_call_goes_to_the_trees(void **state)
{
    (void)state;
    start(1, 64 * MIB);
    struct frame_stats before = stats();
    paddr_t small, large;
    nest(false);
    assert_int_equal(frame_try_alloc(FRAME_4K, &small), MM_OK);
    assert_int_equal(frame_try_alloc(FRAME_2M, &large), MM_OK);
    assert_int_equal(frame_free(small), MM_OK);
    assert_int_equal(frame_free(small), MM_NOT_HELD);
    assert_int_equal(frame_free(large + SIZE_4K), MM_INSIDE_LARGER);
    assert_int_equal(frame_free(large), MM_OK);
    assert_int_equal(frame_free(large), MM_NOT_HELD);
    assert_int_equal(frame_retire(small), MM_BUSY);
    unnest(false);
    check_same(before);
}

/* Takes what is in the slots; returns how many. */
static unsigned take_nested(paddr_t *frames)
{
    unsigned count = 0;
    while (frame_try_alloc(FRAME_4K, &frames[count]) == MM_OK)
        count++;
    assert_int_equal(frames[count], PADDR_NONE);
    return count;
}

/* The slots are filled by a call that goes to a tree, however often they were
 * emptied. */
static void slots_are_filled_again(void **state)
{
    (void)state;
    start(1, 64 * MIB);
    struct frame_stats before = stats();
    paddr_t frames[FRAME_SLOTS + 1], own;
    for (unsigned round = 0; round < 20; round++) {
        own = frame_alloc(FRAME_4K);
        assert_int_equal(frame_free(own), MM_OK);
        nest(true);
        assert_int_equal(take_nested(frames), FRAME_READY);
        for (unsigned i = 0; i < FRAME_READY; i++)
            assert_int_equal(frame_state(frames[i]), FRAME_HELD_4K);
        unnest(true);
        for (unsigned i = 0; i < FRAME_READY; i++)
            assert_int_equal(frame_free(frames[i]), MM_OK);
        check_same(before);
    }
}

static void what_a_nested_call_frees_has_a_place(void **state)
{
    (void)state;
    start(1, 64 * MIB);
    struct frame_stats before = stats();
    paddr_t small[FRAME_SLOTS + 1], large = frame_alloc(FRAME_2M);
    for (unsigned i = 0; i <= FRAME_SLOTS; i++)
        assert_int_equal(frame_try_alloc(FRAME_4K, &small[i]), MM_OK);
    (void)free_bytes(); /* the slots are empty */
    nest(true);
    assert_int_equal(frame_free(large), MM_OK);
    assert_int_equal(frame_free(large), MM_BUSY); /* a mistake needs the lock */
    for (unsigned i = 1; i < FRAME_SLOTS; i++)
        assert_int_equal(frame_free(small[i]), MM_OK);
    assert_int_equal(frame_free(small[0]), MM_BUSY);
    assert_int_equal(frame_free(small[FRAME_SLOTS]), MM_BUSY);
    unnest(true);
    assert_int_equal(frame_free(large), MM_NOT_HELD);
    for (unsigned i = 1; i < FRAME_SLOTS; i++)
        assert_int_equal(frame_free(small[i]), MM_NOT_HELD);
    assert_int_equal(frame_state(small[0]), FRAME_HELD_4K);
    assert_int_equal(frame_free(small[0]), MM_OK);
    assert_int_equal(frame_free(small[FRAME_SLOTS]), MM_OK);
    check_same(before);
}

/* Figures in the middle of a call are those of the call's begin. */
static void a_nested_call_counts_what_cpus_keep(void **state)
{
    (void)state;
    start(2, 3 * GIB);
    uint64_t all = free_bytes();
    for (unsigned i = 0; i < 3; i++) {
        paddr_t frame = frame_alloc(i == 2 ? FRAME_2M : FRAME_4K);
        assert_int_equal(frame_free(frame), MM_OK);
    }
    nest(false);
    assert_int_equal(free_bytes(), all);
    unnest(false);
    nest(true);
    assert_int_equal(free_bytes(), all);
    unnest(true);
    assert_int_equal(free_bytes(), all);
}

/* ---- Late CPUs, and locks that others have ---- */

/* A CPU that does not leave its section has what it has, and no more. */
static void a_late_cpu_costs_what_it_keeps(void **state)
{
    (void)state;
    start(2, 40 * MIB);
    uint64_t all = free_bytes() / SIZE_4K, count = 0;
    static paddr_t frames[40 * MIB / SIZE_4K];
    platform_thread_cpu = 1;
    paddr_t theirs = frame_alloc(FRAME_4K);
    assert_int_equal(frame_free(theirs), MM_OK);
    platform_thread_cpu = 0;
    uint64_t kept = frame_turn_kept();
    assert_true(kept > 0);
    cpu_number(1)->section.busy = 1;
    enum mm_error error;
    while ((error = frame_try_alloc(FRAME_4K, &frames[count])) == MM_OK)
        count++;
    assert_int_equal(error, MM_BUSY);
    assert_in_range(count, all - kept, all - 1);
    assert_int_equal(frame_free(theirs), MM_NOT_HELD);
    assert_int_equal(frame_reserve(theirs, FRAME_4K), MM_BUSY);
    assert_int_equal(frame_remove_range(theirs, theirs + SIZE_4K), MM_BUSY);
    cpu_number(1)->section.busy = 0;
    while ((error = frame_try_alloc(FRAME_4K, &frames[count])) == MM_OK)
        count++;
    assert_int_equal(error, MM_OUT_OF_MEMORY);
    assert_int_equal(count, all);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(frame_free(frames[i]), MM_OK);
    assert_int_equal(free_bytes() / SIZE_4K, all);
    assert_true(frame_check());
}

/* Another CPU has the lock of zone 0: frames come from the other zone, and
 * frees wait in the ring until it is full. */
static void a_zone_that_is_locked_is_left_alone(void **state)
{
    (void)state;
    start(2, 2 * GIB);
    struct frame_stats before = stats();
    paddr_t held[FRAME_RING + 2], other;
    for (unsigned i = 0; i < FRAME_RING + 2; i++)
        assert_int_equal(frame_reserve(16 * MIB + i * SIZE_2M, FRAME_4K),
                         MM_OK);
    platform_thread_cpu = 1;
    assert_true(cpu_lock_try(&frame_zones.zone[0].lock));
    platform_thread_cpu = 0;
    assert_int_equal(frame_try_alloc(FRAME_4K, &other), MM_OK);
    assert_true(other >= GIB);
    for (unsigned i = 0; i < FRAME_RING + 2; i++) {
        held[i] = 16 * MIB + i * SIZE_2M;
        assert_int_equal(frame_free(held[i]), i < FRAME_RING ? MM_OK : MM_BUSY);
    }
    assert_int_equal(frame_split(held[0]), MM_BUSY);
    assert_int_equal(frame_free(other), MM_OK);
    platform_thread_cpu = 1;
    cpu_lock_release(&frame_zones.zone[0].lock);
    platform_thread_cpu = 0;
    for (unsigned i = 0; i < FRAME_RING + 2; i++)
        assert_int_equal(frame_free(held[i]),
                         i < FRAME_RING ? MM_NOT_HELD : MM_OK);
    check_same(before);
}

/* Who cannot gather because another does for too long says so. */
static void a_gathering_that_does_not_end_is_told(void **state)
{
    (void)state;
    start(2, 40 * MIB);
    struct frame_stats before = stats();
    paddr_t none;
    platform_thread_cpu = 1;
    assert_true(cpu_lock_try(&frame_cpus.gather));
    platform_thread_cpu = 0;
    assert_int_equal(frame_try_alloc(FRAME_1G, &none), MM_BUSY);
    assert_int_equal(frame_retire(16 * MIB), MM_BUSY);
    assert_int_equal(frame_reserve(0x200000, FRAME_1G), MM_MISALIGNED);
    assert_int_equal(cpu_number(0)->section.busy, 0);
    platform_thread_cpu = 1;
    cpu_lock_release(&frame_cpus.gather);
    platform_thread_cpu = 0;
    assert_int_equal(frame_try_alloc(FRAME_1G, &none), MM_OUT_OF_MEMORY);
    check_same(before);
}

/* The last frames go to whoever asks, and are kept by nobody. */
static void the_last_frames_are_shared(void **state)
{
    (void)state;
    start(2, 40 * MIB);
    static paddr_t frames[40 * MIB / SIZE_4K];
    unsigned count = 0, fences = 0;
    while ((frames[count] = frame_alloc(FRAME_4K)) != PADDR_NONE)
        platform_thread_cpu = ++count % 2;
    for (unsigned i = 0; i < 200; i++) {
        platform_thread_cpu = i % 2;
        assert_int_equal(frame_free(frames[i]), MM_OK);
        assert_true(frame_turn_is_all_in_trees());
        assert_int_equal(frame_free(frames[i]), MM_NOT_HELD);
        platform_thread_cpu = 1 - i % 2;
        assert_int_equal(frame_alloc(FRAME_4K), frames[i]);
        fences += !frame_turn_is_all_in_trees();
    }
    assert_int_equal(fences, 0);
    platform_thread_cpu = 0;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(frame_free(frames[i]), MM_OK);
    assert_true(frame_check());
}

/* ---- What CPUs keep ---- */

/* Frames in block, ring, slots and large are nobody's, on every CPU. */
static void what_is_kept_cannot_be_freed(void **state)
{
    (void)state;
    start(2, 3 * GIB);
    struct frame_stats before = stats();
    paddr_t frames[40], large = frame_alloc(FRAME_2M);
    for (unsigned i = 0; i < 40; i++) {
        frames[i] = 64 * MIB + i * SIZE_2M + i * SIZE_4K;
        assert_int_equal(frame_reserve(frames[i], FRAME_4K), MM_OK);
    }
    paddr_t of_block = frame_alloc(FRAME_4K);
    assert_int_equal(frame_free(of_block), MM_OK);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(frame_free(frames[i]), MM_OK);
    assert_int_equal(frame_free(large), MM_OK);
    assert_int_equal(cpu_number(0)->ring_count, 40);
    assert_int_equal(cpu_number(0)->large[cpu_number(0)->large_count - 1],
                     large);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        platform_thread_cpu = cpu;
        for (unsigned i = 0; i < 40; i++) {
            assert_int_equal(frame_free(frames[i]), MM_NOT_HELD);
            assert_int_equal(frame_state(frames[i]), FRAME_AVAILABLE);
        }
        assert_int_equal(frame_free(of_block), MM_NOT_HELD);
        assert_int_equal(frame_free(large), MM_NOT_HELD);
        assert_int_equal(frame_free(large + SIZE_4K), MM_NOT_HELD);
        assert_int_equal(frame_split(large), MM_NOT_HELD);
        assert_int_equal(frame_state(large + SIZE_4K), FRAME_AVAILABLE);
    }
    platform_thread_cpu = 0;
    assert_int_equal(frame_reserve(frames[7], FRAME_4K), MM_OK);
    assert_int_equal(frame_free(frames[7]), MM_OK);
    check_same(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nested_call_goes_to_the_trees),
        cmocka_unit_test(slots_are_filled_again),
        cmocka_unit_test(what_a_nested_call_frees_has_a_place),
        cmocka_unit_test(a_nested_call_counts_what_cpus_keep),
        cmocka_unit_test(a_late_cpu_costs_what_it_keeps),
        cmocka_unit_test(a_zone_that_is_locked_is_left_alone),
        cmocka_unit_test(a_gathering_that_does_not_end_is_told),
        cmocka_unit_test(the_last_frames_are_shared),
        cmocka_unit_test(what_is_kept_cannot_be_freed),
    };
    return cmocka_run_group_tests_name("frame_percpu", tests, NULL, NULL);
}
