/* sources: mm/cpu/ */
/* sources: mm/frame/ mm/tree/ mm/map/memory_map.c mm/map/boot_frames.c */
/* sources: mm/error.c */
/* mm/frame/alloc.c on machines of many shapes, against a plain model: one byte
 * for each 4K of what the map says is there. */
#include "tests/host/platform_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bits.h"
#include "mm/frame.h"

/* The first 64 MiB are where the host has memory for the metadata. */
struct piece {
    paddr_t start, end;
    enum memory_type type;
};

#define PIECES_MAX 6

static const struct machine {
    const char *name;
    struct piece piece[PIECES_MAX];
} machines[] = {
    {"64 MiB", {{MIB, 64 * MIB, MEMORY_USABLE}}},
    {"holes",
     {{MIB, 64 * MIB, MEMORY_USABLE},
      {3 * MIB, 3 * MIB + 3 * SIZE_4K, MEMORY_KERNEL},
      {8 * MIB, 10 * MIB, MEMORY_MODULE},
      {20 * MIB + SIZE_4K, 21 * MIB, MEMORY_RESERVED},
      {30 * MIB, 40 * MIB, MEMORY_BOOT_SERVICES},
      {41 * MIB, 42 * MIB, MEMORY_ACPI_RECLAIMABLE}}},
    {"3 GiB below and 3 above the hole",
     {{MIB, 3 * GIB, MEMORY_USABLE},
      {3 * GIB, 4 * GIB, MEMORY_RESERVED},
      {4 * GIB, 7 * GIB - 2 * MIB, MEMORY_USABLE}}},
    {"GiBs far apart",
     {{MIB, 64 * MIB, MEMORY_USABLE},
      {1023 * GIB + 512 * MIB, 1025 * GIB, MEMORY_USABLE},
      {(UINT64_C(1) << 40) - SIZE_4K, (UINT64_C(1) << 40), MEMORY_BAD}}},
};

static struct memory_map map;

static void start(const struct machine *machine)
{
    memory_map_init(&map, 46);
    for (unsigned i = 0; i < PIECES_MAX; i++) {
        const struct piece *p = &machine->piece[i];
        if (p->end > p->start)
            assert_int_equal(
                memory_map_add(&map, p->start, p->end - p->start, p->type),
                MM_OK);
    }
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
    assert_true(frame_check());
}

static bool is_ours(paddr_t page)
{
    const struct memory_range *range = memory_map_find(&map, page);
    return range != NULL && memory_type_is_free(range->type);
}

/* ---- The model ---- */

enum model_state { NOT_OURS, FREE, HELD_4K, HELD_2M, HELD_1G };

/* What is told of each 4K: its state, and the pages of the block it is in
 * start at `first`. */
struct model {
    uint64_t pages;
    unsigned char *state;
    struct model_range {
        paddr_t start, end;
        uint64_t first_page;
    } range[16];
    unsigned ranges;
};

/* The model covers whole GiBs around what is ours. */
static void model_init(struct model *model)
{
    memset(model, 0, sizeof(*model));
    for (unsigned i = 0; i < map.count; i++) {
        if (!is_ours(map.range[i].start))
            continue;
        paddr_t from = align_down(map.range[i].start, SIZE_1G);
        paddr_t to = align_up(map.range[i].end, SIZE_1G);
        struct model_range *last =
            model->ranges > 0 ? &model->range[model->ranges - 1] : NULL;
        if (last != NULL && from < last->end)
            from = last->end;
        if (from >= to)
            continue;
        model->range[model->ranges++] =
            (struct model_range){from, to, model->pages};
        model->pages += (to - from) / SIZE_4K;
    }
    model->state = calloc(model->pages, 1);
    for (unsigned i = 0; i < model->ranges; i++)
        for (paddr_t p = model->range[i].start; p < model->range[i].end;
             p += SIZE_4K)
            model->state[model->range[i].first_page +
                         (p - model->range[i].start) / SIZE_4K] =
                is_ours(p) ? FREE : NOT_OURS;
}

/* NULL: no GiB of ours is there. */
static unsigned char *model_at(struct model *model, paddr_t page)
{
    for (unsigned i = 0; i < model->ranges; i++)
        if (page >= model->range[i].start && page < model->range[i].end)
            return &model->state[model->range[i].first_page +
                                 (page - model->range[i].start) / SIZE_4K];
    return NULL;
}

