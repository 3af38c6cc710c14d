/* sources: mm/cpu/ */
/* sources: mm/heap/count.c */
/* sources: mm/heap/range.c mm/heap/heap.c mm/heap/backend.c mm/heap/simple.c */
/* sources: mm/heap/guard.c mm/heap/failing.c mm/error.c lib/format.c */
/* sources: mm/heap/bins.c mm/heap/buddy.c mm/heap/bump.c mm/heap/list.c */
/* sources: mm/heap/slab/ mm/page/table.c mm/page/walk.c mm/space/give_back.c */
/* sources: tests/host/page_machine.c */
/* Frames under a heap: what is mapped where and with what, what comes back,
 * and what happens when there are too few.
 *
 * The range lies at addresses of this process, so that it can be written; a
 * page table of tests/host/page_machine.h says what a CPU would find there.
 * Frames are numbers beyond the machine's memory: nobody looks into them. */
#include "tests/host/page_machine.h"

#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/heap/backend.h"
#include "mm/heap_range.h"
#include "mm/kernel_space.h"

#define RANGE_BYTES (16 * MIB)

/* ---- Frames, in place of mm/frame/alloc.c ---- */

#define FIRST_FRAME GIB
#define FRAME_COUNT 8192u /* 32 MiB */

static bool held[FRAME_COUNT];
static size_t held_count;
static size_t frames_4k, frames_2m; /* left, of each size */
static uint8_t sizes[FRAME_COUNT];

uint64_t frame_bytes(enum frame_size size)
{
    return size == FRAME_4K ? SIZE_4K : SIZE_2M;
}

static bool all_free(size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        if (held[i])
            return false;
    return true;
}

paddr_t frame_alloc(enum frame_size size)
{
    size_t *left = size == FRAME_4K ? &frames_4k : &frames_2m;
    size_t count = frame_bytes(size) / PAGE_SIZE;

    assert_true(size != FRAME_1G);
    /* from the top for large ones, so that the others leave them alone */
    for (size_t i = 0; *left > 0 && i < FRAME_COUNT; i += count) {
        size_t first = size == FRAME_4K ? i : FRAME_COUNT - count - i;

        if (!all_free(first, count))
            continue;
        memset(held + first, true, count);
        sizes[first] = (uint8_t)size;
        held_count += count;
        --*left;
        return FIRST_FRAME + first * PAGE_SIZE;
    }
    return PADDR_NONE;
}

enum mm_error frame_free(paddr_t frame)
{
    size_t first = (frame - FIRST_FRAME) / PAGE_SIZE;

    assert_true(first < FRAME_COUNT);
    if (!held[first])
        return MM_NOT_HELD;
    size_t count = frame_bytes(sizes[first]) / PAGE_SIZE;
    memset(held + first, false, count);
    held_count -= count;
    return MM_OK;
}

static unsigned splits_left = UINT_MAX;

enum mm_error frame_split(paddr_t frame)
{
    size_t first = (frame - FIRST_FRAME) / PAGE_SIZE;

    assert_true(first < FRAME_COUNT && held[first]);
    assert_int_equal(sizes[first], FRAME_2M);
    if (splits_left == 0)
        return MM_BUSY;
    splits_left--;
    memset(sizes + first, FRAME_4K, SIZE_2M / PAGE_SIZE);
    return MM_OK;
}

struct page_table *kernel_space_table(void)
{
    return &pt;
}

/* Large blocks of the kernel's heap, which no test here makes. */

enum mm_error kernel_space_alloc_pages(uint64_t bytes, uint64_t alignment,
                                       unsigned guards, const char *name,
                                       void **pages)
{
    fail_msg("%lu bytes at %lu, %u, %s, %p", bytes, alignment, guards, name,
             (void *)pages);
    return MM_NOT_READY;
}

enum mm_error kernel_space_free_pages(void *pages)
{
    fail_msg("%p", pages);
    return MM_NOT_READY;
}

/* ---- The range ---- */

static struct heap_range range;
static struct heap_region region;
static unsigned char *start;

