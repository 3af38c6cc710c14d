/* sources: mm/cpu/ */
/* sources: mm/heap/count.c */
/* sources: mm/heap/heap.c mm/heap/backend.c mm/heap/simple.c mm/heap/guard.c */
/* sources: mm/heap/failing.c mm/error.c lib/format.c */
/* sources: mm/heap/bins.c mm/heap/buddy.c mm/heap/bump.c mm/heap/list.c */
/* sources: mm/heap/slab/ */
/* The back-end buddy: where it puts blocks, what it merges, where its entries
 * are when the region grows, what its check finds. */
#include "tests/host/platform_host.h"

#include <stdalign.h>
#include <string.h>

#include "lib/bits.h"
#include "mm/heap/backend.h"

/* Aligned to its size, so that offsets in it tell alignments. */
#define ARRAY_BYTES (64 * KIB)
static alignas(ARRAY_BYTES) unsigned char array[ARRAY_BYTES];
static struct heap heap;

static int set_up(void **state)
{
    (void)state;
    memset(array, 0x99, sizeof(array));
    return heap_init(&heap, &heap_buddy,
                     heap_region_array(array, sizeof(array))) != MM_OK;
}

static int tear_down(void **state)
{
    (void)state;
    heap_fini(&heap);
    return 0;
}

static unsigned char *get_aligned(size_t size, size_t align)
{
    unsigned char *start = heap_alloc_in(&heap, (struct layout){size, align});

    assert_non_null(start);
    assert_null(heap_check(&heap).what);
    return start;
}

static unsigned char *get(size_t size)
{
    return get_aligned(size, 1);
}

static void put(void *start)
{
    heap_free_in(&heap, start);
    assert_null(heap_check(&heap).what);
}

/* Takes all but the upper half of the array, which is one free block then. */
static unsigned char *leave_the_upper_half(void)
{
    unsigned char *half = get(ARRAY_BYTES / 2);

    assert_ptr_equal(half, array + ARRAY_BYTES / 2);
    while (heap_alloc_in(&heap, (struct layout){32, 32}))
        ;
    put(half);
    return half;
}

static void test_sizes_are_powers_of_two(void **state)
{
    static const struct {
        size_t size, align, held;
    } rows[] = {
        {1, 1, 32},      {32, 1, 32},      {33, 1, 64},     {64, 64, 64},
        {65, 1, 128},    {100, 1, 128},    {1, 32, 32},     {1, 64, 64},
        {100, 256, 256}, {1024, 16, 1024}, {1025, 1, 2048}, {4097, 1, 8192},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned char *a = get_aligned(rows[i].size, rows[i].align);

        assert_int_equal(heap_usable_size_in(&heap, a), rows[i].held);
        assert_int_equal(heap_stats(&heap).held, rows[i].held);
        assert_int_equal(heap_stats(&heap).requested, rows[i].size);
        assert_int_equal((a - array) % (ptrdiff_t)rows[i].held, 0);
        heap_dealloc_in(&heap, a, (struct layout){rows[i].size, rows[i].align});
    }
}

/* Every size and alignment is told from every other, to the byte. */
static void test_layouts_are_kept_to_the_byte(void **state)
{
    struct heap_block found;

    (void)state;
    for (size_t size = 1; size <= 8192; size += size < 300 ? 1 : size / 7)
        for (size_t align = 1; align <= 4096; align *= 4) {
            unsigned char *a = get_aligned(size, align);

            assert_int_equal(heap_buddy.find(&heap, a, &found), HEAP_NO_FAULT);
            assert_int_equal(found.layout.size, size);
            assert_int_equal(found.layout.align, align);
            heap_free_in(&heap, a);
        }
}

