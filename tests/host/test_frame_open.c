/* sources: mm/cpu/ */
/* sources: mm/frame/ mm/tree/ mm/map/memory_map.c mm/map/boot_frames.c */
/* sources: mm/error.c */
/* Zones that are open (mm/frame/keep.c), step by step in one thread that plays
 * two CPUs; tests/host/test_frame_threads.c has them with threads. */
#include "tests/host/platform_host.h"

#include <stdlib.h>

#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/frame/cpu.h"

static struct memory_map map;

/* All 4Ks of the machine, in the order of their addresses, and a 2M; CPU 0 got
 * them.  What is freed is taken out of `all`. */
static paddr_t *all, large;
static size_t count;

/* A zone of 64 MiB for two CPUs, with nothing free in it. */
static struct frame_zone *start_full(void)
{
    host_cpu_count = 2;
    host_on_fence = NULL; /* of a test that failed */
    platform_thread_cpu = 0;
    memory_map_init(&map, 46);
    assert_int_equal(memory_map_add(&map, MIB, 63 * MIB, MEMORY_USABLE), MM_OK);
    assert_int_equal(memory_map_add(&map, 5 * MIB, 2 * SIZE_4K, MEMORY_MODULE),
                     MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
    assert_int_equal(frame_zones.count, 1);
    large = frame_alloc(FRAME_2M);
    assert_int_not_equal(large, PADDR_NONE);
    all = calloc(64 * MIB / SIZE_4K, sizeof(*all));
    assert_non_null(all);
    paddr_t frame;
    while ((frame = frame_alloc(FRAME_4K)) != PADDR_NONE)
        all[frame / SIZE_4K] = frame;
    count = 64 * MIB / SIZE_4K;
    return &frame_zones.zone[0];
}

static uint64_t free_frames(void)
{
    struct frame_stats stats;
    frame_stats(&stats);
    return stats.free_bytes / SIZE_4K;
}

/* The two CPUs take turns. */
static enum mm_error free_by_turns(paddr_t frame)
{
    platform_thread_cpu = 1 - platform_thread_cpu;
    return frame_free(frame);
}

static void free_number(size_t n)
{
    assert_int_not_equal(all[n], 0);
    assert_int_equal(free_by_turns(all[n]), MM_OK);
    all[n] = 0;
}

/* Frees frames here and there, but not of the 2Ms from number `from` on, until
 * the zone is open; how many. */
static size_t open_zone(struct frame_zone *zone, size_t from)
{
    size_t freed = 0;
    zone->open_shift = 0;
    for (size_t i = 0; !frame_is_open(zone); i++) {
        size_t n = i * 1187 % (from * FRAMES_PER_2M);
        assert_true(i < 20000);
        if (all[n] == 0)
            continue;
        free_number(n);
        freed++;
    }
    return freed;
}

/* All that is free can be had, and then nothing: so many 4Ks. */
static void take_the_rest(size_t wanted)
{
    platform_thread_cpu = 0;
    for (size_t i = 0; i < wanted; i++) {
        paddr_t frame = frame_alloc(FRAME_4K);
        assert_int_not_equal(frame, PADDR_NONE);
        assert_int_equal(all[frame / SIZE_4K], 0);
        all[frame / SIZE_4K] = frame;
    }
    assert_int_equal(frame_alloc(FRAME_4K), PADDR_NONE);
    assert_true(frame_check());
}

static void end(void)
{
    free(all);
    host_cpu_count = 1;
    platform_thread_cpu = 0;
}

static void frees_by_turns_open_a_zone(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = open_zone(zone, 24);
    uint64_t counted = frame_zone_free(zone);
    assert_true(counted <= freed);

    /* without its lock, and so not in its count: but not lost */
    uint32_t lock = zone->lock.holder;
    zone->lock.holder = 3;
    size_t by_others = 0;
    for (size_t i = 0; by_others < 20; i++) {
        size_t n = (12 + i % 8) * FRAMES_PER_2M + 1 + i / 8 * 3;
        uint64_t word = zone->tree.free_4k->words[n / 64];
        if (all[n] == 0 || word == 0 || zone->kept[n / FRAMES_PER_2M] != 0)
            continue;
        free_number(n);
        assert_int_equal(zone->tree.free_4k->words[n / 64],
                         word | UINT64_C(1) << n % 64);
        by_others++;
    }
    zone->lock.holder = lock;
    assert_true(frame_is_open(zone));
    assert_int_equal(frame_zone_free(zone), counted);
    assert_int_equal(free_frames(), freed + by_others);
    assert_false(frame_is_open(zone));
    assert_true(frame_zone_free(zone) >= freed + by_others);
    take_the_rest(freed + by_others);
    end();
}

/* What is not counted yet is found, though the count says that there is none.
 */
static void an_open_zone_is_asked_before_memory_is_out(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = open_zone(zone, 24);
    frame_zone_add_free(zone, -(int64_t)frame_zone_free(zone));
    uint64_t counted = 0;
    for (unsigned c = 0; c < 2; c++)
        counted += frame_cpus.cpu[c].freed[0];
    frame_cpus.cpu[0].freed[0] += (uint32_t)(freed - counted);
    take_the_rest(freed);
    end();
}

/* The first frame of a 2M, each word's first and last, and the last of all. */
static void a_2m_becomes_whole_in_an_open_zone(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = open_zone(zone, 20);
    for (size_t k = 0; k < FRAMES_PER_2M; k++)
        for (size_t i = 22; i < 25; i++) { /* none twice in a row */
            size_t n = i * FRAMES_PER_2M + k * 77 % FRAMES_PER_2M;
            assert_int_equal(zone->kept[i], 0);
            free_number(n);
            freed++;
            assert_true(frame_is_open(zone));
        }
    assert_int_equal(free_frames(), freed);
    assert_true(frame_check());
    paddr_t whole[4];
    for (unsigned i = 0; i < 4; i++)
        whole[i] = frame_alloc(FRAME_2M);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(whole[i], (24 - i) * SIZE_2M);
    assert_int_equal(whole[3], PADDR_NONE);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(frame_free(whole[i]), MM_OK);
    take_the_rest(freed);
    end();
}

static void an_open_zone_refuses_what_cannot_be(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = open_zone(zone, 24);
    const struct {
        paddr_t frame;
        enum mm_error error;
    } wrong[] = {
        {large + SIZE_4K, MM_INSIDE_LARGER},
        {5 * MIB, MM_RESERVED},
        {6 * MIB + 1, MM_MISALIGNED},
        {large + 1, MM_MISALIGNED},
        {70 * MIB, MM_RESERVED}, /* of the same GiB, but no RAM */
    };
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        freed += open_zone(zone, 24);
        assert_int_equal(free_by_turns(wrong[i].frame), wrong[i].error);
    }
    for (unsigned i = 0; i < 50; i++) {
        freed += open_zone(zone, 24);
        size_t n = 1;
        while (all[n] == 0 || zone->kept[n / FRAMES_PER_2M] != 0)
            n++;
        paddr_t frame = all[n];
        free_number(n);
        freed++;
        for (unsigned c = 0; c < 2; c++)
            assert_int_equal(free_by_turns(frame), MM_NOT_HELD);
    }
    freed += open_zone(zone, 24);
    assert_int_equal(free_by_turns(large), MM_OK);
    assert_int_equal(free_by_turns(large), MM_NOT_HELD);
    assert_int_equal(free_frames(), freed + FRAMES_PER_2M);
    assert_true(frame_check());
    take_the_rest(freed + FRAMES_PER_2M);
    end();
}