static int set_up_range(void **state)
{
    (void)state;
    machine_start(1);
    memset(held, false, sizeof(held));
    held_count = 0;
    frames_4k = frames_2m = SIZE_MAX;
    splits_left = UINT_MAX;

    unsigned char *got =
        mmap(NULL, RANGE_BYTES + SIZE_2M, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(got, MAP_FAILED);
    start = (unsigned char *)align_up((vaddr_t)got, SIZE_2M);
    region = heap_range_region(&range, (vaddr_t)start, RANGE_BYTES);
    assert_true(region.zeroed);
    assert_int_equal(region.size, 0);
    return 0;
}

static int tear_down_range(void **state)
{
    (void)state;
    heap_range_release(&range);
    assert_int_equal(held_count, 0);
    check_invariants();
    machine_stop();
    return 0;
}

static size_t grow(size_t bytes)
{
    return region.grow(region.context, bytes);
}

/* Every page up to there is mapped to a frame of its own that is held, can be
 * written and not executed, and survives a load of CR3; no page behind is. */
static void assert_backed(size_t bytes)
{
    struct page_walk walk;
    bool seen[FRAME_COUNT] = {false};

    for (size_t at = 0; at < bytes; at += walk.leaf.bytes) {
        assert_int_equal(page_walk(&pt, (vaddr_t)start + at, &walk), MM_OK);
        assert_int_equal(walk.leaf.vaddr, (vaddr_t)start + at);
        assert_int_equal(walk.leaf.flags, PAGE_WRITE | PAGE_GLOBAL);
        size_t first = (walk.leaf.paddr - FIRST_FRAME) / PAGE_SIZE;
        assert_int_equal(walk.leaf.bytes, frame_bytes(sizes[first]));
        for (size_t i = 0; i < walk.leaf.bytes / PAGE_SIZE; i++) {
            assert_true(held[first + i] && !seen[first + i]);
            seen[first + i] = true;
        }
    }
    if (bytes < RANGE_BYTES)
        assert_int_equal(page_walk(&pt, (vaddr_t)start + bytes, &walk),
                         MM_NOT_MAPPED);
    assert_int_equal(held_count, bytes / PAGE_SIZE);
    check_invariants();
}

static void test_grows_by_no_less_than_64_kib(void **state)
{
    (void)state;
    assert_int_equal(grow(16), 64 * KIB);
    assert_backed(64 * KIB);
    assert_int_equal(grow(64 * KIB), 64 * KIB);
    assert_int_equal(grow(64 * KIB + 16), 68 * KIB);
    assert_backed(196 * KIB);
}

static void test_memory_comes_zeroed(void **state)
{
    (void)state;
    memset(start, 0xc3, RANGE_BYTES);
    size_t grown = grow(16) + grow(3 * MIB);
    for (size_t i = 0; i < grown; i++)
        CHECK(start[i] == 0, "byte %zu is 0x%x", i, start[i]);
    assert_int_equal(start[grown], 0xc3);
}

static void test_large_pages_where_they_fit(void **state)
{
    struct page_walk walk;

    (void)state;
    assert_int_equal(grow(5 * MIB), 5 * MIB);
    assert_int_equal(page_walk(&pt, (vaddr_t)start, &walk), MM_OK);
    assert_int_equal(walk.leaf.bytes, SIZE_2M);
    assert_int_equal(page_walk(&pt, (vaddr_t)start + 4 * MIB, &walk), MM_OK);
    assert_int_equal(walk.leaf.bytes, SIZE_4K);
    assert_backed(5 * MIB);

    /* up to the next 2 MiB with small ones, from there with large ones */
    assert_int_equal(grow(4 * MIB), 4 * MIB);
    assert_int_equal(page_walk(&pt, (vaddr_t)start + 6 * MIB, &walk), MM_OK);
    assert_int_equal(walk.leaf.bytes, SIZE_2M);
    assert_backed(9 * MIB);

    /* and with small ones where there is no large frame */
    frames_2m = 0;
    assert_int_equal(grow(4 * MIB), 4 * MIB);
    assert_backed(13 * MIB);
}

static void test_the_limit_is_kept(void **state)
{
    (void)state;
    assert_int_equal(grow(RANGE_BYTES + 16), 0);
    assert_int_equal(grow(SIZE_MAX), 0);
    assert_backed(0);
    assert_int_equal(grow(RANGE_BYTES - 12 * KIB), RANGE_BYTES - 12 * KIB);
    assert_int_equal(grow(12 * KIB + 16), 0);
    /* the least it grows by would be more than there is */
    assert_int_equal(grow(16), 12 * KIB);
    assert_int_equal(grow(16), 0);
    assert_backed(RANGE_BYTES);
}

static void test_a_growth_that_falls_short_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(grow(16), 64 * KIB);
    frames_2m = 0;
    frames_4k = 20;
    assert_int_equal(grow(MIB), 0);
    /* the frames are free again, and serve the next growth */
    assert_backed(64 * KIB);
    assert_int_equal(range.usable, 64 * KIB);
    frames_4k = 20;
    assert_int_equal(grow(80 * KIB + 16), 0);
    assert_backed(64 * KIB);
    frames_4k = 100;
    assert_int_equal(grow(16), 64 * KIB);
    assert_backed(128 * KIB);
}

