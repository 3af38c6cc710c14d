/* sources: mm/cpu/ */
/* sources: mm/heap/count.c */
/* sources: mm/heap/heap.c mm/heap/backend.c mm/heap/simple.c mm/heap/guard.c */
/* sources: mm/heap/failing.c mm/error.c lib/format.c */
/* sources: mm/heap/bins.c mm/heap/buddy.c mm/heap/bump.c mm/heap/list.c */
/* sources: mm/heap/slab/ */
/* The back-end bump: how its two ends move, and what it finds. */
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
    return heap_init(&heap, &heap_bump,
                     heap_region_array(array, sizeof(array))) != MM_OK;
}

static int tear_down(void **state)
{
    (void)state;
    heap_fini(&heap);
    return 0;
}

static unsigned char *sound(void *start)
{
    assert_non_null(start);
    assert_null(heap_check(&heap).what);
    return start;
}

static unsigned char *get(size_t size)
{
    return sound(heap_alloc_in(&heap, (struct layout){size, 1}));
}

static unsigned char *get_aligned(size_t size, size_t align)
{
    return sound(heap_alloc_in(&heap, (struct layout){size, align}));
}

static unsigned char *get_back(size_t size)
{
    return sound(heap_alloc_back_in(&heap, (struct layout){size, 1}));
}

static void put(void *start)
{
    heap_free_in(&heap, start);
    assert_null(heap_check(&heap).what);
}

static void test_front_moves_up_by_the_size_of_each_block(void **state)
{
    (void)state;
    unsigned char *a = get(100), *b = get(1), *c = get(16);

    assert_ptr_equal(b, a + TAKES(112));
    assert_ptr_equal(c, b + TAKES(16));
    assert_int_equal(heap_usable_size_in(&heap, a), 112);
    assert_int_equal(heap_usable_size_in(&heap, b), 16);
    assert_int_equal(heap_stats(&heap).requested, 117);
}

static void test_the_last_block_is_taken_back(void **state)
{
    (void)state;
    unsigned char *a = get(100), *b = get(100), *c = get(100);

    put(c);
    assert_ptr_equal(get(500), c);
    put(c);
    put(b);
    assert_ptr_equal(get(200), b);
    put(b);
    put(a);
}

static void test_with_the_last_block_go_the_free_ones_in_front(void **state)
{
    (void)state;
    unsigned char *a = get(100), *b = get(16), *c = get(200), *d = get(300);

    put(c);
    put(b);
    /* they rest as long as there is a live block behind them */
    assert_ptr_equal(get(16), d + TAKES(304));
    put(d + TAKES(304));
    put(d);
    assert_ptr_equal(get(16), b);
    put(b);
    put(a);
}

static void test_what_an_alignment_skips_is_taken_back_too(void **state)
{
    (void)state;
    unsigned char *a = get(16);

    for (size_t align = 32; align <= 4096; align *= 2) {
        unsigned char *b = get_aligned(8, align);
        assert_int_equal((vaddr_t)b % align, 0);
        put(b);
        assert_ptr_equal(get(1), a + TAKES(16));
        put(a + TAKES(16));
    }
    put(a);
}

static void test_it_starts_over_when_all_are_freed(void **state)
{
    (void)state;
    unsigned char *a = get(100), *b = get_aligned(100, 256), *c = get(100);
    unsigned char *long_lived = get_back(1000), *other = get_back(1000);

    put(long_lived);
    put(a);
    put(b);
    put(c);
    put(other);
    assert_ptr_equal(get(100), a);
    assert_ptr_equal(get_back(1000), long_lived);
    assert_int_equal(heap_stats(&heap).blocks, 2);
}

static void test_long_lived_blocks_come_from_the_other_end(void **state)
{
    (void)state;
    unsigned char *a = get(100), *z = get_back(100), *y = get_back(1);

    assert_ptr_equal(z + 112, array + sizeof(array));
    assert_ptr_equal(y + 16, z - sizeof(struct block));
    /* so the last block in front stays the last */
    put(a);
    a = get(100);
    put(y);
    assert_ptr_equal(get_back(1), y);

    /* one that is not next to the gap waits for the one that is */
    unsigned char *x = get_back(200);
    put(y);
    put(x);
    assert_ptr_equal(get_back(1), y);
    put(a);
    put(z);

    unsigned char *aligned =
        sound(heap_alloc_back_in(&heap, (struct layout){8, 4096}));
    assert_int_equal((vaddr_t)aligned % 4096, 0);
    assert_in_range((vaddr_t)(array + sizeof(array)) - (vaddr_t)aligned, 1,
                    8192);
    put(aligned);
    assert_ptr_equal(get_back(1), y - TAKES(16));
}