/* A frame that is to be taken out for good is, also when it is freed where
 * nobody has the lock. */
static void broken_memory_is_caught_in_an_open_zone(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = open_zone(zone, 24);
    size_t n = 20 * FRAMES_PER_2M + 3;
    while (all[n] == 0)
        n++;
    assert_int_equal(frame_retire(all[n]), MM_STILL_HELD);
    freed += open_zone(zone, 20);
    paddr_t broken = all[n];
    free_number(n);
    assert_int_equal(frame_state(broken), FRAME_HELD_4K);
    assert_int_equal(frame_free(broken), MM_RESERVED);
    assert_int_equal(free_frames(), freed);
    take_the_rest(freed);
    end();
}

/* What a CPU keeps is free to all, also where nobody has the lock. */
static void what_is_kept_in_an_open_zone_is_free(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t n = 20 * FRAMES_PER_2M + 3;
    paddr_t kept = all[n];
    frame_cpus.cpu[0].ready_pause = 0;
    platform_thread_cpu = 1;
    free_number(n); /* by CPU 0, in whose block it is now */
    assert_int_equal(zone->kept[20], 1);
    size_t freed = 1 + open_zone(zone, 20);
    assert_int_equal(zone->kept[20], 1);
    for (unsigned i = 1; i < 5; i++) {
        platform_thread_cpu = 0;
        free_number(n + i); /* of the same word, by CPU 1: to the tree */
        free_number(n + (1 + i % 2 * 2) * FRAMES_PER_2M + i);
        free_number(n + 2 * FRAMES_PER_2M + i); /* no third in a row */
        freed += 3;
    }
    assert_true(frame_is_open(zone));
    for (unsigned c = 0; c < 2; c++)
        assert_int_equal(free_by_turns(kept), MM_NOT_HELD);
    assert_int_equal(free_frames(), freed);
    take_the_rest(freed);
    end();
}

