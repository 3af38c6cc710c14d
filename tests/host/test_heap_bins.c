/* sources: mm/cpu/ */
/* sources: mm/heap/count.c */
/* sources: mm/heap/heap.c mm/heap/backend.c mm/heap/simple.c mm/heap/guard.c */
/* sources: mm/heap/failing.c mm/error.c lib/format.c */
/* sources: mm/heap/bins.c mm/heap/buddy.c mm/heap/bump.c mm/heap/list.c */
/* sources: mm/heap/slab/ */
/* The back-end bins: which free block it takes, how it merges, what it finds.
 */
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
    return heap_init(&heap, &heap_bins,
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

/* The smallest hole that is large enough, however many lie in front. */
static void test_the_best_bin_is_taken(void **state)
{
    static const size_t sizes[] = {16, 32, 48, 400, 900, 1008, 1500, 5000};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    unsigned char *holes[COUNT];

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        holes[i] = get(sizes[i]);
        get(16);
    }
    for (size_t i = COUNT; i-- > 0;)
        put(holes[i]);
    for (size_t i = 0; i < COUNT; i++) {
        /* by one byte more than the last, and by just its own */
        size_t least = i == 0 ? 1 : align_up(sizes[i - 1], 16) + 1;

        assert_ptr_equal(get(least), holes[i]);
        put(holes[i]);
        assert_ptr_equal(get(sizes[i]), holes[i]);
        put(holes[i]);
    }
}

/* Two sizes that share a bin: the block that is too small is passed over. */
static void test_a_bin_of_several_sizes(void **state)
{
    (void)state;
    unsigned char *large = get(4000), *a = get(16), *small = get(3904),
                  *b = get(16);

    put(large);
    put(small);
    /* a bin holds sizes from 3584 to 4095 here; small is first in it */
    assert_ptr_equal(get(3905), b + TAKES(16));
    while (heap_alloc_in(&heap, (struct layout){5000, 1}))
        ;
    /* before it says no, it searches the bin itself */
    assert_ptr_equal(get(3950), large);
    assert_ptr_equal(get(3904), small);
    put(a);
}

static void test_every_size_finds_its_hole_again(void **state)
{
    (void)state;
    for (size_t size = 1; size < 14000; size += 1 + size / 9) {
        unsigned char *a = get(size), *wall = get(16);

        put(a);
        assert_ptr_equal(get(size), a);
        put(a);
        put(wall);
        assert_int_equal(heap_stats(&heap).held, 0);
    }
}

static void test_neighbours_merge_in_any_order(void **state)
{
    static const size_t orders[][3] = {
        {0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0},
    };
    /* the smallest one has no second tag */
    static const size_t sizes[][3] = {{32, 48, 64}, {16, 16, 16}, {16, 99, 16}};

    (void)state;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            unsigned char *front = get(16);
            unsigned char *blocks[] = {get(sizes[k][0]), get(sizes[k][1]),
                                       get(sizes[k][2])};
            unsigned char *wall = get(16);
            size_t all = (size_t)(wall - blocks[0]) - sizeof(struct block);

            for (size_t j = 0; j < 3; j++)
                put(blocks[orders[i][j]]);
            assert_ptr_equal(get(all), blocks[0]);
            put(blocks[0]);
            put(wall);
            put(front);
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
    /* freed and asked for again, it is found without a larger hole */
    get(16);
    put(page);
    assert_ptr_equal(heap_alloc_in(&heap, (struct layout){8, 4096}), page);
}

static void test_an_alignment_is_searched_for(void **state)
{
    (void)state;
    /* the only aligned places lie in holes that cannot be known to do */
    unsigned char *a = heap_alloc_in(&heap, (struct layout){4096, 4096});
    unsigned char *b = get(16);
    while (heap_alloc_in(&heap, (struct layout){16, 1}))
        ;
    put(a);
    assert_ptr_equal(heap_alloc_in(&heap, (struct layout){4000, 4096}), a);
    assert_null(heap_check(&heap).what);
    put(b);
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
    assert_ptr_equal(get(200), a + TAKES(112));
    /* what is cut off merges with the hole behind */
    put(b);
    heap_dealloc_in(&heap, a + TAKES(112), (struct layout){200, 1});
    unsigned char *c = get(200);
    assert_ptr_equal(heap_realloc_in(&heap, c, (struct layout){200, 1}, 16), c);
    put(c);
    put(a);
    assert_ptr_equal(get(20000), a);
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
    assert_int_equal(heap_init(&heap, &heap_bins, region), MM_OK);
}

static void test_growth_adds_to_the_last_hole(void **state)
{
    (void)state;
    growing_heap(false);
    unsigned char *a = get(500), *b = get(2000);

    assert_ptr_equal(b, a + TAKES(512));
    assert_int_equal(asked, (size_t)(b + 2000 - (array + 4096)));
    assert_int_equal(heap_stats(&heap).region, 8192);

    /* with no hole at the end, all of it */
    size_t rest = (size_t)(array + 8192 - (b + 2000));
    get(rest - sizeof(struct block));
    get(100);
    assert_int_equal(asked, TAKES(112));
}

