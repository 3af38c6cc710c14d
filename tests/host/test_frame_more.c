/* sources: mm/cpu/ */
/* sources: mm/frame/ mm/tree/ mm/map/memory_map.c mm/map/boot_frames.c */
/* sources: mm/error.c */
/* What mm/frame.h does beside allocating and freeing: given frames, runs,
 * parts, limits, batches, memory that comes and goes, and figures of it all. */
#include "tests/host/platform_host.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bits.h"
#include "mm/frame.h"

static struct memory_map map;

/* 1 MiB to end, with a module from 5 MiB on that is two pages long. */
static void start_for(unsigned cpus, paddr_t end)
{
    host_cpu_count = cpus;
    memory_map_init(&map, 46);
    assert_int_equal(memory_map_add(&map, 0, MIB, MEMORY_LOW), MM_OK);
    assert_int_equal(memory_map_add(&map, MIB, end - MIB, MEMORY_USABLE),
                     MM_OK);
    assert_int_equal(memory_map_add(&map, 5 * MIB, 2 * SIZE_4K, MEMORY_MODULE),
                     MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
}

static void start(paddr_t end)
{
    start_for(1, end);
}

static struct frame_stats stats(void)
{
    struct frame_stats now;
    frame_stats(&now);
    return now;
}

/* All is as it was at `before`, and sound. */
static void check_same(struct frame_stats before)
{
    struct frame_stats now = stats();
    assert_memory_equal(&before, &now, sizeof(now));
    assert_true(frame_check());
}

static void a_given_frame_is_reserved(void **state)
{
    (void)state;
    start(3 * GIB);
    struct frame_stats before = stats();
    /* out of a whole GiB, a whole 2M, a split 2M; one that this CPU keeps */
    const paddr_t at[] = {2 * GIB + 77 * SIZE_4K, 2 * GIB + 6 * MIB,
                          2 * GIB + 78 * SIZE_4K, 2 * GIB + 8 * MIB + SIZE_4K};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(frame_reserve(at[i], FRAME_4K), MM_OK);
        assert_int_equal(frame_state(at[i]), FRAME_HELD_4K);
        assert_int_equal(frame_reserve(at[i], FRAME_4K), MM_NOT_FREE);
    }
    assert_int_equal(frame_reserve(2 * GIB, FRAME_1G), MM_NOT_FREE);
    assert_int_equal(frame_reserve(2 * GIB, FRAME_2M), MM_NOT_FREE);
    assert_int_equal(frame_reserve(2 * GIB + 4 * MIB, FRAME_2M), MM_OK);
    assert_int_equal(frame_reserve(2 * GIB + 4 * MIB, FRAME_4K), MM_NOT_FREE);
    assert_int_equal(frame_reserve(GIB, FRAME_1G), MM_OK);
    assert_true(frame_check());
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(frame_free(at[i]), MM_OK);
    assert_int_equal(frame_free(2 * GIB + 4 * MIB), MM_OK);
    assert_int_equal(frame_free(GIB), MM_OK);
    check_same(before);

    paddr_t kept = frame_alloc(FRAME_4K);
    assert_int_equal(frame_free(kept), MM_OK);
    assert_int_equal(frame_reserve(kept, FRAME_4K), MM_OK);
    assert_int_equal(frame_free(kept), MM_OK);
    paddr_t large = frame_alloc(FRAME_2M);
    assert_int_equal(frame_free(large), MM_OK);
    assert_int_equal(frame_reserve(large, FRAME_2M), MM_OK);
    assert_int_equal(frame_free(large), MM_OK);
    check_same(before);
}

static void a_frame_that_cannot_be_reserved_has_a_reason(void **state)
{
    (void)state;
    start(64 * MIB);
    struct frame_stats before = stats();
    assert_int_equal(frame_reserve(6 * MIB + 1, FRAME_4K), MM_MISALIGNED);
    assert_int_equal(frame_reserve(6 * MIB + SIZE_4K, FRAME_2M), MM_MISALIGNED);
    assert_int_equal(frame_reserve(5 * MIB, FRAME_4K), MM_RESERVED);
    assert_int_equal(frame_reserve(4 * MIB, FRAME_2M), MM_NOT_FREE);
    assert_int_equal(frame_reserve(9 * GIB, FRAME_1G), MM_OUT_OF_RANGE);
    assert_int_equal(frame_reserve(6 * MIB, (enum frame_size)3),
                     MM_BAD_ARGUMENT);
    check_same(before);
}

