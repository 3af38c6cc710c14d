/* sources: mm/cpu/ */
/* sources: mm/heap/count.c */
/* sources: mm/heap/heap.c mm/heap/backend.c mm/heap/simple.c mm/heap/guard.c */
/* sources: mm/heap/failing.c mm/error.c lib/format.c */
/* sources: mm/heap/bins.c mm/heap/buddy.c mm/heap/bump.c mm/heap/list.c */
/* sources: mm/heap/slab/ */
/* The back-end list: where it puts blocks, what it merges, what it finds. */
#include "tests/host/platform_host.h"

#include <stdalign.h>
#include <string.h>

#include "mm/heap/backend.h"
#include "mm/heap/block.h"

static alignas(4096) unsigned char array[65536];
static struct heap heap;

/* What a block of this many bytes takes of the region. */
#define TAKES(bytes) (sizeof(struct block) + (bytes))

static int set_up(void **state)
{
    (void)state;
    memset(array, 0, sizeof(array));
    return heap_init(&heap, &heap_list,
                     heap_region_array(array, sizeof(array) / 2)) != MM_OK;
}

static int tear_down(void **state)
{
    (void)state;
    heap_fini(&heap);
    return 0;
}

static unsigned char *get(size_t size)
{
    unsigned char *start = heap_alloc_in(&heap, (struct layout){size, 1});

    assert_non_null(start);
    assert_null(heap_check(&heap).what);
    return start;
}

static void put(void *start)
{
    heap_free_in(&heap, start);
    assert_null(heap_check(&heap).what);
}

static void test_blocks_are_split_off_the_first_hole(void **state)
{
    (void)state;
    unsigned char *a = get(100), *b = get(16), *c = get(1);

    assert_ptr_equal(b, a + TAKES(112));
    assert_ptr_equal(c, b + TAKES(16));
    assert_int_equal(heap_usable_size_in(&heap, a), 112);
    assert_int_equal(heap_stats(&heap).held,
                     TAKES(112) + TAKES(16) + TAKES(16));
    assert_int_equal(heap_stats(&heap).requested, 117);
}

static void test_the_first_hole_that_fits_is_taken(void **state)
{
    (void)state;
    unsigned char *small = get(32), *a = get(16), *large = get(400),
                  *b = get(16), *exact = get(64), *c = get(16);

    put(exact);
    put(large);
    put(small);
    /* not the best one, and not the one freed last */
    assert_ptr_equal(get(64), large);
    assert_ptr_equal(get(32), small);
    put(a);
    put(b);
    put(c);
}

static void test_a_rest_too_small_for_a_block_stays_in_it(void **state)
{
    (void)state;
    unsigned char *a = get(64), *b = get(16);

    put(a);
    assert_ptr_equal(get(48), a);
    assert_int_equal(heap_usable_size_in(&heap, a), 64);
    heap_dealloc_in(&heap, a, (struct layout){48, 1});

    assert_ptr_equal(get(32), a);
    assert_int_equal(heap_usable_size_in(&heap, a), 32);
    assert_ptr_equal(get(16), a + TAKES(32));
    put(b);
}