static void test_less_than_wished_for_will_do(void **state)
{
    (void)state;
    frames_4k = 3;
    assert_int_equal(grow(10 * KIB), 12 * KIB);
    assert_backed(12 * KIB);
}

static void test_no_frame_for_a_table(void **state)
{
    (void)state;
    frames_left = 2; /* of three that the first page needs */
    unsigned lines = host_log_lines;
    assert_int_equal(grow(16), 0);
    assert_int_equal(host_log_lines, lines + 1);
    assert_non_null(strstr(host_log_last, "cannot map"));
    assert_backed(0);
    frames_left = -1;
    assert_int_equal(grow(16), 64 * KIB);
    assert_backed(64 * KIB);
}

static void test_released_and_used_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(grow(5 * MIB), 5 * MIB);
        frames_4k = 1;
        assert_int_equal(grow(MIB), 0); /* some is backed and not usable */
        heap_range_release(&range);
        assert_int_equal(range.usable | range.backed, 0);
        assert_backed(0);
        frames_4k = SIZE_MAX;
    }
}

/* Each back-end on it, out of frames and back. */
static void test_heaps_on_a_range(void **state)
{
    static struct heap heap;

    (void)state;
    for (size_t i = 0; heap_backends[i]; i++) {
        assert_int_equal(heap_init(&heap, heap_backends[i], region), MM_OK);
        void *small = heap_alloc_in(&heap, (struct layout){100, 16});
        assert_non_null(small);
        void *large = heap_alloc_in(&heap, (struct layout){3 * MIB, 4096});
        assert_non_null(large);
        memset(large, 0xff, 3 * MIB);
        assert_true(heap_stats(&heap).region >= 3 * MIB);

        frames_4k = frames_2m = 0;
        assert_null(heap_alloc_in(&heap, (struct layout){7 * MIB, 16}));
        assert_int_equal(heap_error_in(&heap), MM_OUT_OF_MEMORY);
        assert_null(heap_check(&heap).what);
        frames_4k = frames_2m = SIZE_MAX;
        heap_free_in(&heap, large);
        large = heap_alloc_zeroed_in(&heap, (struct layout){4 * MIB, 16});
        assert_non_null(large);
        for (size_t j = 0; j < 4 * MIB; j++)
            CHECK(((char *)large)[j] == 0, "%zu", j);
        assert_null(heap_check(&heap).what);
        heap_fini(&heap);
        heap_range_release(&range);
        assert_int_equal(held_count, 0);
        memset(start, 0x77, RANGE_BYTES);
    }
}

/* Which pages from start on, `bytes` in all, have memory. */
static void assert_memory(size_t bytes, size_t gone_from, size_t gone_to)
{
    for (size_t at = 0; at < bytes; at += PAGE_SIZE)
        CHECK(region.has_memory(region.context, start + at) ==
                  (at < gone_from || at >= gone_to),
              "page at 0x%zx", at);
    assert_int_equal(held_count, (bytes - (gone_to - gone_from)) / PAGE_SIZE);
    check_invariants();
}

static size_t unback(size_t from, size_t to)
{
    return region.unback(region.context, start + from, to - from);
}