static void a_held_frame_is_split(void **state)
{
    (void)state;
    start(3 * GIB);
    struct frame_stats before = stats();
    paddr_t large = frame_alloc(FRAME_1G);
    assert_int_equal(frame_split(large + SIZE_2M), MM_INSIDE_LARGER);
    assert_int_equal(frame_split(large), MM_OK);
    assert_true(frame_check());
    for (paddr_t p = large; p < large + SIZE_1G; p += SIZE_2M)
        assert_int_equal(frame_state(p), FRAME_HELD_2M);
    assert_int_equal(frame_split(large + 6 * MIB), MM_OK);
    for (paddr_t p = large + 6 * MIB; p < large + 8 * MIB; p += SIZE_4K) {
        assert_int_equal(frame_state(p), FRAME_HELD_4K);
        assert_int_equal(frame_free(p), MM_OK);
        assert_int_equal(frame_free(p), MM_NOT_HELD);
    }
    assert_int_equal(frame_split(large + 6 * MIB), MM_NOT_HELD);
    assert_true(frame_check());
    for (paddr_t p = large; p < large + SIZE_1G; p += SIZE_2M)
        if (p != large + 6 * MIB)
            assert_int_equal(frame_free(p), MM_OK);
    check_same(before);
    paddr_t small = frame_alloc(FRAME_4K);
    assert_int_equal(frame_split(small), MM_TOO_SMALL);
    assert_int_equal(frame_split(small + 1), MM_MISALIGNED);
    assert_int_equal(frame_split(5 * MIB), MM_RESERVED);
    assert_int_equal(frame_split(TIB), MM_OUT_OF_RANGE);
    assert_int_equal(frame_free(small), MM_OK);
    check_same(before);
}

static void frames_below_a_limit(void **state)
{
    (void)state;
    start(6 * GIB);
    struct frame_stats before = stats();
    paddr_t frame, second;
    assert_int_equal(frame_alloc_below(FRAME_4K, MIB, &frame), MM_OK);
    assert_int_equal(frame, SIZE_4K); /* page 0 is nobody's */
    assert_int_equal(frame_alloc_below(FRAME_4K, 3 * SIZE_4K, &second), MM_OK);
    assert_int_equal(second, 2 * SIZE_4K);
    assert_int_equal(frame_free(second), MM_OK);
    assert_int_equal(frame_free(second), MM_NOT_HELD);
    assert_int_equal(frame_alloc_below(FRAME_4K, 2 * SIZE_4K, &second),
                     MM_OUT_OF_MEMORY);
    assert_int_equal(second, PADDR_NONE);
    assert_int_equal(frame_free(frame), MM_OK);
    assert_int_equal(frame_free(0), MM_RESERVED);

    assert_int_equal(frame_alloc_below(FRAME_4K, 2 * MIB, &frame), MM_OK);
    assert_in_range(frame, MIB, 2 * MIB - SIZE_4K);
    assert_int_equal(frame_free(frame), MM_OK);
    for (unsigned size = FRAME_4K; size <= FRAME_1G; size++) {
        assert_int_equal(frame_alloc_below(size, 4 * GIB, &frame), MM_OK);
        assert_true(is_aligned(frame, frame_bytes(size)));
        assert_true(frame + frame_bytes(size) <= 4 * GIB);
        assert_int_equal(frame_free(frame), MM_OK);
    }
    assert_int_equal(frame_alloc_below(FRAME_1G, 2 * GIB - 1, &frame),
                     MM_OUT_OF_MEMORY);
    assert_int_equal(frame_alloc_below(3, 2 * GIB, &frame), MM_BAD_ARGUMENT);
    check_same(before);

    /* until nothing is left there: each lies below, and then all do */
    uint64_t count = 0;
    while (frame_alloc_below(FRAME_4K, 40 * MIB, &frame) == MM_OK) {
        assert_true(frame < 40 * MIB);
        count++;
    }
    assert_int_equal(count, 255 + (39 * MIB - 2 * SIZE_4K) / SIZE_4K);
    assert_true(frame_check());
}

static void runs_of_every_order(void **state)
{
    (void)state;
    start(64 * MIB);
    struct frame_stats before = stats();
    for (unsigned order = 0; order <= FRAME_RUN_ORDER; order++) {
        static paddr_t run[20000];
        unsigned count = 0;
        while (frame_alloc_run(order, &run[count]) == MM_OK) {
            assert_true(is_aligned(run[count], SIZE_4K << order));
            for (unsigned n = 0; n < 1u << order; n++)
                assert_int_equal(frame_state(run[count] + n * SIZE_4K),
                                 FRAME_HELD_4K);
            count++;
        }
        assert_true(frame_check());
        /* what is left has no such run */
        uint64_t left = stats().free_bytes / SIZE_4K;
        assert_int_equal(left, before.free_bytes / SIZE_4K - (count << order));
        assert_true(order > 0 || left == 0);
        assert_true(count << order > 15000);
        for (unsigned i = 0; i < count; i++)
            if (i % 3 != 0) {
                assert_int_equal(frame_free_run(run[i], order), MM_OK);
                assert_int_equal(frame_free_run(run[i], order), MM_NOT_HELD);
            } else {
                for (unsigned n = 0; n < 1u << order; n++)
                    assert_int_equal(frame_free(run[i] + n * SIZE_4K), MM_OK);
            }
        check_same(before);
    }
}