/* In the middle of a section it cannot be closed: the frame is put aside. */
static void a_handler_in_an_open_zone_puts_aside(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = open_zone(zone, 24);
    size_t n = 22 * FRAMES_PER_2M + 3;
    while (all[n] == 0)
        n++;
    struct frame_cpu *cpu = &frame_cpus.cpu[0];
    platform_thread_cpu = 0;
    cpu->section.busy = 1;
    assert_int_equal(frame_free(all[n]), MM_OK);
    cpu->section.busy = 0;
    all[n] = 0;
    assert_true(cpu->has_deferred);
    assert_true(frame_is_open(zone));
    take_the_rest(freed + 1);
    end();
}

/* A CPU that does not come out of its section: the zone stays open, and who
 * wants more of it is told. */
static void a_zone_that_cannot_be_closed_is_left_alone(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = open_zone(zone, 24);
    struct frame_cpu *stuck = &frame_cpus.cpu[1];
    stuck->section.busy = 1;
    platform_thread_cpu = 0;
    paddr_t frame;
    assert_int_equal(frame_try_alloc(FRAME_4K, &frame), MM_BUSY);
    assert_int_equal(frame, PADDR_NONE);
    assert_true(frame_is_open(zone));
    stuck->section.busy = 0;
    take_the_rest(freed);
    end();
}

/* ---- Handlers, and zones that cannot be closed ---- */

static unsigned in_reserve(unsigned c)
{
    unsigned found = 0;
    for (unsigned r = 0; r < FRAME_RESERVE; r++)
        found += frame_cpus.cpu[c].reserve[r] != PADDR_NONE;
    return found;
}

/* That CPU frees some of 2M number i, in a row, and has handlers' frames of it
 * then; how many are free. */
static size_t fill_reserve(unsigned c, size_t i)
{
    size_t first = i * FRAMES_PER_2M, freed = 0;
    platform_thread_cpu = c;
    for (size_t n = first; n < first + 64; n++) {
        if (all[n] == 0)
            continue;
        assert_int_equal(frame_free(all[n]), MM_OK);
        all[n] = 0;
        freed++;
    }
    paddr_t frame = frame_alloc(FRAME_4K);
    assert_int_not_equal(frame, PADDR_NONE);
    assert_int_equal(frame_free(frame), MM_OK);
    assert_int_equal(in_reserve(c), FRAME_RESERVE);
    return freed;
}

/* All of CPU 0's block, and one more, which a tree has to give; how many. */
static size_t take_past_the_block(void)
{
    size_t taken = 0;
    platform_thread_cpu = 0;
    for (bool last = false; !last; taken++) {
        last = frame_block_is_empty(&frame_cpus.cpu[0].alloc);
        paddr_t frame = frame_alloc(FRAME_4K);
        assert_int_not_equal(frame, PADDR_NONE);
        assert_int_equal(all[frame / SIZE_4K], 0);
        all[frame / SIZE_4K] = frame;
    }
    return taken;
}

/* As a handler of CPU 0 in the middle of a step in its zone: one of the stock.
 */