static void test_neighbours_merge_in_any_order(void **state)
{
    static const size_t orders[][3] = {
        {0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        unsigned char *blocks[] = {get(32), get(48), get(64)};
        unsigned char *wall = get(16);

        for (size_t j = 0; j < 3; j++)
            put(blocks[orders[i][j]]);
        /* one hole, as large as the three with their headers */
        assert_ptr_equal(get(32 + TAKES(48) + TAKES(64)), blocks[0]);
        put(blocks[0]);
        put(wall);
    }
}

static void test_what_an_alignment_skips_stays_free(void **state)
{
    (void)state;
    unsigned char *a = get(16);
    unsigned char *page = heap_alloc_in(&heap, (struct layout){8, 4096});

    assert_ptr_equal(page, array + 4096);
    assert_null(heap_check(&heap).what);
    assert_int_equal(heap_stats(&heap).held, 2 * TAKES(16));
    assert_ptr_equal(get(16), a + TAKES(16));
    heap_dealloc_in(&heap, page, (struct layout){8, 4096});
}

static void test_realloc_grows_into_the_hole_behind(void **state)
{
    struct layout layout = {100, 1};

    (void)state;
    unsigned char *a = get(100), *b = get(200), *c = get(16);
    memset(a, 0x11, 100);
    put(b);
    assert_ptr_equal(heap_realloc_in(&heap, a, layout, 250), a);
    assert_null(heap_check(&heap).what);
    assert_int_equal(a[99], 0x11);
    /* the rest of the hole is a hole still */
    assert_ptr_equal(get(16), a + TAKES(256));
    /* to the last byte of what lies there */
    layout.size = 250;
    assert_ptr_equal(heap_realloc_in(&heap, a, layout, 256), a);
    layout.size = 256;
    assert_ptr_not_equal(heap_realloc_in(&heap, a, layout, 257), a);
    put(c);
}

static void test_realloc_gives_back_what_it_cuts_off(void **state)
{
    (void)state;
    unsigned char *a = get(400), *b = get(16);
    size_t held = heap_stats(&heap).held;

    assert_ptr_equal(heap_realloc_in(&heap, a, (struct layout){400, 1}, 100),
                     a);
    assert_null(heap_check(&heap).what);
    assert_int_equal(heap_stats(&heap).held, held - 400 + 112);
    assert_int_equal(heap_stats(&heap).requested, 100 + 16);
    assert_ptr_equal(get(200), a + TAKES(112));
    heap_dealloc_in(&heap, a, (struct layout){100, 1});
    put(b);
}

static void test_krealloc_moves_a_block_off_its_natural_alignment(void **state)
{
    (void)state;
    heap_set_kernel(&heap);
    unsigned char *a = kmalloc(48);
    assert_int_not_equal((vaddr_t)a % 1024, 0);
    unsigned char *b = krealloc(a, 1024);
    assert_int_equal((vaddr_t)b % 1024, 0);
    kfree_sized(b, 1024);
    assert_int_equal(heap_stats(&heap).held, 0);
    heap_set_kernel(NULL);
}

/* Makes the array usable piece by piece. */
static size_t asked, piece = 4096;

static size_t grow(void *context, size_t bytes)
{
    (void)context;
    asked = bytes;
    return align_up(bytes, piece);
}

static void growing_heap(bool zeroed)
{
    heap_fini(&heap);

    struct heap_region region = {
        .start = array,
        .size = 4096,
        .limit = sizeof(array),
        .grow = grow,
        .zeroed = zeroed,
    };
    assert_int_equal(heap_init(&heap, &heap_list, region), MM_OK);
}

static void test_growth_adds_to_the_last_hole(void **state)
{
    (void)state;
    growing_heap(false);
    unsigned char *a = get(3000), *b = get(3000);

    /* not more than is missing behind the hole that is there */
    assert_ptr_equal(b, a + TAKES(3008));
    assert_int_equal(asked, (size_t)(b + 3008 - (array + 4096)));
    assert_int_equal(heap_stats(&heap).region, 8192);

    /* with no hole at the end, all of it */
    size_t rest = (size_t)(array + 8192 - (b + 3008));
    get(rest - sizeof(struct block));
    get(100);
    assert_int_equal(asked, TAKES(112));
    assert_int_equal(heap_stats(&heap).region, 12288);
}

static void test_realloc_grows_the_region_at_its_end(void **state)
{
    (void)state;
    growing_heap(false);
    unsigned char *a = get(1000);

    assert_ptr_equal(heap_realloc_in(&heap, a, (struct layout){1000, 1}, 10000),
                     a);
    assert_null(heap_check(&heap).what);
    assert_int_equal(heap_stats(&heap).region, 12288);

    /* a block that ends with the region */
    size_t size = (size_t)(array + 12288 - a);
    assert_ptr_equal(heap_realloc_in(&heap, a, (struct layout){10000, 1}, size),
                     a);
    assert_ptr_equal(
        heap_realloc_in(&heap, a, (struct layout){size, 1}, size + 1), a);
    assert_null(heap_check(&heap).what);
    assert_int_equal(heap_stats(&heap).region, 16384);
}

static void test_a_region_grows_by_no_less_than_a_block(void **state)
{
    (void)state;
    growing_heap(false);
    unsigned char *a = get(4096 - 2 * sizeof(struct block));
    size_t size = (size_t)(array + 4096 - a);

    piece = HEAP_GRANULE;
    assert_ptr_equal(
        heap_realloc_in(&heap, a, (struct layout){size, 1}, size + 1), a);
    piece = 4096;
    /* where it was a free block, for a moment, its link had room */
    assert_int_equal(heap_stats(&heap).region, 4096 + BLOCK_MIN);
    assert_null(heap_check(&heap).what);
}

/* What nobody has written is 0 in a zeroed region.  This test writes there
 * behind the heap's back, to see which bytes the heap does not clear. */
static void test_zeroed_memory_is_not_cleared_again(void **state)
{
    (void)state;
    growing_heap(true);
    unsigned char *a = get(100);
    memset(array + 1024, 0xee, sizeof(array) - 1024);

    /* behind the link that the free block has kept in front */
    struct layout layout = {8192, 1};
    unsigned char *b = heap_alloc_zeroed_in(&heap, layout);
    assert_ptr_equal(b, a + TAKES(112));
    for (size_t i = 0; i < 700; i++)
        assert_int_equal(b[i], 0);
    for (size_t i = 1024; i < layout.size; i++)
        assert_int_equal(b[i], 0xee);

    /* used memory is cleared, to its last byte */
    memset(b, 0xff, layout.size);
    put(b);
    b = heap_alloc_zeroed_in(&heap, layout);
    for (size_t i = 0; i < layout.size; i++)
        assert_int_equal(b[i], 0);

    /* and memory that was used before a block of it was cut short */
    layout.size = 8192;
    memset(b, 0xff, layout.size);
    assert_ptr_equal(heap_realloc_in(&heap, b, layout, 64), b);
    layout.size = 8000;
    unsigned char *c = heap_alloc_zeroed_in(&heap, layout);
    for (size_t i = 0; i < layout.size; i++)
        assert_int_equal(c[i], 0);
}

static void test_memory_used_to_the_end_of_the_region_is_cleared(void **state)
{
    (void)state;
    growing_heap(true);
    /* the first block leaves nothing behind it, not even a header */
    struct layout layout = {4096 - 2 * sizeof(struct block), 1};
    unsigned char *a = heap_alloc_in(&heap, layout);
    assert_ptr_equal(a + layout.size, array + 4096);
    memset(a, 0xff, layout.size);
    put(a);
    a = heap_alloc_zeroed_in(&heap, layout);
    for (size_t i = 0; i < layout.size; i++)
        assert_int_equal(a[i], 0);
}

static void test_check_finds_each_kind_of_damage(void **state)
{
    (void)state;
    unsigned char *a = get(100), *hole = get(100), *b = get(100);
    unsigned char *hole_2 = get(100), *c = get(100);
    put(hole);
    put(hole_2);

    struct block *block = block_of(b);
    struct block *free_block = block_of(hole);
    struct {
        void *at;
        size_t bytes;
        uint64_t value;
        const void *place;
    } damages[] = {
        {&block->mark, 4, 0, block},
        {&block->mark, 4, block_mark(block_of(a), BLOCK_LIVE), block},
        {&block->size, 8, 0, block},
        {&block->size, 8, 16, block},
        {&block->size, 8, 136, block},
        {&block->size, 8, 65536, block},
        {&block->size, 8, 144, block_of(hole_2 + 16)},
        {&block->slack, 1, 32, block},
        {&block->slack, 1, 13, &heap.stats},
        {&block->align_shift, 1, 31, block},
        {&block->align_shift, 1, 15, block},
        {&block->mark, 4, block_mark(block, BLOCK_FREE), block},
        {&free_block->mark, 4, block_mark(free_block, BLOCK_LIVE), NULL},
        {hole, 8, 0, block_of(hole_2)},
        {c + 112 + sizeof(struct block), 8, (uint64_t)(vaddr_t)array, array},
        {hole, 8, (uint64_t)(vaddr_t)block_of(c), block_of(hole_2)},
    };

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        uint64_t saved = 0;

        memcpy(&saved, damages[i].at, damages[i].bytes);
        memcpy(damages[i].at, &damages[i].value, damages[i].bytes);
        struct heap_flaw flaw = heap_check(&heap);
        assert_non_null(flaw.place);
        assert_non_null(flaw.what);
        if (damages[i].place)
            assert_ptr_equal(flaw.place, damages[i].place);
        memcpy(damages[i].at, &saved, damages[i].bytes);
        assert_null(heap_check(&heap).what);
    }
    put(b);
    put(a);
    put(c);
}