static void a_run_that_cannot_be_has_a_reason(void **state)
{
    (void)state;
    start(64 * MIB);
    struct frame_stats before = stats();
    paddr_t run;
    assert_int_equal(frame_alloc_run(9, &run), MM_BAD_ARGUMENT);
    assert_int_equal(run, PADDR_NONE);
    assert_int_equal(frame_free_run(8 * MIB, 9), MM_BAD_ARGUMENT);
    assert_int_equal(frame_free_run(8 * MIB + SIZE_4K, 1), MM_MISALIGNED);
    assert_int_equal(frame_free_run(TIB, 1), MM_OUT_OF_RANGE);
    assert_int_equal(frame_free_run(5 * MIB, 3), MM_RESERVED);
    assert_int_equal(frame_alloc_run(3, &run), MM_OK);
    assert_int_equal(frame_free(run + 3 * SIZE_4K), MM_OK);
    /* a part of it is free: nothing is freed */
    assert_int_equal(frame_free_run(run, 3), MM_NOT_HELD);
    assert_int_equal(frame_reserve(run + 3 * SIZE_4K, FRAME_4K), MM_OK);
    assert_int_equal(frame_free_run(run, 3), MM_OK);
    paddr_t large = frame_alloc(FRAME_2M);
    assert_int_equal(frame_free_run(large, 2), MM_INSIDE_LARGER);
    assert_int_equal(frame_free(large), MM_OK);
    check_same(before);
}

static void many_at_once(void **state)
{
    (void)state;
    start(64 * MIB);
    struct frame_stats before = stats();
    static paddr_t frames[20000];
    assert_int_equal(frame_alloc_many(FRAME_4K, 0, frames), 0);
    size_t count = frame_alloc_many(FRAME_4K, 20000, frames), freed;
    assert_int_equal(count, before.free_bytes / SIZE_4K);
    uint8_t *seen = calloc(64 * MIB / SIZE_4K, 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(seen[frames[i] / SIZE_4K]++, 0);
    free(seen);
    assert_true(frame_check());
    assert_int_equal(frame_free_many(count, frames, &freed), MM_OK);
    assert_int_equal(freed, count);
    check_same(before);

    count = frame_alloc_many(FRAME_2M, 5, frames);
    assert_int_equal(count, 5);
    frames[5] = frames[2];
    assert_int_equal(frame_free_many(6, frames, &freed), MM_NOT_HELD);
    assert_int_equal(freed, 5);
    assert_int_equal(frame_alloc_many((enum frame_size)7, 5, frames), 0);
    check_same(before);
}

static void zeroed_frames_are(void **state)
{
    (void)state;
    start(64 * MIB);
    struct frame_stats before = stats();
    for (unsigned size = FRAME_4K; size <= FRAME_2M; size++) {
        paddr_t frame = frame_alloc(size);
        memset(phys_to_virt(frame), 0xa5, frame_bytes(size));
        assert_int_equal(frame_free(frame), MM_OK);
        paddr_t zeroed = frame_alloc_zeroed(size);
        assert_int_equal(zeroed, frame);
        const unsigned char *bytes = phys_to_virt(zeroed);
        for (uint64_t i = 0; i < frame_bytes(size); i++)
            assert_int_equal(bytes[i], 0);
        assert_int_equal(frame_free(zeroed), MM_OK);
    }
    assert_int_equal(frame_alloc_zeroed(FRAME_1G), PADDR_NONE);
    check_same(before);
}

/* ---- Broken memory ---- */

static void a_free_frame_is_retired_at_once(void **state)
{
    (void)state;
    start(64 * MIB);
    struct frame_stats before = stats();
    paddr_t kept = frame_alloc(FRAME_4K);
    assert_int_equal(frame_free(kept), MM_OK);
    const paddr_t bad[] = {20 * MIB + 5 * SIZE_4K, kept};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(frame_retire(bad[i]), MM_OK);
        assert_int_equal(frame_retire(bad[i]), MM_RESERVED);
        assert_int_equal(frame_free(bad[i]), MM_RESERVED);
        assert_int_equal(frame_reserve(bad[i], FRAME_4K), MM_RESERVED);
    }
    assert_int_equal(frame_retire(5 * MIB), MM_RESERVED);
    assert_int_equal(frame_retire(8 * MIB + 1), MM_MISALIGNED);
    assert_int_equal(frame_retire(TIB), MM_OUT_OF_RANGE);
    struct frame_stats after = stats();
    assert_int_equal(after.retired, 2);
    assert_int_equal(after.free_bytes, before.free_bytes - 2 * SIZE_4K);
    assert_int_equal(after.managed_bytes, before.managed_bytes - 2 * SIZE_4K);
    for (paddr_t frame; (frame = frame_alloc(FRAME_4K)) != PADDR_NONE;)
        assert_true(frame != bad[0] && frame != bad[1]);
    assert_true(frame_check());
}

