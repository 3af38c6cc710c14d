/* sources: mm/kernel_space.c mm/page_table.c mm/page_walk.c mm/frame.c mm/frame_tree.c mm/memory_map.c mm/boot_frames.c mm/error.c lib/format.c */
/* The kernel's address space, built on machines of several shapes. */
#include "tests/host/platform_host.h"

#include <string.h>

#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"

#define IMAGE (KERNEL_BASE + MIB)

static const struct kernel_image image = {
    .text = IMAGE + 0x1000,
    .text_end = IMAGE + 0x5000,
    .rodata = IMAGE + 0x5000,
    .rodata_end = IMAGE + 0x7000,
    .data = IMAGE + 0x7000,
    .data_end = IMAGE + 0x10000,
    .stack_guard = IMAGE + 0x9000,
};

static struct memory_map map;

static void add(uint64_t start, uint64_t end, enum memory_type type)
{
    assert_int_equal(memory_map_add(&map, start, end - start, type), MM_OK);
}

static enum mm_error build(uint64_t ram_end)
{
    memory_map_init(&map, 46);
    add(0, 64 * MIB, MEMORY_USABLE);
    add(0, MIB, MEMORY_RESERVED);
    add(MIB, MIB + 0x10000, MEMORY_KERNEL);
    if (ram_end > 4 * GIB) {
        add(64 * MIB, 4 * GIB, MEMORY_RESERVED);
        add(4 * GIB, ram_end, MEMORY_USABLE);
    }
    return kernel_space_init(&map, &image);
}

static void regions_are_sorted_and_apart(void **state)
{
    (void)state;
    assert_int_equal(build(64 * MIB), MM_OK);
    unsigned count;
    const struct region *regions = kernel_space_regions(&count);
    assert_in_range(count, 8, 20);
    for (unsigned i = 0; i < count; i++) {
        assert_true(is_aligned(regions[i].start | regions[i].bytes, SIZE_4K));
        assert_true(regions[i].bytes > 0);
        assert_ptr_equal(kernel_space_find(regions[i].start), &regions[i]);
        assert_ptr_equal(
            kernel_space_find(regions[i].start + regions[i].bytes - 1),
            &regions[i]);
        assert_false((regions[i].flags & PAGE_WRITE) &&
                     (regions[i].flags & PAGE_EXECUTE));
        if (i > 0)
            assert_true(regions[i - 1].start + regions[i - 1].bytes <=
                        regions[i].start);
    }
    assert_null(kernel_space_find(UINT64_C(1) << 47));
    assert_null(kernel_space_find(UINT64_MAX));
}

static void image_is_mapped_as_it_must_be(void **state)
{
    (void)state;
    static const struct {
        vaddr_t at;
        enum mm_error error;
        unsigned flags;
    } pages[] = {
        {0, MM_NOT_MAPPED, 0},
        {IMAGE, MM_NOT_MAPPED, 0}, /* the boot code was for low addresses */
        {IMAGE + 0x1000, MM_OK, PAGE_EXECUTE},
        {IMAGE + 0x4fff, MM_OK, PAGE_EXECUTE},
        {IMAGE + 0x5000, MM_OK, 0},
        {IMAGE + 0x6fff, MM_OK, 0},
        {IMAGE + 0x7000, MM_OK, PAGE_WRITE},
        {IMAGE + 0x8fff, MM_OK, PAGE_WRITE},
        {IMAGE + 0x9000, MM_NOT_MAPPED, 0}, /* the guard */
        {IMAGE + 0x9fff, MM_NOT_MAPPED, 0},
        {IMAGE + 0xa000, MM_OK, PAGE_WRITE},
        {IMAGE + 0xffff, MM_OK, PAGE_WRITE},
        {IMAGE + 0x10000, MM_NOT_MAPPED, 0},
    };
    assert_int_equal(build(64 * MIB), MM_OK);
    for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        struct page_walk walk;
        enum mm_error error =
            page_walk(kernel_space_table(), pages[i].at, &walk);
        assert_int_equal(error, pages[i].error);
        if (error != MM_OK)
            continue;
        assert_int_equal(walk.paddr, pages[i].at - KERNEL_BASE);
        assert_int_equal(walk.leaf.flags & (PAGE_WRITE | PAGE_EXECUTE),
                         pages[i].flags);
    }
    assert_int_equal(host_page_table, kernel_space_table()->root);
}

/* Every megabyte of RAM shows itself, by leaves as large as they may be. */
static void direct_map_shows_all_ram(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        host_has_1g_pages = large;
        assert_int_equal(build(20 * GIB), MM_OK);
        for (paddr_t p = 0; p < 20 * GIB; p += MIB) {
            paddr_t seen =
                page_translate(kernel_space_table(), DIRECT_MAP_BASE + p);
            bool ram = p < 64 * MIB || p >= 4 * GIB;
            assert_int_equal(seen, ram ? p : PADDR_NONE);
        }
        struct page_walk walk;
        assert_int_equal(page_walk(kernel_space_table(),
                                   DIRECT_MAP_BASE + 5 * GIB, &walk),
                         MM_OK);
        assert_int_equal(walk.leaf.bytes, large ? SIZE_1G : SIZE_2M);
        assert_true(memory_map_check(&map));
    }
    host_has_1g_pages = 1;
}

static void runs_out_of_memory_with_a_name(void **state)
{
    (void)state;
    /* all but a few pages are reserved: no room for the tables */
    memory_map_init(&map, 40);
    add(4 * MIB, 4 * MIB + 3 * SIZE_4K, MEMORY_USABLE);
    host_page_table = PADDR_NONE;
    assert_int_equal(kernel_space_init(&map, &image), MM_OUT_OF_MEMORY);
    assert_true(host_page_table == PADDR_NONE);

    /* RAM past the end of the direct map */
    memory_map_init(&map, 52);
    add(0, 64 * MIB, MEMORY_USABLE);
    add(DIRECT_MAP_BYTES, DIRECT_MAP_BYTES + GIB, MEMORY_USABLE);
    assert_int_equal(kernel_space_init(&map, &image), MM_OUT_OF_RANGE);
    assert_true(host_page_table == PADDR_NONE);
}

/* Tables come from the frames and go back to them. */
static void tables_are_frames_later(void **state)
{
    (void)state;
    assert_int_equal(build(64 * MIB), MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
    kernel_space_use_frames();
    struct frame_stats before, during, after;
    frame_stats(&before);
    paddr_t frame = 0x123000;
    assert_int_equal(page_map(kernel_space_table(), SCRATCH_BASE, frame,
                              SIZE_4K, PAGE_WRITE),
                     MM_OK);
    frame_stats(&during);
    assert_int_equal(before.free_bytes - during.free_bytes, 3 * SIZE_4K);
    assert_int_equal(page_unmap(kernel_space_table(), SCRATCH_BASE, SIZE_4K),
                     MM_OK);
    frame_stats(&after);
    assert_int_equal(before.free_bytes, after.free_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regions_are_sorted_and_apart),
        cmocka_unit_test(image_is_mapped_as_it_must_be),
        cmocka_unit_test(direct_map_shows_all_ram),
        cmocka_unit_test(runs_out_of_memory_with_a_name),
        cmocka_unit_test(tables_are_frames_later),
    };
    return cmocka_run_group_tests_name("kernel_space", tests, NULL, NULL);
}