static void test_headers_are_no_blocks(void **state)
{
    struct heap_block found;

    (void)state;
    put(get(100));
    unsigned char *first = array + heap_list.region_min - BLOCK_MIN;
    assert_int_equal(heap_list.find(&heap, first, &found), HEAP_NOT_A_START);
    assert_int_equal(heap_list.find(&heap, first - 1, &found), HEAP_FOREIGN);
    assert_int_equal(
        heap_list.find(&heap, first + sizeof(struct block), &found),
        HEAP_DOUBLE_FREE);
}

static void test_no_block_is_placed_behind_the_last_address(void **state)
{
    const vaddr_t last_gib = ~(vaddr_t)0 - SIZE_1G + 1;

    (void)state;
    assert_int_equal(block_place(last_gib - 16, SIZE_1G), last_gib - 16);
    assert_int_equal(block_place(last_gib, SIZE_1G), BLOCK_NOWHERE);
    assert_int_equal(block_place(last_gib - 32, SIZE_1G), BLOCK_NOWHERE);
    assert_int_equal(block_place(last_gib - 48, SIZE_1G), last_gib - 16);
    assert_int_equal(block_place(last_gib + 16, 16), last_gib + 16);
    assert_false(block_fits(BLOCK_NOWHERE, 32, ~(vaddr_t)15));
}