static void test_the_ends_meet(void **state)
{
    (void)state;
    for (size_t scrap = 0; scrap <= 64; scrap += 16) {
        unsigned char *a = get(16), *z = get_back(16);
        size_t gap = (size_t)(z - a) - 16 - 2 * sizeof(struct block);
        unsigned char *b = get(gap - scrap);
        void *rest = heap_alloc_in(&heap, (struct layout){1, 1});

        /* less than a smallest block is no gap, but part of the block */
        assert_int_equal(heap_usable_size_in(&heap, b),
                         scrap == 16 ? gap : gap - scrap);
        assert_int_equal(rest != NULL, scrap >= TAKES(16));
        assert_null(heap_check(&heap).what);
        heap_free_in(&heap, rest);
        put(b);

        b = get_back(gap - scrap);
        assert_int_equal(heap_usable_size_in(&heap, b),
                         scrap == 16 ? gap : gap - scrap);
        rest = heap_alloc_back_in(&heap, (struct layout){1, 1});
        assert_int_equal(rest != NULL, scrap >= TAKES(16));
        assert_null(heap_check(&heap).what);
        heap_free_in(&heap, rest);
        put(b);
        put(a);
        put(z);
    }
}

static void test_realloc_moves_the_end_of_the_last_block(void **state)
{
    (void)state;
    unsigned char *a = get(100), *b = get(100);

    b[99] = 7;
    assert_ptr_equal(
        sound(heap_realloc_in(&heap, b, (struct layout){100, 1}, 5000)), b);
    assert_int_equal(b[99], 7);
    assert_ptr_equal(get(1), b + TAKES(5008));
    put(b + TAKES(5008));
    assert_ptr_equal(
        sound(heap_realloc_in(&heap, b, (struct layout){5000, 1}, 10)), b);
    assert_ptr_equal(get(1), b + TAKES(16));
    put(b + TAKES(16));

    /* not of one that is not the last, but it can be cut */
    assert_ptr_not_equal(
        a, sound(heap_realloc_in(&heap, a, (struct layout){100, 1}, 200)));
}

static void test_realloc_cuts_a_block_in_the_row(void **state)
{
    (void)state;
    unsigned char *a = get(400), *b = get(16), *z = get_back(400),
                  *y = get_back(16);
    struct layout layout = {400, 1};
    size_t held = heap_stats(&heap).held;

    assert_ptr_equal(sound(heap_realloc_in(&heap, a, layout, 100)), a);
    assert_ptr_equal(sound(heap_realloc_in(&heap, z, layout, 100)), z);
    assert_int_equal(heap_stats(&heap).held, held - 2 * (400 - 112));
    /* what was cut off goes back to the gap with the block behind it */
    put(b);
    assert_ptr_equal(get(16), a + TAKES(112));
    put(y);
    put(z);
    assert_ptr_equal(get_back(16), array + sizeof(array) - 16);
}

/* Makes the array usable piece by piece. */
static size_t asked;

static size_t grow(void *context, size_t bytes)
{
    (void)context;
    asked = bytes;
    return align_up(bytes, 4096);
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
    assert_int_equal(heap_init(&heap, &heap_bump, region), MM_OK);
}

static void test_growth_lengthens_the_gap(void **state)
{
    (void)state;
    growing_heap(false);
    unsigned char *a = get(3000), *b = get(3000);

    assert_ptr_equal(b, a + TAKES(3008));
    assert_int_equal(asked, (size_t)(b + 3008 - (array + 4096)));
    assert_int_equal(heap_stats(&heap).region, 8192);

    /* the last block grows with the region */
    assert_ptr_equal(
        sound(heap_realloc_in(&heap, b, (struct layout){3000, 1}, 10000)), b);
    assert_int_equal(heap_stats(&heap).region, 16384);
}