static void a_held_frame_is_retired_when_it_is_freed(void **state)
{
    (void)state;
    start(3 * GIB);
    struct frame_stats before = stats();
    /* in a held 4K, 2M and 1G, and in a run */
    paddr_t held[4] = {frame_alloc(FRAME_4K), frame_alloc(FRAME_2M),
                       frame_alloc(FRAME_1G)};
    assert_int_equal(frame_alloc_run(4, &held[3]), MM_OK);
    const paddr_t bad[4] = {held[0], held[1] + 9 * SIZE_4K, held[2] + 77 * MIB,
                            held[3] + 15 * SIZE_4K};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(frame_retire(bad[i]), MM_STILL_HELD);
        assert_int_equal(frame_retire(bad[i]), MM_STILL_HELD);
    }
    assert_int_equal(stats().to_retire, 4);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(frame_free(held[i]), MM_OK);
    assert_int_equal(frame_free_run(held[3], 4), MM_OK);
    struct frame_stats after = stats();
    assert_int_equal(after.to_retire, 0);
    assert_int_equal(after.retired, 4);
    assert_int_equal(after.free_bytes, before.free_bytes - 4 * SIZE_4K);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(frame_free(bad[i]), MM_RESERVED);
        assert_int_equal(frame_reserve(bad[i], FRAME_4K), MM_RESERVED);
        assert_int_equal(frame_state(bad[i]), FRAME_HELD_4K);
    }
    assert_true(frame_check());
}

/* ---- Memory that comes and goes ---- */

static void a_reserved_range_is_added(void **state)
{
    (void)state;
    start(64 * MIB);
    struct frame_stats before = stats();
    assert_int_equal(frame_add_range(5 * MIB, 5 * MIB + 2 * SIZE_4K), MM_OK);
    struct frame_stats after = stats();
    assert_int_equal(after.free_bytes, before.free_bytes + 2 * SIZE_4K);
    /* it was all that kept this 2M apart */
    assert_int_equal(after.free[FRAME_2M], before.free[FRAME_2M] + 1);
    assert_true(frame_check());
    assert_int_equal(frame_add_range(5 * MIB, 5 * MIB + 2 * SIZE_4K),
                     MM_OVERLAP);
    assert_int_equal(frame_reserve(5 * MIB, FRAME_4K), MM_OK);
    assert_int_equal(frame_remove_range(5 * MIB, 5 * MIB + 2 * SIZE_4K),
                     MM_NOT_FREE);
    assert_int_equal(frame_free(5 * MIB), MM_OK);
    assert_int_equal(frame_free(5 * MIB), MM_NOT_HELD);
    assert_int_equal(frame_remove_range(5 * MIB, 5 * MIB + 2 * SIZE_4K), MM_OK);
    assert_int_equal(frame_free(5 * MIB), MM_RESERVED);
    check_same(before);
}

static void a_free_range_is_taken_back(void **state)
{
    (void)state;
    start(3 * GIB);
    struct frame_stats before = stats();
    paddr_t from = GIB - 6 * MIB - SIZE_4K, to = 2 * GIB + 3 * SIZE_4K;
    paddr_t inside = frame_alloc(FRAME_4K);
    assert_int_equal(frame_remove_range(inside, inside + 4 * SIZE_4K),
                     MM_NOT_FREE);
    assert_int_equal(frame_free(inside), MM_OK);
    check_same(before);
    assert_int_equal(frame_reserve(GIB + 100 * MIB, FRAME_4K), MM_OK);
    struct frame_stats one = stats();
    assert_int_equal(frame_remove_range(from, to), MM_NOT_FREE);
    check_same(one);
    assert_int_equal(frame_free(GIB + 100 * MIB), MM_OK);

    assert_int_equal(frame_remove_range(from, to), MM_OK);
    struct frame_stats after = stats();
    assert_int_equal(after.free_bytes, before.free_bytes - (to - from));
    assert_int_equal(after.managed_bytes, before.managed_bytes - (to - from));
    assert_true(frame_check());
    /* as one that keeps a 2M would free them, too */
    assert_int_equal(frame_free(frame_alloc(FRAME_2M)), MM_OK);
    paddr_t kept = frame_alloc(FRAME_2M);
    assert_int_equal(frame_free(GIB), MM_RESERVED);
    assert_int_equal(frame_free(GIB - 4 * MIB), MM_RESERVED);
    assert_int_equal(frame_free(from), MM_RESERVED);
    assert_int_equal(frame_free(kept), MM_OK);
    assert_int_equal(stats().free_bytes, before.free_bytes - (to - from));
    assert_int_equal(frame_reserve(GIB + MIB, FRAME_4K), MM_RESERVED);
    assert_int_equal(frame_remove_range(from, to), MM_RESERVED);
    for (paddr_t frame; (frame = frame_alloc(FRAME_4K)) != PADDR_NONE;) {
        assert_false(frame >= from && frame < to);
        if (frame % (64 * MIB) == 0) /* some are enough to look at */
            assert_int_equal(frame_state(frame), FRAME_HELD_4K);
    }
    assert_int_equal(frame_add_range(from, to), MM_OK);
    assert_int_equal(stats().free_bytes, to - from);
    assert_true(frame_check());
}