static void test_two_holes_side_by_side_are_found(void **state)
{
    (void)state;
    unsigned char *a = get(100);
    struct block *block = block_of(a);
    struct block *hole = (struct block *)block_end(block);

    /* splits the hole in two, and links both in order */
    struct block *second =
        block_write((vaddr_t)hole + 512, hole->size - 512, BLOCK_FREE);
    hole->size = 512;
    *(void **)block_payload(second) = NULL;
    *(void **)block_payload(hole) = second;
    assert_ptr_equal(heap_check(&heap).place, second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_blocks_are_split_off_the_first_hole),
        TEST(test_the_first_hole_that_fits_is_taken),
        TEST(test_a_rest_too_small_for_a_block_stays_in_it),
        TEST(test_neighbours_merge_in_any_order),
        TEST(test_what_an_alignment_skips_stays_free),
        TEST(test_realloc_grows_into_the_hole_behind),
        TEST(test_realloc_gives_back_what_it_cuts_off),
        TEST(test_krealloc_moves_a_block_off_its_natural_alignment),
        TEST(test_growth_adds_to_the_last_hole),
        TEST(test_realloc_grows_the_region_at_its_end),
        TEST(test_a_region_grows_by_no_less_than_a_block),
        TEST(test_zeroed_memory_is_not_cleared_again),
        TEST(test_memory_used_to_the_end_of_the_region_is_cleared),
        TEST(test_check_finds_each_kind_of_damage),
        TEST(test_headers_are_no_blocks),
        TEST(test_no_block_is_placed_behind_the_last_address),
        TEST(test_two_holes_side_by_side_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