static void take_as_a_handler(struct frame_zone *zone)
{
    struct frame_cpu *cpu = &frame_cpus.cpu[0];
    uint32_t holder = zone->lock.holder;
    platform_thread_cpu = 0;
    cpu->section.busy = FRAME_IN_STEP;
    zone->lock.holder = 1;
    unsigned before = in_reserve(0);
    paddr_t frame;
    assert_int_equal(frame_try_alloc(FRAME_4K, &frame), MM_OK);
    zone->lock.holder = holder;
    cpu->section.busy = 0;
    assert_int_equal(in_reserve(0), before - 1);
    assert_int_equal(all[frame / SIZE_4K], 0);
    all[frame / SIZE_4K] = frame;
}

/* A handler in the middle of its CPU's section cannot close the zone, and so
 * cannot give back what another CPU has for handlers: that one keeps it. */
static void what_cannot_be_given_back_stays(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = fill_reserve(1, 26) + open_zone(zone, 24);
    struct frame_cpu *cpu = &frame_cpus.cpu[0];
    const enum frame_size sizes[] = {FRAME_4K, FRAME_2M, FRAME_1G};
    platform_thread_cpu = 0;
    cpu->section.busy = 1;
    for (unsigned i = 0; i < 3; i++) {
        paddr_t frame;
        assert_int_equal(frame_try_alloc(sizes[i], &frame), MM_BUSY);
        assert_int_equal(frame, PADDR_NONE);
        assert_int_equal(in_reserve(1), FRAME_RESERVE);
        assert_int_equal(cpu->section.busy, 1);
        assert_int_equal(cpu->section.stopped, 0);
        assert_int_equal(frame_cpus.cpu[1].section.stopped, 0);
    }
    cpu->section.busy = 0;
    assert_true(frame_is_open(zone));
    take_the_rest(freed);
    end();
}

/* The same for an ordinary call while another CPU is stuck: it takes its own.
 */
static void a_stuck_cpu_costs_no_frame(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = fill_reserve(0, 26);
    freed += open_zone(zone, 24);
    struct frame_cpu *stuck = &frame_cpus.cpu[1];
    while (!frame_block_is_empty(&frame_cpus.cpu[0].alloc)) {
        platform_thread_cpu = 0;
        paddr_t frame = frame_alloc(FRAME_4K);
        all[frame / SIZE_4K] = frame;
        freed--;
    }
    assert_true(frame_is_open(zone));
    assert_int_equal(in_reserve(0), FRAME_RESERVE);
    stuck->section.busy = 1;
    platform_thread_cpu = 0;
    paddr_t frame;
    assert_int_equal(frame_try_alloc(FRAME_4K, &frame), MM_OK);
    stuck->section.busy = 0;
    assert_int_equal(all[frame / SIZE_4K], 0);
    all[frame / SIZE_4K] = frame;
    assert_int_equal(in_reserve(0), FRAME_RESERVE - 1);
    take_the_rest(freed - 1);
    end();
}

static unsigned fences;
static paddr_t of_handler;
static enum mm_error told_handler;

/* At the first fence a handler of CPU 0 frees one more; CPU 1 is stuck until
 * the second. */
static void free_in_a_handler(void)
{
    fences++;
    if (fences == 1)
        told_handler = frame_free(of_handler);
    else
        frame_cpus.cpu[1].section.busy = 0;
}

/* A frame that waits to be freed has its place until it is. */
static void a_frame_put_aside_has_a_place(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = open_zone(zone, 20), n = 22 * FRAMES_PER_2M;
    struct frame_cpu *cpu = &frame_cpus.cpu[0];
    platform_thread_cpu = 0;
    cpu->section.busy = 1;
    for (unsigned i = 0; i < FRAME_DEFERRED; n += 77) {
        if (all[n] == 0)
            continue;
        assert_int_equal(frame_free(all[n]), MM_OK);
        all[n] = 0;
        i++;
    }
    assert_int_equal(frame_free(all[n]), MM_BUSY);
    cpu->section.busy = 0;
    of_handler = all[n];
    fences = 0;
    unsigned logged = host_log_lines;
    frame_cpus.cpu[1].section.busy = 1;
    host_on_fence = free_in_a_handler;
    frame_free_deferred(cpu); /* as at the end of any call */
    assert_true(fences >= 2);
    assert_int_equal(told_handler, MM_BUSY);
    host_on_fence = NULL;
    frame_free_deferred(cpu); /* what could not be freed before */
    assert_false(cpu->has_deferred);
    assert_int_equal(host_log_lines, logged);
    take_the_rest(freed + FRAME_DEFERRED);
    end();
}