static void test_the_smallest_block_is_halved(void **state)
{
    (void)state;
    unsigned char *half = leave_the_upper_half();

    assert_ptr_equal(get(4096), half);
    assert_ptr_equal(get(512), half + 4096);
    /* now there is a hole of 512 bytes: the smallest that will do */
    unsigned char *a = get(128), *b = get(128), *c = get(256);
    assert_ptr_equal(a, half + 4096 + 512);
    assert_ptr_equal(b, a + 128);
    assert_ptr_equal(c, a + 256);
    put(a);
    put(c);
    put(b);
    assert_ptr_equal(get(512), a);
}

static void test_buddies_merge_in_any_order(void **state)
{
    static const size_t orders[][4] = {
        {0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3}, {1, 3, 0, 2}, {2, 0, 3, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        unsigned char *whole = get(4096), *part[4];

        put(whole);
        for (size_t j = 0; j < 4; j++)
            part[j] = get(1024);
        for (size_t j = 0; j < 4; j++)
            put(part[orders[i][j]]);
        assert_ptr_equal(get(4096), whole);
        put(whole);
    }
}

/* Two free blocks side by side that are no buddies stay two. */
static void test_neighbours_that_are_no_buddies_do_not_merge(void **state)
{
    (void)state;
    unsigned char *half = leave_the_upper_half(), *part[8];

    for (size_t i = 0; i < 8; i++) {
        part[i] = get(4096);
        assert_ptr_equal(part[i], half + i * 4096);
    }
    put(part[1]);
    put(part[2]);
    assert_null(heap_alloc_in(&heap, (struct layout){8192, 1}));
    put(part[3]);
    assert_ptr_equal(get(8192), part[2]);
}

static void test_resizes_where_it_is(void **state)
{
    (void)state;
    unsigned char *a = leave_the_upper_half();

    assert_ptr_equal(get(8192), a);
    memset(a, 0x31, 8192);
    /* the right halves become free */
    assert_ptr_equal(heap_realloc_in(&heap, a, (struct layout){8192, 1}, 100),
                     a);
    assert_null(heap_check(&heap).what);
    assert_int_equal(heap_usable_size_in(&heap, a), 128);
    unsigned char *b = get(4096);
    assert_ptr_equal(b, a + 4096);
    /* up to there it grows */
    assert_ptr_equal(heap_realloc_in(&heap, a, (struct layout){100, 1}, 4096),
                     a);
    assert_null(heap_check(&heap).what);
    assert_int_equal(a[99], 0x31);
    unsigned char *c =
        heap_realloc_in(&heap, a, (struct layout){4096, 1}, 4097);
    assert_ptr_equal(c, a + 8192);
    assert_int_equal(c[99], 0x31);
    assert_null(heap_check(&heap).what);
    /* a right one does not, for its buddy is in front */
    assert_ptr_equal(heap_realloc_in(&heap, b, (struct layout){4096, 1}, 4097),
                     a + 16384);
    assert_null(heap_check(&heap).what);
}

/* Makes the array usable piece by piece. */
static size_t asked, piece = 16;

static size_t grow(void *context, size_t bytes)
{
    size_t room = heap.region.limit - heap.region.size;

    (void)context;
    asked = bytes;
    bytes = align_up(bytes, piece);
    return bytes < room ? bytes : room;
}

static void growing_heap(size_t start, bool zeroed)
{
    heap_fini(&heap);
    memset(array, zeroed ? 0 : 0x99, sizeof(array));
    struct heap_region region = {
        .start = array + start,
        .limit = sizeof(array) - start,
        .grow = grow,
        .zeroed = zeroed,
    };
    assert_int_equal(heap_init(&heap, &heap_buddy, region), MM_OK);
    assert_null(heap_check(&heap).what);
}

static void test_grows_by_what_is_missing(void **state)
{
    (void)state;
    growing_heap(0, false);
    assert_int_equal(asked, 1024);
    /* the entries of 2 to 4 KiB lie below 2 KiB, those of 4 to 8 below 4 */
    assert_ptr_equal(get(1024), array + 2048);
    assert_int_equal(heap_stats(&heap).region, 3072);
    /* it stops where the block ends */
    assert_ptr_equal(get(2048), array + 4096);
    assert_int_equal(heap_stats(&heap).region, 6144);
    assert_ptr_equal(get(4096), array + 8192);
    assert_int_equal(heap_stats(&heap).region, 12288);
    /* what lies between is free, and the free end is part of what is got */
    assert_ptr_equal(get(1024), array + 6144);
    assert_ptr_equal(get(16384), array + 32768);
    assert_int_equal(heap_stats(&heap).region, 49152);
    assert_ptr_equal(get(8192), array + 16384);
    /* no more than the limit; to its last byte */
    assert_null(heap_alloc_in(&heap, (struct layout){32768, 1}));
    assert_ptr_equal(get(16384), array + 49152);
    assert_int_equal(heap_stats(&heap).region, 65536);
}

/* In any region, growing by any step, every block of any size can be had and
 * merges again, and the entries take about a sixteenth. */
static void test_entries_survive_growth(void **state)
{
    static void *blocks[ARRAY_BYTES / 32];

    (void)state;
    for (size_t start = 0; start < 4096; start += 16 + start) {
        growing_heap(start, start & 32);
        size_t count = 0;
        piece = 16 + 48 * (start / 16 % 7);
        while ((blocks[count] =
                    heap_alloc_in(&heap, (struct layout){32, 32})) != NULL) {
            memset(blocks[count], 0xff, 32);
            count++;
            if (count % 61 == 0)
                assert_null(heap_check(&heap).what);
        }
        piece = 16;
        assert_null(heap_check(&heap).what);
        size_t bytes = sizeof(array) - start;
        assert_true(count * 32 >= bytes - bytes / 15 - 512);
        /* every other one first, so that nothing merges until the end */
        for (size_t half = 0; half < 2; half++)
            for (size_t i = half; i < count; i += 2)
                heap_free_in(&heap, blocks[i]);
        assert_null(heap_check(&heap).what);
        unsigned char *large = heap_alloc_in(&heap, (struct layout){16384, 1});
        assert_non_null(large);
        assert_null(heap_check(&heap).what);
    }
}

/* Memory that nobody has written is not cleared again.  This test writes there
 * behind the heap's back, to see which bytes the heap does not clear. */
static void test_clean_blocks_are_not_cleared_again(void **state)
{
    const struct layout layout = {16384, 1};

    (void)state;
    growing_heap(0, true);
    /* halved and merged again, it is as clean as before */
    unsigned char *a = get(16384), *b = get(32);
    assert_ptr_equal(a, array + 32768);
    put(b);
    put(a);
    a = get(32);
    put(a);
    a = get(16384);
    memset(array + 49152 + 1024, 0xee, 1024);
    b = heap_alloc_zeroed_in(&heap, layout);
    assert_ptr_equal(b, array + 49152);
    for (size_t i = 0; i < layout.size; i++)
        assert_int_equal(b[i], i < 1024 || i >= 2048 ? 0 : 0xee);

    /* what was used is cleared, to its last byte */
    memset(b, 0xff, layout.size);
    put(b);
    b = heap_alloc_zeroed_in(&heap, layout);
    assert_ptr_equal(b, array + 49152);
    for (size_t i = 0; i < layout.size; i++)
        assert_int_equal(b[i], 0);
}

static void test_a_merged_clean_block_is_all_zero(void **state)
{
    (void)state;
    growing_heap(0, true);
    /* grown in small pieces, which are linked and merged */
    while (heap_stats(&heap).region < sizeof(array))
        if (!heap_alloc_in(&heap, (struct layout){32, 1}))
            break;
    growing_heap(0, true);
    for (size_t i = 0; i < 4; i++)
        put(get(32));
    const struct layout layout = {16384, 1};
    unsigned char *a = heap_alloc_zeroed_in(&heap, layout);
    for (size_t i = 0; i < layout.size; i++)
        assert_int_equal(a[i], 0);
}

static void test_pointers_that_are_no_blocks(void **state)
{
    struct heap_block found;

    (void)state;
    unsigned char *a = leave_the_upper_half(), *right = a + 128;

    assert_ptr_equal(get(100), a);

    assert_int_equal(heap_buddy.find(&heap, a + 32, &found), HEAP_NOT_A_START);
    assert_ptr_equal(found.start, a);
    assert_int_equal(found.layout.size, 100);
    assert_int_equal(heap_buddy.find(&heap, right, &found), HEAP_DOUBLE_FREE);
    assert_int_equal(heap_buddy.find(&heap, right + 1, &found),
                     HEAP_NOT_A_START);
    /* entries, and the struct */
    assert_int_equal(heap_buddy.find(&heap, array + 32768 - 32, &found),
                     HEAP_FOREIGN);
    assert_int_equal(heap_buddy.find(&heap, array + 32, &found), HEAP_FOREIGN);
    assert_int_equal(heap_buddy.find(&heap, array + sizeof(array), &found),
                     HEAP_FOREIGN);
    put(a);
    /* freed and merged: it is free all the same */
    assert_int_equal(heap_buddy.find(&heap, a, &found), HEAP_DOUBLE_FREE);
}

/* Entries of blocks in the upper half stand below it: see mm/heap/buddy.c. */
static unsigned char *head_of(const unsigned char *at)
{
    size_t unit = (size_t)(at - (array + 32768)) / 32;

    return array + 32768 - 2048 + 2 * unit;
}

static void test_check_finds_each_kind_of_damage(void **state)
{
    (void)state;
    unsigned char *live = leave_the_upper_half();

    assert_ptr_equal(get(16384), live);
    unsigned char *hole = get(4096), *wall = get(4096);
    put(hole);
    void *wild = array + 5, *own = live;
    struct {
        void *at;
        size_t bytes;
        const void *value;
    } damages[] = {
        {head_of(live), 1, "\x00"},        /* no block */
        {head_of(live), 1, "\x49"},        /* a smaller one */
        {head_of(live), 1, "\x4b"},        /* a larger one */
        {head_of(live), 1, "\x0a"},        /* a free one */
        {head_of(live), 1, "\xca"},        /* another pair bit */
        {head_of(live), 1, "\x7f"},        /* no order at all */
        {head_of(live) + 1, 1, "\x0f"},    /* an alignment above its size */
        {head_of(live) + 9, 1, "\x01"},    /* more slack than size */
        {head_of(live + 32), 1, "\x01"},   /* a block inside it */
        {head_of(live + 8192), 1, "\x80"}, /* a pair inside it */
        {head_of(hole), 1, "\x00"},        /* a hole that is gone */
        {hole, 8, &wild},                  /* links that lead nowhere */
        {hole + 8, 8, &wild},              /* */
        {hole, 8, &own},                   /* to a block that is live */
        {hole + 8, 8, &own},               /* */
    };

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        unsigned char saved[8];

        memcpy(saved, damages[i].at, damages[i].bytes);
        assert_memory_not_equal(saved, damages[i].value, damages[i].bytes);
        memcpy(damages[i].at, damages[i].value, damages[i].bytes);
        struct heap_flaw flaw = heap_check(&heap);
        if (!flaw.place)
            fail_msg("damage %zu was not found", i);
        assert_non_null(flaw.what);
        memcpy(damages[i].at, saved, damages[i].bytes);
        assert_null(heap_check(&heap).what);
    }
    put(live);
    put(wall);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_sizes_are_powers_of_two),
        TEST(test_layouts_are_kept_to_the_byte),
        TEST(test_the_smallest_block_is_halved),
        TEST(test_buddies_merge_in_any_order),
        TEST(test_neighbours_that_are_no_buddies_do_not_merge),
        TEST(test_resizes_where_it_is),
        TEST(test_grows_by_what_is_missing),
        TEST(test_entries_survive_growth),
        TEST(test_clean_blocks_are_not_cleared_again),
        TEST(test_a_merged_clean_block_is_all_zero),
        TEST(test_pointers_that_are_no_blocks),
        TEST(test_check_finds_each_kind_of_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