static void a_part_of_a_gib_is_added_and_taken_back(void **state)
{
    (void)state;
    memory_map_init(&map, 46);
    host_cpu_count = 1;
    assert_int_equal(memory_map_add(&map, 5 * GIB, GIB, MEMORY_USABLE), MM_OK);
    assert_int_equal(memory_map_add(&map, 16 * MIB, 16 * MIB, MEMORY_USABLE),
                     MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
    struct frame_stats before = stats();
    for (unsigned i = 0; i < 10; i++) {
        /* GiB 0 has RAM, and no tree of its own could count it twice */
        assert_int_equal(frame_add_range(40 * MIB, 2 * GIB), MM_OVERLAP);
        assert_int_equal(frame_add_range(16 * MIB, 40 * MIB), MM_OVERLAP);
        check_same(before);
        assert_int_equal(frame_add_range(40 * MIB, 64 * MIB), MM_OK);
        assert_int_equal(stats().free_bytes, before.free_bytes + 24 * MIB);
        assert_int_equal(frame_remove_range(40 * MIB, 64 * MIB), MM_OK);
        check_same(before);
    }
}

static void a_new_gib_brings_its_own_metadata(void **state)
{
    (void)state;
    start(64 * MIB);
    assert_non_null(host_map_at(7 * GIB - 2 * MIB, 2 * MIB));
    struct frame_stats before = stats();
    paddr_t from = 7 * GIB - 2 * MIB, to = 9 * GIB;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(frame_add_range(from, from + 8 * SIZE_4K),
                         MM_TOO_SMALL);
        assert_int_equal(frame_add_range(from, from + 600 * GIB),
                         MM_TABLE_FULL);
        check_same(before);
        assert_int_equal(frame_add_range(from, to), MM_OK);
        struct frame_stats after = stats();
        assert_int_equal(after.free[FRAME_1G], 2);
        assert_int_equal(after.gibs, before.gibs + 3);
        const uint64_t gib = 32896 + FRAMES_PER_1G;
        assert_in_range(after.metadata_bytes - before.metadata_bytes, 3 * gib,
                        3 * gib + 2 * SIZE_4K);
        assert_int_equal(after.free_bytes - before.free_bytes,
                         to - from -
                             (after.metadata_bytes - before.metadata_bytes));
        assert_true(frame_check());
        assert_int_equal(frame_free(from), MM_RESERVED);
        assert_int_equal(frame_add_range(from, to), MM_OVERLAP);

        paddr_t large = frame_alloc(FRAME_1G);
        assert_true(large == 7 * GIB || large == 8 * GIB);
        assert_int_equal(frame_remove_range(from, to), MM_NOT_FREE);
        assert_int_equal(frame_free(large), MM_OK);
        assert_int_equal(frame_free(large), MM_NOT_HELD);
        assert_int_equal(frame_remove_range(from, to), MM_OK);
        assert_int_equal(frame_free(large), MM_OUT_OF_RANGE);
        check_same(before);
    }
}

static void a_range_that_is_none_has_a_reason(void **state)
{
    (void)state;
    start(64 * MIB);
    struct frame_stats before = stats();
    enum mm_error (*const change[])(paddr_t, paddr_t) = {frame_add_range,
                                                         frame_remove_range};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(change[i](8 * MIB, 8 * MIB), MM_EMPTY_RANGE);
        assert_int_equal(change[i](8 * MIB, 7 * MIB), MM_RANGE_WRAPS);
        assert_int_equal(change[i](8 * MIB + 1, 9 * MIB), MM_MISALIGNED);
        assert_int_equal(change[i](8 * MIB, 9 * MIB + 1), MM_MISALIGNED);
        assert_int_equal(change[i](8 * MIB, 1024 * TIB), MM_OUT_OF_RANGE);
    }
    assert_int_equal(frame_add_range(8 * MIB, 9 * MIB), MM_OVERLAP);
    assert_int_equal(frame_remove_range(4 * MIB, 6 * MIB), MM_RESERVED);
    assert_int_equal(frame_remove_range(32 * MIB, 2 * GIB), MM_OUT_OF_RANGE);
    check_same(before);
}