static void test_growth_behind_long_lived_blocks(void **state)
{
    (void)state;
    growing_heap(false);
    unsigned char *a = get(100), *z = get_back(1000), *y = get_back(100),
                  *x = get_back(100);
    put(y);
    unsigned char *b = get(4000);
    assert_int_equal(asked, TAKES(4000));
    assert_int_equal(heap_stats(&heap).region, 8192);
    assert_ptr_equal(b, array + 4096 + sizeof(struct block));

    /* one row now: front finds its way back over gap and freed blocks */
    put(b);
    put(x);
    put(z);
    assert_ptr_equal(get(16), a + TAKES(112));
    assert_ptr_equal(get_back(16), array + 8192 - 16);
}

static void test_growth_behind_long_lived_blocks_freed_at_the_end(void **state)
{
    (void)state;
    growing_heap(false);
    unsigned char *a = get(100), *z = get_back(1000), *y = get_back(100);
    put(z);
    /* the freed block at the end serves, with what is grown behind it */
    assert_ptr_equal(get(4000), y + TAKES(112));
    put(a);
    put(y);
}

static void test_realloc_does_not_grow_over_long_lived_blocks(void **state)
{
    (void)state;
    growing_heap(false);
    unsigned char *a = get(100), *z = get_back(100);
    memset(a, 1, 100);
    memset(z, 2, 100);
    unsigned char *b =
        sound(heap_realloc_in(&heap, a, (struct layout){100, 1}, 9000));
    assert_ptr_equal(b, z + 112 + sizeof(struct block));
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(b[i], 1);
        assert_int_equal(z[i], 2);
    }
    put(z);
    put(b);
}

static void test_growth_for_a_long_lived_block(void **state)
{
    (void)state;
    growing_heap(false);
    get(3000);
    unsigned char *z = get_back(3000);
    assert_ptr_equal(z + 3008, array + 8192);
    unsigned char *y =
        sound(heap_alloc_back_in(&heap, (struct layout){16, 4096}));
    assert_ptr_equal(y, array + 4096);
    assert_int_equal(heap_stats(&heap).region, 8192);
    /* for the next there is no room, but behind the first two */
    unsigned char *x = get_back(2000);
    assert_ptr_equal(x + 2000, array + 12288);
    put(z);
    put(y);
    put(x);
}

/* What nobody has written is 0 in a zeroed region.  This test writes there
 * behind the heap's back, to see which bytes the heap does not clear. */
static void test_zeroed_memory_is_not_cleared_again(void **state)
{
    struct layout layout = {1000, 1};

    (void)state;
    growing_heap(true);
    unsigned char *a = get(100);
    memset(a + 112, 0xee, sizeof(array) - (size_t)(a + 112 - array));

    unsigned char *b = sound(heap_alloc_zeroed_in(&heap, layout));
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(b[i], 0xee);
    /* a block that is fresh in its second half only */
    put(b);
    layout.size = 2000;
    b = sound(heap_alloc_zeroed_in(&heap, layout));
    for (size_t i = 0; i < 2000; i++)
        assert_int_equal(b[i], i < 1008 ? 0 : 0xee);
    /* where long-lived blocks have been, nothing is fresh */
    put(get_back(500));
    put(b);
    layout.size = 3500;
    b = sound(heap_alloc_zeroed_in(&heap, layout));
    for (size_t i = 0; i < 3500; i++)
        assert_int_equal(b[i], 0);
    /* but what the region grows by is */
    layout.size = 4000;
    unsigned char *c = sound(heap_alloc_zeroed_in(&heap, layout));
    for (size_t i = 0; i < 4000; i++)
        assert_int_equal(c[i], c + i < array + 4096 ? 0 : 0xee);
}

static void test_zeroed_memory_is_fresh_across_growth(void **state)
{
    struct layout layout = {8000, 1};

    (void)state;
    growing_heap(true);
    unsigned char *a = get(100);
    memset(a + 112, 0xee, sizeof(array) - (size_t)(a + 112 - array));
    unsigned char *b = sound(heap_alloc_zeroed_in(&heap, layout));
    for (size_t i = 0; i < layout.size; i++)
        assert_int_equal(b[i], 0xee);
}

