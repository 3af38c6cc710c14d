/* sources: mm/cpu/ */
/* sources: mm/frame/ mm/tree/ mm/map/memory_map.c mm/map/boot_frames.c */
/* sources: mm/error.c */
/* Memory that is not cached: it goes out last, and back to its own trees. */
#include "tests/host/platform_host.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bits.h"
#include "mm/frame.h"

static struct memory_map map;

static void add(paddr_t start, paddr_t end, enum memory_type type)
{
    assert_int_equal(memory_map_add(&map, start, end - start, type), MM_OK);
}

/* GiB 1 is uncached in part, GiB 2 wholly; GiB 3 holds none of it. */
#define PART_START (GIB + 64 * MIB)
#define PART_END   (GIB + 96 * MIB)

static bool is_uncached(paddr_t frame)
{
    return (frame >= PART_START && frame < PART_END) ||
           (frame >= 2 * GIB && frame < 3 * GIB);
}

static void start(unsigned cpus)
{
    host_cpu_count = cpus;
    memory_map_init(&map, 46);
    add(0, MIB, MEMORY_LOW);
    add(MIB, 4 * GIB, MEMORY_USABLE);
    add(2 * MIB, 4 * MIB, MEMORY_KERNEL);
    add(PART_START, PART_END, MEMORY_UNCACHED);
    add(2 * GIB, 3 * GIB, MEMORY_UNCACHED);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
}

static struct frame_stats uncached(void)
{
    struct frame_stats now;
    frame_node_stats(FRAME_NODE_UNCACHED, &now);
    return now;
}

/* GiB 1 counts once, though it is in two trees. */
static uint64_t free_bytes(void)
{
    struct frame_stats now;
    frame_stats(&now);
    assert_int_equal(now.gibs, map.range[map.count - 1].end / GIB);
    return now.free_bytes;
}

/* Takes all frames of that size, each by another CPU than the last.  Those that
 * are cached come first. */
static size_t take_all(enum frame_size size, paddr_t *frames)
{
    size_t count = 0;
    bool last = false;
    for (paddr_t frame;; count++) {
        platform_thread_cpu = (unsigned)(count % host_cpu_count);
        frame = frame_alloc(size);
        if (frame == PADDR_NONE)
            break;
        assert_true(is_uncached(frame) || !last);
        last = is_uncached(frame);
        frames[count] = frame;
    }
    platform_thread_cpu = 0;
    return count;
}

static void free_all(size_t count, const paddr_t *frames)
{
    for (size_t i = 0; i < count; i++) {
        platform_thread_cpu = (unsigned)(i % host_cpu_count);
        assert_int_equal(frame_free(frames[i]), MM_OK);
        assert_int_equal(frame_free(frames[i]), MM_NOT_HELD);
    }
    platform_thread_cpu = 0;
}

/* Of every size, on one CPU and on several, twice: the second time all of it
 * was freed before. */
static void it_goes_out_last(void **state)
{
    (void)state;
    paddr_t *frames = calloc(4 * GIB / SIZE_4K, sizeof(*frames));
    assert_non_null(frames);
    for (unsigned cpus = 1; cpus <= 3; cpus += 2) {
        start(cpus);
        uint64_t all = free_bytes();
        assert_int_equal(uncached().free_bytes, GIB + PART_END - PART_START);
        assert_int_equal(uncached().managed_bytes, uncached().free_bytes);
        assert_int_equal(uncached().free[FRAME_1G], 1);
        const enum frame_size size[] = {FRAME_4K, FRAME_2M, FRAME_1G, FRAME_4K};
        for (unsigned i = 0; i < 4; i++) {
            size_t count = take_all(size[i], frames);
            assert_true(count > 1 && is_uncached(frames[count - 1]));
            if (size[i] == FRAME_4K)
                assert_int_equal(count * SIZE_4K, all);
            assert_true(frame_check());
            free_all(count, frames);
            assert_true(frame_check());
            assert_int_equal(free_bytes(), all);
            assert_int_equal(uncached().free[FRAME_1G], 1);
        }
    }
    free(frames);
}

/* What another CPU keeps is cached, and comes first all the same; what is freed
 * of the uncached stays with no CPU. */
static void what_a_cpu_keeps_comes_first(void **state)
{
    (void)state;
    paddr_t *frames = calloc(4 * GIB / SIZE_4K, sizeof(*frames));
    assert_non_null(frames);
    start(2);
    size_t count = take_all(FRAME_4K, frames);
    paddr_t slow = frames[count - 1], cached = frames[count / 4];
    assert_true(is_uncached(slow) && !is_uncached(cached));

    for (unsigned i = 1; i <= 8; i++)
        assert_int_equal(frame_free(frames[count - i]), MM_OK);
    platform_thread_cpu = 1;
    assert_int_equal(frame_free(cached), MM_OK);
    platform_thread_cpu = 0;
    assert_int_equal(frame_alloc(FRAME_4K), cached);
    assert_true(is_uncached(frame_alloc(FRAME_4K)));

    assert_int_equal(frame_free(cached), MM_OK);
    assert_int_equal(frame_alloc(FRAME_4K), cached);

    const enum frame_size large[] = {FRAME_2M, FRAME_1G};
    for (unsigned i = 0; i < 2; i++) {
        start(1);
        assert_int_equal(frame_reserve(2 * GIB, large[i]), MM_OK);
        assert_int_equal(frame_free(2 * GIB), MM_OK);
        assert_false(is_uncached(frame_alloc(large[i])));
    }
    free(frames);
}