static void nothing_works_before_init(void **state)
{
    (void)state;
    struct memory_map *none = calloc(1, sizeof(*none));
    memory_map_init(none, 40);
    assert_int_equal(frame_init(none, HOST_MEMORY_BYTES), MM_OUT_OF_MEMORY);
    free(none);
    paddr_t frame[2];
    size_t freed;
    struct frame_gib_stats gib;
    assert_int_equal(frame_try_alloc(FRAME_4K, frame), MM_NOT_READY);
    assert_int_equal(frame_alloc_zeroed(FRAME_4K), PADDR_NONE);
    assert_int_equal(frame_alloc_many(FRAME_4K, 2, frame), 0);
    assert_int_equal(frame_alloc_below(FRAME_4K, MIB, frame), MM_NOT_READY);
    assert_int_equal(frame_alloc_run(2, frame), MM_NOT_READY);
    frame[0] = 8 * MIB;
    assert_int_equal(frame_free_many(1, frame, &freed), MM_NOT_READY);
    assert_int_equal(frame_free_run(8 * MIB, 2), MM_NOT_READY);
    assert_int_equal(frame_reserve(8 * MIB, FRAME_4K), MM_NOT_READY);
    assert_int_equal(frame_split(8 * MIB), MM_NOT_READY);
    assert_int_equal(frame_retire(8 * MIB), MM_NOT_READY);
    assert_int_equal(frame_add_range(8 * MIB, 9 * MIB), MM_NOT_READY);
    assert_int_equal(frame_remove_range(8 * MIB, 9 * MIB), MM_NOT_READY);
    assert_int_equal(stats().managed_bytes, 0);
    assert_false(frame_gib_stats(0, &gib));
}

/* ---- Figures ---- */

static void figures_tell_of_fragmentation(void **state)
{
    (void)state;
    start(3 * GIB);
    struct frame_stats before = stats();
    assert_int_equal(before.unusable_bytes[FRAME_4K], 0);
    struct frame_gib_stats gib;
    assert_true(frame_gib_stats(1, &gib));
    assert_int_equal(gib.start, GIB);
    assert_true(gib.whole);
    assert_int_equal(gib.free_2m, 512);
    /* one 4K of each eighth 2M of it; and a whole GiB is held */
    for (paddr_t p = GIB; p < 2 * GIB; p += 16 * MIB)
        assert_int_equal(frame_reserve(p, FRAME_4K), MM_OK);
    assert_int_equal(frame_reserve(2 * GIB, FRAME_1G), MM_OK);
    struct frame_stats after = stats();
    assert_int_equal(after.unusable_bytes[FRAME_2M],
                     before.unusable_bytes[FRAME_2M] + 64 * 511 * SIZE_4K);
    assert_int_equal(after.unusable_bytes[FRAME_1G], after.free_bytes);
    assert_true(frame_gib_stats(1, &gib));
    assert_false(gib.whole);
    assert_int_equal(gib.free_2m, 448);
    assert_int_equal(gib.split_2m, 64);
    assert_int_equal(gib.held_2m, 0);
    assert_int_equal(gib.by_fill[0], 64);
    assert_int_equal(gib.free_4k, 64 * 511);
    assert_true(frame_gib_stats(2, &gib));
    assert_int_equal(gib.held_2m, 512);
    assert_false(frame_gib_stats(3, &gib));
    for (paddr_t p = GIB; p < GIB + SIZE_2M; p += SIZE_4K)
        if (p != GIB)
            assert_int_equal(frame_reserve(p, FRAME_4K), MM_OK);
    assert_true(frame_gib_stats(1, &gib));
    assert_int_equal(gib.by_fill[7], 1);
    assert_int_equal(gib.by_fill[0], 63);
}

/* Two nodes, with a CPU each, whose GiBs take turns. */
static unsigned node_of_cpu(unsigned cpu)
{
    return cpu;
}

static unsigned node_of_memory(paddr_t address)
{
    return (unsigned)(address / GIB % 2);
}

static void each_node_has_its_own(void **state)
{
    (void)state;
    host_cpu_node = node_of_cpu;
    host_memory_node = node_of_memory;
    memory_map_init(&map, 46);
    host_cpu_count = 2;
    assert_int_equal(memory_map_add(&map, MIB, 9 * GIB - MIB, MEMORY_USABLE),
                     MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
    struct frame_stats node[3];
    for (unsigned i = 0; i < 3; i++)
        frame_node_stats(i, &node[i]);
    assert_int_equal(node[0].gibs, 5);
    assert_int_equal(node[1].gibs, 4);
    assert_int_equal(node[1].free_bytes, 4 * GIB);
    assert_int_equal(node[2].gibs, 0);
    assert_int_equal(stats().free_bytes,
                     node[0].free_bytes + node[1].free_bytes);
    /* a CPU's memory is of its node until that has none left */
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        platform_thread_cpu = cpu;
        for (unsigned size = FRAME_4K; size <= FRAME_1G; size++) {
            paddr_t frame = frame_alloc(size);
            assert_int_equal(node_of_memory(frame), cpu);
            assert_int_equal(frame_free(frame), MM_OK);
        }
    }
    (void)stats(); /* what the CPUs keep would break two GiBs */
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(node_of_memory(frame_alloc(FRAME_1G)), i < 4 ? 1 : 0);
    assert_int_equal(frame_alloc(FRAME_1G), PADDR_NONE);
    assert_true(frame_check());
    platform_thread_cpu = 0;
    host_cpu_node = NULL;
    host_memory_node = NULL;
}