static bool all_are(const unsigned char *state, uint64_t pages,
                    unsigned char wanted)
{
    for (uint64_t i = 0; i < pages; i++)
        if (state[i] != wanted)
            return false;
    return true;
}

static uint64_t model_free_blocks(const struct model *model, uint64_t pages)
{
    uint64_t blocks = 0;
    for (uint64_t i = 0; i < model->pages; i += pages)
        blocks += all_are(model->state + i, pages, FREE);
    return blocks;
}

static void check_alloc(struct model *model, enum frame_size size,
                        paddr_t frame)
{
    uint64_t pages = frame_bytes(size) / SIZE_4K;
    if (frame == PADDR_NONE) {
        assert_int_equal(model_free_blocks(model, pages), 0);
        return;
    }
    assert_true(is_aligned(frame, frame_bytes(size)));
    unsigned char *state = model_at(model, frame);
    assert_non_null(state);
    assert_true(all_are(state, pages, FREE));
    memset(state, HELD_4K + (int)size, pages);
}

static enum mm_error expected_free(struct model *model, paddr_t frame,
                                   uint64_t *pages)
{
    *pages = 0;
    if (!is_aligned(frame, SIZE_4K))
        return MM_MISALIGNED;
    unsigned char *state = model_at(model, frame);
    if (state == NULL)
        return MM_OUT_OF_RANGE;
    if (*state == NOT_OURS)
        return MM_RESERVED;
    if (*state == FREE)
        return MM_NOT_HELD;
    uint64_t bytes = SIZE_4K << (9 * (*state - HELD_4K));
    if (!is_aligned(frame, bytes))
        return MM_INSIDE_LARGER;
    *pages = bytes / SIZE_4K;
    return MM_OK;
}

static void check_free(struct model *model, paddr_t frame)
{
    uint64_t pages;
    enum mm_error expected = expected_free(model, frame, &pages);
    enum mm_error error = frame_free(frame);
    if (error != expected)
        print_message("0x%lx: %s, not %s\n", frame, mm_error_name(error),
                      mm_error_name(expected));
    assert_int_equal(error, expected);
    if (error == MM_OK)
        memset(model_at(model, frame), FREE, pages);
}

static void check_stats(struct model *model)
{
    struct frame_stats stats;
    frame_stats(&stats);
    uint64_t free = model_free_blocks(model, 1);
    uint64_t whole_2m = model_free_blocks(model, 512);
    uint64_t whole_1g = model_free_blocks(model, 512 * 512);
    assert_int_equal(stats.free_bytes, free * SIZE_4K);
    assert_int_equal(stats.free[FRAME_1G], whole_1g);
    assert_int_equal(stats.free[FRAME_2M], whole_2m - whole_1g * 512);
    assert_int_equal(stats.free[FRAME_4K], free - whole_2m * 512);
}

/* ---- The tests ---- */

static uint64_t random_state;

static uint64_t random_below(uint64_t end)
{
    random_state = random_state * UINT64_C(6364136223846793005) +
                   UINT64_C(1442695040888963407);
    return (random_state >> 20) % end;
}

static paddr_t random_address(const struct model *model)
{
    const struct model_range *range =
        &model->range[random_below(model->ranges)];
    paddr_t page =
        range->start +
        random_below((range->end - range->start) / SIZE_4K) * SIZE_4K;
    switch (random_below(16)) {
    case 0:
        return page + 1 + random_below(SIZE_4K - 1);
    case 1:
        return random_below(UINT64_MAX);
    case 2:
    case 3:
        return align_down(page, SIZE_2M);
    case 4:
        return align_down(page, SIZE_1G);
    default:
        return page;
    }
}

static void agrees_with_the_model(void **state)
{
    (void)state;
    for (unsigned m = 0; m < sizeof(machines) / sizeof(machines[0]); m++) {
        random_state = m + 1;
        start(&machines[m]);
        struct model model;
        model_init(&model);
        check_stats(&model);
        paddr_t held[512];
        unsigned count = 0;
        for (unsigned i = 0; i < 40000; i++) {
            if (random_below(3) != 0) {
                enum frame_size size = (enum frame_size)(
                    random_below(20) == 0 ? FRAME_1G : random_below(8) == 0);
                paddr_t frame = frame_alloc(size);
                check_alloc(&model, size, frame);
                if (frame != PADDR_NONE)
                    held[count++ % 512] = frame;
            } else if (count > 0 && random_below(4) != 0) {
                check_free(&model,
                           held[random_below(count < 512 ? count : 512)]);
            } else {
                check_free(&model, random_address(&model));
            }
            if (i % 10000 == 0) {
                assert_true(frame_check());
                check_stats(&model);
            }
        }
        assert_true(frame_check());
        check_stats(&model);
        free(model.state);
    }
}