static void test_realloc_grows_the_region_at_its_end(void **state)
{
    (void)state;
    growing_heap(false);
    unsigned char *a = get(100);

    assert_ptr_equal(heap_realloc_in(&heap, a, (struct layout){100, 1}, 6000),
                     a);
    assert_null(heap_check(&heap).what);
    /* a block that ends with the region */
    size_t size = (size_t)(array + heap_stats(&heap).region - a);
    assert_ptr_equal(heap_realloc_in(&heap, a, (struct layout){6000, 1}, size),
                     a);
    assert_ptr_equal(
        heap_realloc_in(&heap, a, (struct layout){size, 1}, size + 1), a);
    assert_null(heap_check(&heap).what);
}

static void test_a_region_grows_by_no_less_than_a_block(void **state)
{
    (void)state;
    growing_heap(false);
    unsigned char *a = get(100);
    size_t size = (size_t)(array + 4096 - a);

    assert_ptr_equal(heap_realloc_in(&heap, a, (struct layout){100, 1}, size),
                     a);
    piece = HEAP_GRANULE;
    assert_ptr_equal(
        heap_realloc_in(&heap, a, (struct layout){size, 1}, size + 1), a);
    piece = 4096;
    /* where it was a free block, for a moment, its links had room */
    assert_int_equal(asked, BLOCK_MIN);
    assert_null(heap_check(&heap).what);
}

/* What nobody has written is 0 in a zeroed region.  This test writes there
 * behind the heap's back, to see which bytes the heap does not clear. */
static void test_zeroed_memory_is_not_cleared_again(void **state)
{
    (void)state;
    growing_heap(true);
    unsigned char *a = get(100);
    memset(array + 8192, 0xee, sizeof(array) - 8192);

    struct layout layout = {16384, 1};
    unsigned char *b = heap_alloc_zeroed_in(&heap, layout);
    assert_ptr_equal(b, a + TAKES(112));
    for (size_t i = 0; i < layout.size; i++)
        assert_int_equal(b[i], b + i < array + 8192 ? 0 : 0xee);

    /* used memory is cleared, to its last byte */
    memset(b, 0xff, layout.size);
    put(b);
    b = heap_alloc_zeroed_in(&heap, layout);
    for (size_t i = 0; i < layout.size; i++)
        assert_int_equal(b[i], 0);
}

static void test_check_finds_each_kind_of_damage(void **state)
{
    (void)state;
    unsigned char *a = get(100), *hole = get(100), *b = get(100);
    unsigned char *hole_2 = get(100), *wall = get(100), *small = get(16);
    unsigned char *d = get(16);
    put(hole);
    put(hole_2);
    put(small);
    assert_true(wall > hole_2);

    struct block *block = block_of(b);
    void *const none = NULL, *const wild = array + 5, *const live = block,
                *const other = block_of(hole);
    unsigned char *bin = array; /* the pointer to the first hole of its bin */
    while (memcmp(bin, &(void *){block_of(hole_2)}, 8) != 0)
        bin += 8;
    struct {
        void *at;
        size_t bytes;
        const void *value;
    } damages[] = {
        {&block->mark, 4, "\0\0\0"},
        {&block->size, 8, &none},
        {&block->size, 8, "\x88\0\0\0\0\0\0"},
        {&block->slack, 1, "\x0d"},
        {&block->align_shift, 1, "\x0f"},
        {&block->after_free, 1, "\0"},
        {&block->after_free, 1, "\2"},
        {&block_of(a)->after_free, 1, "\1"},
        {&block_of(d)->after_free, 1, "\0"},
        {(char *)block - 8, 8, "\x20\0\0\0\0\0\0"},
        {hole_2, 8, &none},
        {hole_2, 8, &wild},
        {hole_2, 8, &live},
        {hole, 8, &other},
        {hole + 8, 8, &none},
        {hole + 8, 8, &wild},
        {bin, 8, &none},
        {bin, 8, &live},
        {bin, 8, &other},
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

    /* the words of the bitmap stand between fresh and the bins */
    for (size_t i = 2 * sizeof(void *); i < 9 * sizeof(void *); i++) {
        array[i] ^= 0x40;
        assert_non_null(heap_check(&heap).place);
        array[i] ^= 0x40;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_the_best_bin_is_taken),
        TEST(test_a_bin_of_several_sizes),
        TEST(test_every_size_finds_its_hole_again),
        TEST(test_neighbours_merge_in_any_order),
        TEST(test_what_an_alignment_skips_stays_free),
        TEST(test_an_alignment_is_searched_for),
        TEST(test_realloc_grows_into_the_hole_behind),
        TEST(test_realloc_gives_back_what_it_cuts_off),
        TEST(test_growth_adds_to_the_last_hole),
        TEST(test_realloc_grows_the_region_at_its_end),
        TEST(test_a_region_grows_by_no_less_than_a_block),
        TEST(test_zeroed_memory_is_not_cleared_again),
        TEST(test_check_finds_each_kind_of_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