/* A part of a held large frame: when that one is freed, or the part is. */
static void a_part_of_a_large_frame_is_retired(void **state)
{
    (void)state;
    start(4 * GIB);
    const enum frame_size sizes[] = {FRAME_2M, FRAME_1G};
    for (unsigned i = 0; i < 4; i++) {
        struct frame_stats before = stats();
        enum frame_size size = sizes[i % 2];
        paddr_t large = frame_alloc(size);
        paddr_t bad[] = {large, large + 5 * SIZE_4K,
                         large + frame_bytes(size) - SIZE_4K};
        for (unsigned k = 0; k < 3; k++) {
            assert_int_equal(frame_retire(bad[k]), MM_STILL_HELD);
            assert_int_equal(frame_retire(bad[k]), MM_STILL_HELD);
        }
        assert_int_equal(frame_free(bad[1]), MM_INSIDE_LARGER);
        if (i >= 2) {
            assert_int_equal(frame_split(large), MM_OK);
            for (uint64_t at = 0; at < frame_bytes(size);
                 at += frame_bytes(size - 1))
                assert_int_equal(frame_free(large + at), MM_OK);
        } else {
            assert_int_equal(frame_free(large), MM_OK);
        }
        struct frame_stats after = stats();
        assert_int_equal(after.to_retire, 0);
        assert_int_equal(after.retired, before.retired + 3);
        assert_int_equal(after.free_bytes, before.free_bytes - 3 * SIZE_4K);
        for (unsigned k = 0; k < 3; k++) {
            assert_int_equal(frame_free(bad[k]), MM_RESERVED);
            assert_int_equal(frame_reserve(bad[k], FRAME_4K), MM_RESERVED);
            assert_int_equal(frame_remove_range(bad[k], bad[k] + SIZE_4K),
                             MM_RESERVED);
        }
        assert_true(frame_check());
    }
}

/* As many as there are, in any order with other frees. */
static void very_many_are_retired(void **state)
{
    (void)state;
    start(64 * MIB);
    uint64_t before = stats().free_bytes;
    paddr_t frames[300];
    for (unsigned i = 0; i < 300; i++)
        frames[i] = frame_alloc(FRAME_4K);
    for (unsigned i = 0; i < 300; i += 3)
        assert_int_equal(frame_retire(frames[i]), MM_STILL_HELD);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(frame_free(frames[(i * 7 + 2) % 300]), MM_OK);
    struct frame_stats after = stats();
    assert_int_equal(after.retired, 100);
    assert_int_equal(after.to_retire, 0);
    assert_int_equal(after.free_bytes, before - 100 * SIZE_4K);
    for (paddr_t frame; (frame = frame_alloc(FRAME_4K)) != PADDR_NONE;)
        for (unsigned i = 0; i < 300; i += 3)
            assert_int_not_equal(frame, frames[i]);
    assert_true(frame_check());
}

/* What was removed comes back in parts, in any order, and can go again. */
static void parts_of_a_removed_range_come_back(void **state)
{
    (void)state;
    start(3 * GIB);
    struct frame_stats before = stats();
    paddr_t from = GIB + 6 * MIB - SIZE_4K, to = GIB + 20 * MIB;
    assert_int_equal(frame_remove_range(from, to), MM_OK);
    assert_int_equal(frame_add_range(GIB + 9 * MIB, GIB + 12 * MIB), MM_OK);
    assert_int_equal(stats().free_bytes,
                     before.free_bytes - (to - from) + 3 * MIB);
    assert_int_equal(frame_add_range(from, to), MM_OVERLAP);
    assert_int_equal(frame_reserve(GIB + 9 * MIB, FRAME_4K), MM_OK);
    assert_int_equal(frame_free(GIB + 9 * MIB), MM_OK);
    assert_int_equal(frame_free(GIB + 8 * MIB), MM_RESERVED);
    assert_int_equal(frame_retire(GIB + 11 * MIB), MM_OK);
    assert_int_equal(frame_remove_range(GIB + 9 * MIB, GIB + 11 * MIB), MM_OK);
    assert_int_equal(frame_add_range(GIB + 9 * MIB, GIB + 11 * MIB + SIZE_4K),
                     MM_OVERLAP); /* it ends in what is retired */
    assert_int_equal(frame_add_range(GIB + 9 * MIB, GIB + 11 * MIB), MM_OK);
    assert_int_equal(frame_add_range(from, GIB + 9 * MIB), MM_OK);
    assert_int_equal(frame_add_range(GIB + 12 * MIB, to), MM_OK);
    struct frame_stats after = stats();
    assert_int_equal(after.free_bytes, before.free_bytes - SIZE_4K);
    assert_int_equal(after.managed_bytes, before.managed_bytes - SIZE_4K);
    assert_true(frame_check());
}