/* Every frame of the machine, in each size down from the largest, and back. */
static void hands_out_all_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned m = 0; m < sizeof(machines) / sizeof(machines[0]); m++)
        for (unsigned largest = 0; largest < 3; largest++) {
            start(&machines[m]);
            struct model model;
            model_init(&model);
            struct frame_stats before, after;
            frame_stats(&before);
            for (unsigned size = largest + 1; size-- > 0;) {
                paddr_t frame;
                do {
                    frame = frame_alloc((enum frame_size)size);
                    check_alloc(&model, (enum frame_size)size, frame);
                } while (frame != PADDR_NONE);
            }
            frame_stats(&after);
            assert_int_equal(after.free_bytes, 0);
            for (unsigned r = 0; r < model.ranges; r++)
                for (paddr_t p = model.range[r].start; p < model.range[r].end;
                     p += SIZE_4K)
                    if (*model_at(&model, p) >= HELD_4K)
                        check_free(&model, p);
            frame_stats(&after);
            assert_memory_equal(before.free, after.free, sizeof(after.free));
            assert_int_equal(before.free_bytes, before.managed_bytes);
            free(model.state);
        }
}

/* More RAM than one tree counts: 600 GiB, two trees, the second one short. */
static void goes_beyond_one_tree(void **state)
{
    (void)state;
    static const struct machine large = {
        "600 GiB",
        {{MIB, 256 * MIB, MEMORY_USABLE}, {4 * GIB, 604 * GIB, MEMORY_USABLE}}};
    start(&large);
    struct frame_stats stats;
    frame_stats(&stats);
    assert_int_equal(stats.trees, 2);
    assert_int_equal(stats.gibs, 601);
    assert_int_equal(stats.free[FRAME_1G], 600);
    /* the tree's 32,896 bytes a GiB and a mark for each 4K, and no more than a
     * page of tables for each of a few rooms beside them */
    const uint64_t gib = 32896 + FRAMES_PER_1G;
    assert_in_range(stats.metadata_bytes, 601 * gib, 601 * (gib + 200));

    unsigned count = 0;
    paddr_t last = PADDR_NONE;
    for (paddr_t frame; (frame = frame_alloc(FRAME_1G)) != PADDR_NONE;) {
        assert_true(frame < last); /* 1G from the top of memory */
        last = frame;
        count++;
    }
    assert_int_equal(count, 600);
    for (paddr_t frame = 4 * GIB; frame < 604 * GIB; frame += GIB)
        assert_int_equal(frame_free(frame), MM_OK);
    paddr_t low = frame_alloc(FRAME_4K);
    assert_in_range(low, MIB, 256 * MIB);
    assert_int_equal(frame_free(low), MM_OK);
    assert_int_equal(frame_alloc(FRAME_2M) >= 600 * GIB, 1);
    assert_true(frame_check());
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    struct memory_map *none = calloc(1, sizeof(*none));
    memory_map_init(none, 40);
    assert_int_equal(frame_init(none, HOST_MEMORY_BYTES), MM_OUT_OF_MEMORY);
    assert_int_equal(frame_alloc(FRAME_4K), PADDR_NONE);
    assert_int_equal(frame_free(MIB), MM_NOT_READY);

    /* usable, but not enough for the metadata of one GiB */
    assert_int_equal(memory_map_add(none, MIB, 8 * SIZE_4K, MEMORY_USABLE),
                     MM_OK);
    assert_int_equal(frame_init(none, HOST_MEMORY_BYTES), MM_OUT_OF_MEMORY);
    assert_int_equal(frame_alloc(FRAME_4K), PADDR_NONE);
    free(none);

    struct frame_stats stats;
    frame_stats(&stats);
    assert_int_equal(stats.managed_bytes, 0);
}

static void refuses_a_size_that_is_none(void **state)
{
    (void)state;
    start(&machines[0]);
    assert_int_equal(frame_alloc((enum frame_size)3), PADDR_NONE);
    assert_int_equal(frame_alloc((enum frame_size) - 1), PADDR_NONE);
    assert_true(frame_check());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(refuses_a_size_that_is_none),
        cmocka_unit_test(agrees_with_the_model),
        cmocka_unit_test(hands_out_all_and_nothing_else),
        cmocka_unit_test(goes_beyond_one_tree),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