/* A handler takes one while no zone can be had; and calls of its CPU, which
 * find the zone open, fill the place again. */
static void what_a_handler_took_is_replaced(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = fill_reserve(0, 26);
    for (unsigned round = 0; round < 2 * FRAME_RESERVE; round++) {
        zone->open_shift = 0;
        if (!frame_is_open(zone))
            freed += open_zone(zone, 24);
        take_as_a_handler(zone);
        assert_true(frame_is_open(zone));
        freed -= 1 + take_past_the_block();
        assert_int_equal(in_reserve(0), FRAME_RESERVE);
    }
    take_the_rest(freed);
    end();
}

/* Where memory is worn no 2M has many free frames: single ones fill the place,
 * after a handler took one and after all was given back. */
static void single_frames_fill_the_stock(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = 0;
    for (size_t k = 5; k < FRAMES_PER_2M; k += 77)
        for (size_t i = 3; i < 26; i++) { /* none twice in a row */
            free_number(i * FRAMES_PER_2M + k);
            freed++;
        }
    platform_thread_cpu = 0;
    for (unsigned round = 0; round < 4; round++) {
        assert_int_equal(free_frames(), freed); /* given back for that */
        assert_int_equal(in_reserve(0), 0);
        freed -= take_past_the_block();
        assert_false(frame_is_open(zone));
        assert_int_equal(in_reserve(0), FRAME_RESERVE);
        assert_true(frame_check());
        take_as_a_handler(zone);
        freed -= 1 + take_past_the_block();
        assert_int_equal(in_reserve(0), FRAME_RESERVE);
    }
    take_the_rest(freed);
    end();
}

/* A handler that cannot close the zone counts what is there all the same. */
static void a_handler_counts_an_open_zone(void **state)
{
    (void)state;
    struct frame_zone *zone = start_full();
    size_t freed = fill_reserve(1, 26);
    freed += open_zone(zone, 20);
    for (size_t k = 0; k < 300; k++)
        for (size_t i = 22; i < 25; i++) { /* none twice in a row */
            free_number(i * FRAMES_PER_2M + k * 77 % FRAMES_PER_2M);
            freed++;
        }
    assert_true(frame_is_open(zone));
    assert_true(frame_zone_free(zone) < freed);
    struct frame_cpu *cpu = &frame_cpus.cpu[0];
    platform_thread_cpu = 0;
    for (uint32_t busy = FRAME_IN_STEP; busy > 0; busy--) {
        struct frame_stats stats;
        cpu->section.busy = busy;
        frame_stats(&stats);
        cpu->section.busy = 0;
        assert_true(frame_is_open(zone));
        assert_int_equal(stats.free_bytes, freed * SIZE_4K);
        assert_int_equal(
            stats.free[FRAME_4K] + stats.free[FRAME_2M] * FRAMES_PER_2M, freed);
        assert_true(stats.unusable_bytes[FRAME_2M] <= stats.free_bytes);
    }
    assert_int_equal(free_frames(), freed);
    take_the_rest(freed);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frees_by_turns_open_a_zone),
        cmocka_unit_test(an_open_zone_is_asked_before_memory_is_out),
        cmocka_unit_test(a_2m_becomes_whole_in_an_open_zone),
        cmocka_unit_test(an_open_zone_refuses_what_cannot_be),
        cmocka_unit_test(broken_memory_is_caught_in_an_open_zone),
        cmocka_unit_test(what_is_kept_in_an_open_zone_is_free),
        cmocka_unit_test(a_handler_in_an_open_zone_puts_aside),
        cmocka_unit_test(a_zone_that_cannot_be_closed_is_left_alone),
        cmocka_unit_test(what_cannot_be_given_back_stays),
        cmocka_unit_test(a_stuck_cpu_costs_no_frame),
        cmocka_unit_test(a_frame_put_aside_has_a_place),
        cmocka_unit_test(what_a_handler_took_is_replaced),
        cmocka_unit_test(single_frames_fill_the_stock),
        cmocka_unit_test(a_handler_counts_an_open_zone),
    };
    return cmocka_run_group_tests_name("frame_open", tests, NULL, NULL);
}