static void test_freed_blocks_in_the_gap_are_told(void **state)
{
    struct heap_block found;

    (void)state;
    unsigned char *a = get(100), *b = get(100), *z = get_back(100);
    unsigned char *y = get_back(100);
    put(b);
    put(y);
    assert_int_equal(heap_bump.find(&heap, b, &found), HEAP_DOUBLE_FREE);
    assert_ptr_equal(found.start, b);
    assert_int_equal(found.layout.size, 100);
    assert_int_equal(heap_bump.find(&heap, y, &found), HEAP_DOUBLE_FREE);
    assert_int_equal(heap_bump.find(&heap, b + 32, &found), HEAP_NOT_A_START);
    assert_int_equal(heap_bump.find(&heap, b + 5, &found), HEAP_NOT_A_START);
    unsigned char *first = array + heap_bump.region_min - BLOCK_MIN;
    assert_int_equal(heap_bump.find(&heap, first, &found), HEAP_NOT_A_START);
    assert_int_equal(heap_bump.find(&heap, first - 1, &found), HEAP_FOREIGN);
    /* even with the mark of a live block */
    block_write((vaddr_t)b + 16, 64, BLOCK_LIVE);
    assert_int_equal(heap_bump.find(&heap, b + 32, &found), HEAP_NOT_A_START);
    put(a);
    put(z);
}

static void test_check_finds_each_kind_of_damage(void **state)
{
    (void)state;
    unsigned char *a = get(100), *hole = get(104), *b = get(100);
    unsigned char *z = get_back(100), *y = get_back(100), *x = get_back(100);
    put(hole);
    put(y);

    struct {
        vaddr_t front, back;
    } *bump = heap.region.start;
    struct block *block = block_of(b), *first = block_of(a);
    struct {
        void *at;
        size_t bytes;
        uint64_t value;
        const void *place;
    } damages[] = {
        {&block->mark, 4, 0, block},
        {&block->mark, 4, block_mark(first, BLOCK_LIVE), block},
        {&block->size, 8, 16, block},
        {&block->size, 8, 144, block},
        {&block->slack, 1, 32, block},
        {&block->slack, 1, 13, &heap.stats},
        {&block->align_shift, 1, 15, block},
        {&block->after_free, 1, 0, block},
        {&first->after_free, 1, 1, first},
        {hole + 104, 8, 0, block_of(hole)},
        {&block->mark, 4, block_mark(block, BLOCK_FREE), block},
        {&first->mark, 4, block_mark(first, BLOCK_FREE), NULL},
        {&block_of(x)->mark, 4, block_mark(block_of(x), BLOCK_FREE),
         block_of(x)},
        {&block_of(y)->mark, 4, 0, block_of(y)},
        {&block_of(z)->mark, 4, block_mark(block_of(z), BLOCK_FREE), NULL},
        {&block_of(z)->size, 8, 144, block_of(z)},
        {&bump->front, 8, (uint64_t)bump->back - 16, bump},
        {&bump->front, 8, (uint64_t)bump->front + 8, bump},
        {&bump->front, 8, 0, bump},
        {&bump->back, 8, (uint64_t)bump->front - 32, bump},
        {&bump->back, 8, (uint64_t)-32, bump},
        {&bump->front, 8, (uint64_t)(vaddr_t)block, block},
        {&bump->back, 8, (uint64_t)(vaddr_t)block_of(y), block_of(y)},
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
    put(x);
    put(z);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_front_moves_up_by_the_size_of_each_block),
        TEST(test_the_last_block_is_taken_back),
        TEST(test_with_the_last_block_go_the_free_ones_in_front),
        TEST(test_what_an_alignment_skips_is_taken_back_too),
        TEST(test_it_starts_over_when_all_are_freed),
        TEST(test_long_lived_blocks_come_from_the_other_end),
        TEST(test_the_ends_meet),
        TEST(test_realloc_moves_the_end_of_the_last_block),
        TEST(test_realloc_cuts_a_block_in_the_row),
        TEST(test_growth_lengthens_the_gap),
        TEST(test_growth_behind_long_lived_blocks),
        TEST(test_growth_behind_long_lived_blocks_freed_at_the_end),
        TEST(test_realloc_does_not_grow_over_long_lived_blocks),
        TEST(test_growth_for_a_long_lived_block),
        TEST(test_zeroed_memory_is_not_cleared_again),
        TEST(test_zeroed_memory_is_fresh_across_growth),
        TEST(test_freed_blocks_in_the_gap_are_told),
        TEST(test_check_finds_each_kind_of_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