static void calls_that_say_where_obey_it(void **state)
{
    (void)state;
    start(1);
    uint64_t all = free_bytes();
    paddr_t frame, run;

    /* below a limit: what is cached there, then the other, then the first MiB
     */
    static paddr_t below[(GIB + 128 * MIB) / SIZE_4K];
    size_t count = 0;
    unsigned kind = 0;
    while (frame_alloc_below(FRAME_4K, GIB + 128 * MIB, &frame) == MM_OK) {
        unsigned its = frame < MIB ? 2 : is_uncached(frame);
        assert_true(its == kind || its == kind + 1);
        kind = its;
        below[count++] = frame;
    }
    assert_int_equal(kind, 2);
    free_all(count, below);
    assert_int_equal(free_bytes(), all);

    /* runs */
    kind = 0;
    count = 0;
    while (frame_alloc_run(8, &run) == MM_OK) {
        assert_true(is_uncached(run) >= kind);
        kind = is_uncached(run);
        below[count++] = run;
    }
    assert_int_equal(kind, 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(frame_free_run(below[i], 8), MM_OK);
    assert_int_equal(free_bytes(), all);

    /* given frames */
    assert_int_equal(frame_reserve(PART_START, FRAME_2M), MM_OK);
    assert_int_equal(frame_reserve(2 * GIB, FRAME_1G), MM_OK);
    assert_int_equal(frame_reserve(GIB, FRAME_1G), MM_NOT_FREE);
    assert_int_equal(frame_split(2 * GIB), MM_OK);
    assert_int_equal(frame_free(2 * GIB + SIZE_2M), MM_OK);
    assert_int_equal(frame_reserve(2 * GIB + SIZE_2M, FRAME_2M), MM_OK);
    for (paddr_t at = 2 * GIB; at < 3 * GIB; at += SIZE_2M)
        assert_int_equal(frame_free(at), MM_OK);
    assert_int_equal(frame_free(PART_START), MM_OK);
    assert_int_equal(free_bytes(), all);
    assert_true(frame_check());
}

/* A range may have memory of both kinds, and its border inside a GiB. */
static void it_breaks_and_is_removed_like_other(void **state)
{
    (void)state;
    start(1);
    uint64_t all = free_bytes();
    const struct {
        paddr_t start, end;
    } range[] = {{GIB, 3 * GIB},
                 {PART_START - 4 * MIB, PART_END + 4 * MIB},
                 {PART_START - SIZE_4K, PART_START + SIZE_4K},
                 {3 * GIB - SIZE_4K, 3 * GIB + SIZE_2M}};
    for (unsigned i = 0; i < 4; i++) {
        uint64_t bytes = range[i].end - range[i].start;
        assert_int_equal(frame_remove_range(range[i].start, range[i].end),
                         MM_OK);
        assert_int_equal(free_bytes(), all - bytes);
        assert_int_equal(frame_free(range[i].start), MM_RESERVED);
        assert_int_equal(frame_add_range(range[i].start, range[i].end), MM_OK);
        assert_int_equal(free_bytes(), all);
        assert_int_equal(uncached().free_bytes, GIB + PART_END - PART_START);
        assert_true(frame_check());
    }
    assert_int_equal(frame_reserve(PART_END - SIZE_4K, FRAME_4K), MM_OK);
    assert_int_equal(frame_remove_range(GIB, 3 * GIB), MM_NOT_FREE);
    assert_int_equal(free_bytes(), all - SIZE_4K);
    assert_int_equal(frame_retire(PART_END - SIZE_4K), MM_STILL_HELD);
    assert_int_equal(frame_free(PART_END - SIZE_4K), MM_OK);
    assert_int_equal(frame_retire(PART_START), MM_OK);
    assert_int_equal(free_bytes(), all - 2 * SIZE_4K);
    assert_int_equal(frame_state(PART_START), FRAME_HELD_4K);
    assert_true(frame_check());
}

static unsigned node_by_gib(paddr_t address)
{
    return (unsigned)(address >> SHIFT_1G) % 2;
}

/* Also where all of a node is uncached, the metadata takes what is cached, and
 * where there is nothing else. */
static void machines_with_little_else(void **state)
{
    (void)state;
    static paddr_t frames[4 * GIB / SIZE_4K];
    for (unsigned i = 0; i < 3; i++) {
        host_cpu_count = 2;
        host_memory_node = i == 0 ? node_by_gib : NULL;
        host_cpu_node = NULL;
        memory_map_init(&map, 46);
        add(MIB, 2 * GIB, i == 2 ? MEMORY_UNCACHED : MEMORY_USABLE);
        if (i < 2)
            add(i == 0 ? GIB : MIB + 64 * KIB, 2 * GIB, MEMORY_UNCACHED);
        assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
        uint64_t all = free_bytes();
        size_t count = 0;
        while ((frames[count] = frame_alloc(FRAME_2M)) != PADDR_NONE)
            count++;
        assert_true(count > 900);
        free_all(count, frames);
        assert_int_equal(free_bytes(), all);
        assert_true(frame_check());
    }
    host_memory_node = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_out_last),
        cmocka_unit_test(what_a_cpu_keeps_comes_first),
        cmocka_unit_test(calls_that_say_where_obey_it),
        cmocka_unit_test(it_breaks_and_is_removed_like_other),
        cmocka_unit_test(machines_with_little_else),
    };
    return cmocka_run_group_tests_name("frame_uncached", tests, NULL, NULL);
}
