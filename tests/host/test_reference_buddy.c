/* sources: bench/reference_buddy.c */
/* The buddy that frames are measured against, at random against a plain model:
 * one byte a frame. */
#include "tests/host/platform_host.h"

#include <stdlib.h>
#include <string.h>

#include "bench/reference_buddy.h"

/* Not a multiple of the largest block; and a 2M is 512. */
#define FRAMES (9u * 1024 + 512 + 256 + 3)

static struct buddy_page pages[FRAMES];
static struct reference_buddy buddy;

static struct {
    unsigned char held[FRAMES];
    uint32_t held_count;
    struct {
        uint32_t frame;
        unsigned order;
    } block[FRAMES];
    unsigned block_count;
} model;

static void start(bool with_stacks)
{
    memset(pages, 0xa5, sizeof(pages));
    memset(&model, 0, sizeof(model));
    host_cpu_count = BUDDY_CPUS;
    platform_thread_cpu = 0;
    reference_buddy_init(&buddy, pages, FRAMES, with_stacks);
    assert_int_equal(reference_buddy_count_2m(&buddy), FRAMES / 512);
}

static bool alloc(unsigned order)
{
    uint32_t frame = reference_buddy_alloc(&buddy, order);
    if (frame == BUDDY_NONE)
        return false;
    assert_int_equal(frame % (1u << order), 0);
    assert_in_range(frame, 0, FRAMES - (1u << order));
    for (uint32_t i = 0; i < 1u << order; i++) {
        assert_false(model.held[frame + i]);
        model.held[frame + i] = 1;
    }
    model.held_count += 1u << order;
    model.block[model.block_count].frame = frame;
    model.block[model.block_count++].order = order;
    return true;
}

static void free_one(unsigned i)
{
    uint32_t frame = model.block[i].frame;
    unsigned order = model.block[i].order;
    model.block[i] = model.block[--model.block_count];
    memset(&model.held[frame], 0, 1u << order);
    model.held_count -= 1u << order;
    reference_buddy_free(&buddy, frame, order);
}

static uint32_t free_in_lists(void)
{
    uint32_t count = 0;
    for (unsigned order = 0; order < BUDDY_ORDERS; order++)
        count += buddy.free_blocks[order] << order;
    return count;
}

static uint32_t free_in_stacks(void)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < BUDDY_CPUS; i++)
        count += buddy.stack[i][BUDDY_STACK_4K].count +
                 buddy.stack[i][BUDDY_STACK_2M].count * 512;
    return count;
}

/* Every list has as many blocks as are counted, each marked with its order. */
static void check_lists(void)
{
    for (unsigned order = 0; order < BUDDY_ORDERS; order++) {
        uint32_t blocks = 0;
        const struct buddy_link *head = &buddy.free[order];
        for (struct buddy_link *link = head->next; link != head;
             link = link->next, blocks++) {
            const struct buddy_page *page = (const struct buddy_page *)link;
            assert_true(page->is_free);
            assert_int_equal(page->order, order);
            assert_ptr_equal(link->next->previous, link);
        }
        assert_int_equal(blocks, buddy.free_blocks[order]);
    }
    assert_int_equal(free_in_lists() + free_in_stacks() + model.held_count,
                     FRAMES);
}

static unsigned random_order(void)
{
    unsigned kind = (unsigned)rand() % 100;
    return kind == 0   ? 10
           : kind == 1 ? 9
           : kind < 10 ? (unsigned)rand() % 9
                       : 0;
}

/* The level of fullness goes up and down, so that it runs out now and then. */
static void at_random(bool with_stacks)
{
    unsigned refused = 0;
    srand(1);
    start(with_stacks);
    for (unsigned i = 0; i < 200000; i++) {
        platform_thread_cpu = (unsigned)rand() % BUDDY_CPUS;
        bool filling = i / 20000 % 2 == 0;
        if (rand() % 5 < (filling ? 4 : 1))
            refused += !alloc(random_order());
        else if (model.block_count > 0)
            free_one((unsigned)rand() % model.block_count);
        if (i % 1000 == 0)
            check_lists();
    }
    assert_true(refused > 0);
    while (model.block_count > 0)
        free_one(model.block_count - 1);
    check_lists();
}

/* Without stacks all blocks are whole again when all is free. */
static void lists_merge_all(void **state)
{
    (void)state;
    at_random(false);
    assert_int_equal(free_in_stacks(), 0);
    assert_int_equal(reference_buddy_count_2m(&buddy), FRAMES / 512);
}

/* A stack never holds more than it may, and what it holds is all that lacks. */
static void stacks_stay_low(void **state)
{
    (void)state;
    at_random(true);
    for (unsigned i = 0; i < BUDDY_CPUS; i++) {
        assert_in_range(buddy.stack[i][BUDDY_STACK_4K].count, 1, 6 * 63);
        assert_in_range(buddy.stack[i][BUDDY_STACK_2M].count, 1, 8);
    }
}

static void all_frames_one_by_one(void **state)
{
    (void)state;
    for (unsigned with_stacks = 0; with_stacks < 2; with_stacks++) {
        start(with_stacks);
        while (alloc(0))
            ;
        assert_int_equal(model.held_count, FRAMES);
        assert_false(alloc(9));
    }
}

static void the_last_freed_is_the_next(void **state)
{
    (void)state;
    start(true);
    for (unsigned i = 0; i < 100; i++)
        assert_true(alloc(0));
    uint32_t frame = model.block[50].frame;
    free_one(50);
    assert_int_equal(reference_buddy_alloc(&buddy, 0), frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_merge_all),
        cmocka_unit_test(stacks_stay_low),
        cmocka_unit_test(all_frames_one_by_one),
        cmocka_unit_test(the_last_freed_is_the_next),
    };
    return cmocka_run_group_tests_name("reference buddy", tests, NULL, NULL);
}