/* Two ranges in one new GiB: the first one, which brought the metadata, stays
 * as long as the second is there. */
static void two_ranges_share_a_new_gib(void **state)
{
    (void)state;
    start(64 * MIB);
    assert_non_null(host_map_at(7 * GIB, 2 * MIB));
    struct frame_stats before = stats();
    paddr_t middle = 7 * GIB + 64 * MIB, end = 7 * GIB + 128 * MIB, frame;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(frame_add_range(7 * GIB, middle), MM_OK);
        assert_int_equal(frame_add_range(middle, end), MM_OK);
        assert_int_equal(frame_reserve(middle + SIZE_4K, FRAME_4K), MM_OK);
        assert_int_equal(frame_remove_range(7 * GIB, middle), MM_NOT_FREE);
        assert_int_equal(frame_free(middle + SIZE_4K), MM_OK);
        assert_int_equal(frame_remove_range(7 * GIB, middle), MM_NOT_FREE);
        frame = frame_alloc(FRAME_2M);
        assert_int_equal(frame_free(frame), MM_OK);
        assert_int_equal(frame_remove_range(middle, end), MM_OK);
        assert_int_equal(frame_remove_range(7 * GIB, middle), MM_OK);
        assert_int_equal(frame_free(middle), MM_OUT_OF_RANGE);
        check_same(before);
    }
    /* nobody reads or writes what has gone */
    unsigned char *gone = phys_to_virt(7 * GIB);
    memset(gone, 0xa5, 2 * MIB);
    paddr_t run;
    while (frame_alloc_run(FRAME_RUN_ORDER, &run) == MM_OK)
        assert_true(run < 64 * MIB);
    while ((frame = frame_alloc(FRAME_4K)) != PADDR_NONE)
        assert_true(frame < 64 * MIB);
    assert_int_equal(frame_state(7 * GIB + SIZE_4K), FRAME_OUTSIDE);
    assert_true(frame_check());
    for (unsigned i = 0; i < 2 * MIB; i++)
        assert_int_equal(gone[i], 0xa5);
}

/* The first MiB is freed also where its GiB has no other RAM. */
static void the_first_mib_needs_no_other_ram(void **state)
{
    (void)state;
    paddr_t frame;
    memory_map_init(&map, 46);
    host_cpu_count = 1;
    assert_int_equal(memory_map_add(&map, 0, MIB, MEMORY_LOW), MM_OK);
    assert_non_null(host_map_at(4 * GIB, 4 * MIB));
    assert_int_equal(memory_map_add(&map, 4 * GIB, 4 * MIB, MEMORY_USABLE),
                     MM_OK);
    assert_int_equal(frame_init(&map, 5 * GIB), MM_OK);
    assert_int_equal(frame_alloc_below(FRAME_4K, MIB, &frame), MM_OK);
    assert_int_equal(frame, SIZE_4K);
    assert_int_equal(frame_free(frame), MM_OK);
    assert_int_equal(frame_free(frame), MM_NOT_HELD);
    assert_int_equal(frame_free(frame + 1), MM_MISALIGNED);
    assert_int_equal(frame_free(0), MM_RESERVED);
    assert_int_equal(frame_free(MIB), MM_OUT_OF_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_works_before_init),
        cmocka_unit_test(a_given_frame_is_reserved),
        cmocka_unit_test(a_frame_that_cannot_be_reserved_has_a_reason),
        cmocka_unit_test(a_held_frame_is_split),
        cmocka_unit_test(frames_below_a_limit),
        cmocka_unit_test(runs_of_every_order),
        cmocka_unit_test(a_run_that_cannot_be_has_a_reason),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(zeroed_frames_are),
        cmocka_unit_test(a_free_frame_is_retired_at_once),
        cmocka_unit_test(a_held_frame_is_retired_when_it_is_freed),
        cmocka_unit_test(a_part_of_a_large_frame_is_retired),
        cmocka_unit_test(very_many_are_retired),
        cmocka_unit_test(parts_of_a_removed_range_come_back),
        cmocka_unit_test(two_ranges_share_a_new_gib),
        cmocka_unit_test(the_first_mib_needs_no_other_ram),
        cmocka_unit_test(a_reserved_range_is_added),
        cmocka_unit_test(a_free_range_is_taken_back),
        cmocka_unit_test(a_part_of_a_gib_is_added_and_taken_back),
        cmocka_unit_test(a_new_gib_brings_its_own_metadata),
        cmocka_unit_test(a_range_that_is_none_has_a_reason),
        cmocka_unit_test(figures_tell_of_fragmentation),
        cmocka_unit_test(each_node_has_its_own),
    };
    return cmocka_run_group_tests_name("frame_more", tests, NULL, NULL);
}