static void test_part_of_a_large_page_is_taken_back(void **state)
{
    const size_t grown = 6 * MIB, from = MIB + 12 * KIB, to = 5 * MIB - 8 * KIB;

    (void)state;
    assert_int_equal(grow(grown), grown);
    assert_int_equal(unback(from, to), to - from);
    assert_memory(grown, from, to);

    /* what comes back is clear, and is taken back page by page */
    memset(start, 0x5c, grown);
    assert_true(region.back(region.context, start + from, 2 * MIB));
    assert_memory(grown, from + 2 * MIB, to);
    assert_int_equal(start[from - 1], 0x5c);
    for (size_t i = from; i < from + 2 * MIB; i++)
        CHECK(start[i] == 0, "byte %zu is 0x%x", i, start[i]);
    assert_int_equal(unback(from + PAGE_SIZE, from + 3 * PAGE_SIZE),
                     2 * PAGE_SIZE);
    assert_int_equal(unback(0, from), from);
}

/* Without a table, or a frame that can be split, a large page stays whole. */
static void test_a_large_page_that_cannot_be_split_stays(void **state)
{
    struct page_walk walk;

    (void)state;
    assert_int_equal(grow(6 * MIB), 6 * MIB);
    for (unsigned i = 0; i < 2; i++) {
        if (i == 0)
            frames_left = 0;
        else
            splits_left = 0;
        assert_int_equal(unback(MIB, MIB + 8 * KIB), 0);
        assert_int_equal(unback(MIB, 5 * MIB), 2 * MIB);
        frames_left = -1;
        splits_left = UINT_MAX;
        if (i == 0) {
            assert_memory(6 * MIB, 2 * MIB, 4 * MIB);
            assert_int_equal(page_walk(&pt, (vaddr_t)start, &walk), MM_OK);
            assert_int_equal(walk.leaf.bytes, SIZE_2M);
            assert_true(region.back(region.context, start + 2 * MIB, 2 * MIB));
        }
    }
}

/* A heap gives back what it does not need, and takes it again. */
static void test_heaps_trimmed(void **state)
{
    static struct heap heap;

    (void)state;
    for (size_t i = 0; heap_backends[i]; i++) {
        assert_int_equal(heap_init(&heap, heap_backends[i], region), MM_OK);
        for (size_t turn = 0; turn < 3; turn++) {
            unsigned char *first = heap_alloc_in(&heap, (struct layout){99, 8});
            unsigned char *large =
                heap_alloc_in(&heap, (struct layout){3 * MIB, 16});
            unsigned char *last = heap_alloc_in(&heap, (struct layout){99, 8});
            memset(large, 0xff, 3 * MIB);
            memset(first, 1, 99);
            memset(last, 2, 99);
            size_t before = held_count;
            heap_free_in(&heap, large);
            heap_trim(&heap);
            assert_int_equal(held_count * PAGE_SIZE, heap_stats(&heap).region);
            assert_true(before - held_count >= 3 * MIB / PAGE_SIZE - 8);
            large = heap_alloc_zeroed_in(&heap, (struct layout){2 * MIB, 16});
            for (size_t j = 0; j < 2 * MIB; j++)
                CHECK(large[j] == 0, "%zu", j);
            assert_null(heap_check(&heap).what);
            assert_int_equal(first[98] + last[98], 3);
            heap_free_in(&heap, large);
            heap_free_in(&heap, first);
            heap_free_in(&heap, last);
        }
        heap_fini(&heap);
        heap_range_release(&range);
        assert_int_equal(held_count, 0);
    }
}

static void test_the_kernel_heap_needs_a_frame(void **state)
{
    (void)state;
    frames_4k = 0;
    assert_int_equal(heap_range_init_kernel(&heap_list), MM_OUT_OF_MEMORY);
    assert_null(heap_kernel());
    assert_int_equal(held_count, 0);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, set_up_range, tear_down_range)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_grows_by_no_less_than_64_kib),
        TEST(test_memory_comes_zeroed),
        TEST(test_large_pages_where_they_fit),
        TEST(test_the_limit_is_kept),
        TEST(test_a_growth_that_falls_short_loses_nothing),
        TEST(test_less_than_wished_for_will_do),
        TEST(test_no_frame_for_a_table),
        TEST(test_released_and_used_again),
        TEST(test_heaps_on_a_range),
        TEST(test_part_of_a_large_page_is_taken_back),
        TEST(test_a_large_page_that_cannot_be_split_stays),
        TEST(test_heaps_trimmed),
        TEST(test_the_kernel_heap_needs_a_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
