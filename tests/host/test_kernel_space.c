/* sources: mm/cpu/ */
/* sources: mm/space/kernel_space.c mm/space/virtual_range.c mm/page/table.c */
/* sources: mm/space/give_back.c */
/* sources: mm/page/walk.c mm/frame/ mm/tree/ mm/map/memory_map.c */
/* sources: mm/map/boot_frames.c mm/error.c lib/format.c */
/* The kernel's address space, built on machines of several shapes. */
#include "tests/host/platform_host.h"

#include <stdio.h>
#include <string.h>

#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/frame/zone.h"
#include "mm/kernel_space.h"

#define IMAGE (KERNEL_BASE + MIB)

static const struct kernel_image image = {
    .text = IMAGE + 0x1000,
    .text_end = IMAGE + 0x5000,
    .rodata = IMAGE + 0x5000,
    .rodata_end = IMAGE + 0x7000,
    .data = IMAGE + 0x7000,
    .data_end = IMAGE + 0x9000,
    .stack = {{IMAGE + 0xa000, IMAGE + 0xc000},
              {IMAGE + 0xd000, IMAGE + 0xe000},
              {IMAGE + 0xf000, IMAGE + 0x10000},
              {IMAGE + 0x11000, IMAGE + 0x12000}},
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
    add(MIB, MIB + 0x12000, MEMORY_KERNEL);
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
        {IMAGE + 0xbfff, MM_OK, PAGE_WRITE},
        {IMAGE + 0xc000, MM_NOT_MAPPED, 0},
        {IMAGE + 0xd000, MM_OK, PAGE_WRITE},
        {IMAGE + 0xe000, MM_NOT_MAPPED, 0},
        {IMAGE + 0xffff, MM_OK, PAGE_WRITE},
        {IMAGE + 0x10fff, MM_NOT_MAPPED, 0},
        {IMAGE + 0x11fff, MM_OK, PAGE_WRITE},
        {IMAGE + 0x12000, MM_NOT_MAPPED, 0},
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
        assert_int_equal(
            page_walk(kernel_space_table(), DIRECT_MAP_BASE + 5 * GIB, &walk),
            MM_OK);
        assert_int_equal(walk.leaf.bytes, large ? SIZE_1G : SIZE_2M);
        assert_true(memory_map_check(&map));
    }
    host_has_1g_pages = 1;
}

#define RIGHTS (PAGE_WRITE | PAGE_EXECUTE)

static struct page_leaf shown_by(paddr_t paddr)
{
    struct page_walk walk;
    assert_int_equal(
        page_walk(kernel_space_table(), DIRECT_MAP_BASE + paddr, &walk), MM_OK);
    assert_int_equal(walk.paddr, paddr);
    return walk.leaf;
}

/* The boot code before them is ordinary RAM, and so is the data behind. */
static void text_and_constants_are_read_only_in_the_direct_map(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        host_has_1g_pages = large;
        memory_map_init(&map, 46);
        add(0, 64 * MIB, MEMORY_USABLE);
        add(64 * MIB, 20 * GIB, MEMORY_ACPI_NVS); /* no tables from there */
        add(MIB, MIB + 0x12000, MEMORY_KERNEL);
        assert_int_equal(kernel_space_init(&map, &image), MM_OK);
        for (paddr_t p = 0; p < SIZE_2M; p += SIZE_4K) {
            bool constant = p >= MIB + 0x1000 && p < MIB + 0x7000;
            assert_int_equal(shown_by(p).flags & RIGHTS,
                             constant ? 0 : PAGE_WRITE);
        }
        /* nothing is cut in pieces that need not be */
        for (paddr_t p = SIZE_2M; p < SIZE_1G; p += SIZE_2M) {
            assert_int_equal(shown_by(p).bytes, SIZE_2M);
            assert_int_equal(shown_by(p).flags & RIGHTS, PAGE_WRITE);
        }
        assert_int_equal(shown_by(SIZE_1G).bytes, large ? SIZE_1G : SIZE_2M);
        assert_int_equal(shown_by(SIZE_1G).flags & RIGHTS, PAGE_WRITE);
    }
    host_has_1g_pages = 1;
}

/* A text of several megabytes keeps its large leaves. */
static void large_text_is_shown_by_large_leaves(void **state)
{
    (void)state;
    struct kernel_image large = image;
    const uint64_t more = 8 * MIB;
    large.text_end += more;
    large.rodata += more;
    large.rodata_end += more;
    large.data += more;
    large.data_end += more;
    for (unsigned i = 0; i < KERNEL_STACKS; i++) {
        large.stack[i].bottom += more;
        large.stack[i].top += more;
    }
    memory_map_init(&map, 46);
    add(0, 64 * MIB, MEMORY_USABLE);
    add(MIB, MIB + 0x12000 + more, MEMORY_KERNEL);
    assert_int_equal(kernel_space_init(&map, &large), MM_OK);
    paddr_t end = MIB + 0x7000 + more;
    for (paddr_t p = 0; p < 64 * MIB; p += SIZE_4K) {
        bool constant = p >= MIB + 0x1000 && p < end;
        assert_int_equal(shown_by(p).flags & RIGHTS, constant ? 0 : PAGE_WRITE);
        bool pieces =
            p < SIZE_2M || align_down(p, SIZE_2M) == align_down(end, SIZE_2M);
        assert_int_equal(shown_by(p).bytes, pieces ? SIZE_4K : SIZE_2M);
    }
}

/* Tables are cut out of the map that is being mapped: a small piece at the top
 * of what they may come from is used up to its last page, whatever its size,
 * and its entry goes. */
static void holes_stay_holes(void **state)
{
    (void)state;
    host_paddr_bits = 46;
    for (int large = 0; large < 2; large++)
        for (unsigned pages = 1; pages <= 12; pages++) {
            host_has_1g_pages = large;
            memory_map_init(&map, 46);
            add(0, 40 * MIB, MEMORY_USABLE);
            add(48 * MIB, 48 * MIB + pages * SIZE_4K, MEMORY_USABLE);
            for (unsigned i = 1; i <= 4; i++)
                add(i * 1000 * GIB, i * 1000 * GIB + 2 * GIB, MEMORY_USABLE);
            assert_int_equal(kernel_space_init(&map, &image), MM_OK);
            for (paddr_t p = 0; p < 4100 * GIB; p += 512 * MIB) {
                bool ram = p == 0 || (p >= 1000 * GIB &&
                                      p % (1000 * GIB) < 2 * GIB);
                assert_int_equal(page_translate(kernel_space_table(),
                                                DIRECT_MAP_BASE + p),
                                 ram ? p : PADDR_NONE);
            }
        }
    host_has_1g_pages = 1;
    host_paddr_bits = 40;
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

/* ---- Pages and devices ---- */

/* A machine of 64 MiB, all of it ready.  Its firmware holds some more RAM, from
 * the middle of a 2M page on. */
static void start(void)
{
    memory_map_init(&map, 46);
    add(66 * MIB + 0x10000, 68 * MIB, MEMORY_ACPI_NVS);
    add(0, 64 * MIB, MEMORY_USABLE);
    add(0, MIB, MEMORY_RESERVED);
    add(MIB, MIB + 0x12000, MEMORY_KERNEL);
    assert_int_equal(kernel_space_init(&map, &image), MM_OK);
    assert_int_equal(frame_init(&map, HOST_MEMORY_BYTES), MM_OK);
    kernel_space_use_frames();
}

static uint64_t free_bytes(void)
{
    struct frame_stats stats;
    frame_stats(&stats);
    return stats.free_bytes;
}

static unsigned leaf_flags(const void *at)
{
    struct page_walk walk;
    if (page_walk(kernel_space_table(), (vaddr_t)at, &walk) != MM_OK)
        return 0;
    return walk.leaf.flags | PAGE_ACCESSED; /* never 0 */
}

static paddr_t shown(paddr_t paddr)
{
    return page_translate(kernel_space_table(), DIRECT_MAP_BASE + paddr);
}

static void explained(vaddr_t address, const char *sentence)
{
    char buffer[KERNEL_SPACE_SENTENCE];
    size_t length = kernel_space_explain(address, buffer, sizeof(buffer));
    assert_string_equal(buffer, sentence);
    assert_int_equal(length, strlen(sentence));
}

static enum mm_error alloc(uint64_t bytes, void **pages)
{
    return kernel_space_alloc_pages(bytes, SIZE_4K, VIRTUAL_GUARD_BEHIND,
                                    "pages", pages);
}

static void nothing_before_frames_are_used(void **state)
{
    (void)state;
    void *at = &at;
    assert_int_equal(build(64 * MIB), MM_OK);
    assert_int_equal(alloc(SIZE_4K, &at), MM_NOT_READY);
    assert_int_equal(kernel_space_free_pages(at), MM_NOT_READY);
    assert_int_equal(
        kernel_space_map_device(GIB, SIZE_4K, PAGE_UNCACHED, "x", &at),
        MM_NOT_READY);
    assert_int_equal(kernel_space_unmap_device(at), MM_NOT_READY);
    assert_ptr_equal(at, &at);
}

static void pages_come_in_large_leaves_and_go_back(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes, first_leaf, last_leaf;
    } rows[] = {
        {SIZE_4K, SIZE_4K, SIZE_4K},
        {16 * SIZE_4K, SIZE_4K, SIZE_4K},
        {SIZE_2M, SIZE_2M, SIZE_2M},
        {2 * SIZE_2M + 100 * SIZE_4K, SIZE_2M, SIZE_4K},
        {20 * SIZE_2M, SIZE_2M, SIZE_2M},
    };
    start();
    uint64_t before = free_bytes();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *pages;
        struct page_walk walk;
        uint64_t bytes = rows[i].bytes;
        assert_int_equal(alloc(bytes, &pages), MM_OK);
        vaddr_t at = (vaddr_t)pages;
        assert_int_equal(page_walk(kernel_space_table(), at, &walk), MM_OK);
        assert_int_equal(walk.leaf.bytes, rows[i].first_leaf);
        assert_int_equal(walk.leaf.flags & ~(unsigned)PAGE_ACCESSED,
                         PAGE_WRITE | PAGE_GLOBAL);
        assert_int_equal(page_walk(kernel_space_table(), at + bytes - 1, &walk),
                         MM_OK);
        assert_int_equal(walk.leaf.bytes, rows[i].last_leaf);
        assert_int_equal(page_walk(kernel_space_table(), at + bytes, &walk),
                         MM_NOT_MAPPED);
        explained(at + bytes, "guard page behind range 'pages'");
        assert_true(before - free_bytes() >= bytes);
        assert_int_equal(kernel_space_free_pages(pages), MM_OK);
        assert_int_equal(page_walk(kernel_space_table(), at, &walk),
                         MM_NOT_MAPPED);
        assert_int_equal(free_bytes(), before);
    }
    assert_true(frame_check());
    assert_null(virtual_space_check(kernel_space_ranges()));
}

/* Where no 2M frame is left, 4K frames serve. */
static void pages_come_in_pieces_if_they_must(void **state)
{
    (void)state;
    start();
    void *pages;
    static paddr_t large[64];
    unsigned count = 0;
    while ((large[count] = frame_alloc(FRAME_2M)) != PADDR_NONE)
        count++;
    assert_int_equal(frame_free(large[--count]), MM_OK);
    paddr_t small = frame_alloc(FRAME_4K); /* breaks one if it has to */
    assert_true(small != PADDR_NONE);
    enum mm_error error = alloc(SIZE_2M - SIZE_4K, &pages);
    assert_int_equal(error, MM_OK);
    assert_int_equal(kernel_space_free_pages(pages), MM_OK);
    assert_int_equal(alloc(4 * SIZE_2M, &pages), MM_OUT_OF_MEMORY);
    assert_null(virtual_space_check(kernel_space_ranges()));
}

static void pages_refuse_nonsense(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes, alignment;
        unsigned guards;
        const char *name;
        enum mm_error error;
    } rows[] = {
        {0, SIZE_4K, 0, "x", MM_EMPTY_RANGE},
        {5, SIZE_4K, 0, "x", MM_MISALIGNED},
        {SIZE_2M, 3, 0, "x", MM_BAD_ARGUMENT},
        {SIZE_2M, 3 * SIZE_4K, 0, "x", MM_BAD_ARGUMENT},
        {SIZE_4K, SIZE_4K, 8, "x", MM_BAD_ARGUMENT},
        {SIZE_4K, SIZE_4K, 0, NULL, MM_BAD_ARGUMENT},
        {128 * MIB, SIZE_4K, 0, "x", MM_OUT_OF_MEMORY},
        {RANGES_BYTES, SIZE_4K, 1, "x", MM_OUT_OF_MEMORY},
    };
    start();
    uint64_t before = free_bytes();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *pages = &pages;
        assert_int_equal(
            kernel_space_alloc_pages(rows[i].bytes, rows[i].alignment,
                                     rows[i].guards, rows[i].name, &pages),
            rows[i].error);
        assert_ptr_equal(pages, &pages);
        assert_int_equal(free_bytes(), before);
    }
    char *pages;
    void *device;
    assert_int_equal(alloc(2 * SIZE_4K, (void **)&pages), MM_OK);
    assert_int_equal(
        kernel_space_map_device(GIB, SIZE_4K, PAGE_UNCACHED, "d", &device),
        MM_OK);
    assert_int_equal(kernel_space_free_pages(pages + 1), MM_MISALIGNED);
    assert_int_equal(kernel_space_free_pages(pages + SIZE_4K),
                     MM_INSIDE_LARGER);
    assert_int_equal(kernel_space_free_pages(device), MM_BAD_ARGUMENT);
    void *odd = (void *)((vaddr_t)&before | 1);
    assert_int_equal(kernel_space_free_pages(odd), MM_MISALIGNED);
    assert_int_equal(kernel_space_free_pages(NULL), MM_OUT_OF_RANGE);
    assert_int_equal(kernel_space_unmap_device(pages), MM_NOT_HELD);
    assert_int_equal(kernel_space_free_pages(pages), MM_OK);
    assert_int_equal(kernel_space_free_pages(pages), MM_NOT_HELD);
}

static void device_is_mapped_and_unmapped(void **state)
{
    (void)state;
    static const struct {
        paddr_t paddr;
        uint64_t bytes;
        unsigned caching;
        uint64_t leaf;
    } rows[] = {
        {0xfee00000, SIZE_4K, PAGE_UNCACHED, SIZE_4K},
        {0xfed00010, 8, PAGE_UNCACHED, SIZE_4K},
        {0xfed00ffe, 4, PAGE_UNCACHED, SIZE_4K}, /* on both sides of a page */
        {0xfd000000, 16 * MIB, PAGE_WRITE_COMBINING, SIZE_2M},
        {0x100000000, 2 * GIB, PAGE_UNCACHED, SIZE_1G},
        {0xe0000, 0x20000, 0, SIZE_4K}, /* the BIOS: ends where RAM begins */
        {64 * MIB, SIZE_4K, PAGE_UNCACHED, SIZE_4K}, /* begins where it ends */
        {UINT64_C(1) << 39, SIZE_4K, PAGE_UNCACHED, SIZE_4K},
    };
    start();
    uint64_t before = free_bytes();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *at;
        struct page_walk walk;
        assert_int_equal(kernel_space_map_device(rows[i].paddr, rows[i].bytes,
                                                 rows[i].caching, "device",
                                                 &at),
                         MM_OK);
        vaddr_t first = (vaddr_t)at, last = first + rows[i].bytes - 1;
        assert_int_equal(page_translate(kernel_space_table(), first),
                         rows[i].paddr);
        assert_int_equal(page_translate(kernel_space_table(), last),
                         rows[i].paddr + rows[i].bytes - 1);
        assert_int_equal(page_walk(kernel_space_table(), first, &walk), MM_OK);
        assert_int_equal(walk.leaf.bytes, rows[i].leaf);
        assert_int_equal(walk.leaf.flags,
                         PAGE_WRITE | PAGE_GLOBAL | rows[i].caching);
        assert_int_equal(kernel_space_unmap_device(at), MM_OK);
        assert_int_equal(leaf_flags(at), 0);
        struct virtual_range range;
        assert_int_equal(
            virtual_range_find(kernel_space_ranges(), first, &range),
            VIRTUAL_FREED);
        assert_int_equal(kernel_space_unmap_device(at), MM_NOT_HELD);
    }
    assert_int_equal(free_bytes(), before);
}

static void device_refuses_nonsense(void **state)
{
    (void)state;
    static const struct {
        paddr_t paddr;
        uint64_t bytes;
        unsigned caching;
        const char *name;
        enum mm_error error;
    } rows[] = {
        {GIB, 0, PAGE_UNCACHED, "x", MM_EMPTY_RANGE},
        {UINT64_MAX - 10, 12, PAGE_UNCACHED, "x", MM_RANGE_WRAPS},
        {UINT64_MAX - 10, 11, PAGE_UNCACHED, "x", MM_OUT_OF_RANGE},
        {UINT64_C(1) << 40, 1, PAGE_UNCACHED, "x", MM_OUT_OF_RANGE},
        {GIB, SIZE_4K, PAGE_WRITE, "x", MM_BAD_ARGUMENT},
        {GIB, SIZE_4K, REGION_ANY_CACHING, "x", MM_BAD_ARGUMENT},
        {GIB, SIZE_4K, PAGE_UNCACHED, NULL, MM_BAD_ARGUMENT},
        {4 * MIB, 1, PAGE_UNCACHED, "x", MM_ALREADY_MAPPED},
        {64 * MIB - 1, 2, PAGE_UNCACHED, "x", MM_ALREADY_MAPPED},
        {0xfffff, 2, PAGE_UNCACHED, "x", MM_ALREADY_MAPPED}, /* the image */
        {0, GIB, PAGE_UNCACHED, "x", MM_ALREADY_MAPPED},
        {0xb8000, SIZE_4K, PAGE_WRITE_COMBINING, "x", MM_ALREADY_MAPPED},
        {0xb8fff, 2, 0, "x", MM_ALREADY_MAPPED},
    };
    start();
    void *screen;
    assert_int_equal(kernel_space_map_device(0xb8000, SIZE_4K, PAGE_UNCACHED,
                                             "screen", &screen),
                     MM_OK);
    uint64_t before = free_bytes();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *at = &at;
        enum mm_error error = kernel_space_map_device(
            rows[i].paddr, rows[i].bytes, rows[i].caching, rows[i].name, &at);
        if (error != rows[i].error)
            fail_msg("row %u: %s", i, mm_error_name(error));
        assert_ptr_equal(at, &at);
        assert_int_equal(free_bytes(), before);
    }
    /* the same caching is fine; and so are so many devices, and no more */
    void *at[KERNEL_SPACE_DEVICES_MAX], *more;
    for (unsigned i = 1; i < KERNEL_SPACE_DEVICES_MAX; i++)
        assert_int_equal(
            kernel_space_map_device(0xb8000, 8, PAGE_UNCACHED, "again", &at[i]),
            MM_OK);
    assert_int_equal(
        kernel_space_map_device(GIB, 8, PAGE_UNCACHED, "more", &more),
        MM_TABLE_FULL);
    for (unsigned i = 1; i < KERNEL_SPACE_DEVICES_MAX; i++)
        assert_int_equal(kernel_space_unmap_device(at[i]), MM_OK);
    assert_int_equal(free_bytes(), before);
}

/* RAM is rounded outward in the direct map; a device there leaves it, and the
 * RAM beside it stays. */
static void device_leaves_the_direct_map(void **state)
{
    (void)state;
    void *at;
    start();
    assert_int_equal(shown(0xb8000), 0xb8000);
    assert_int_equal(kernel_space_map_device(0xb8000, 2 * SIZE_4K, 0, "x", &at),
                     MM_OK);
    assert_int_equal(shown(0xb8000), 0xb8000); /* no other caching: no harm */
    assert_int_equal(kernel_space_unmap_device(at), MM_OK);
    assert_int_equal(
        kernel_space_map_device(0xb8000, 2 * SIZE_4K, PAGE_UNCACHED, "x", &at),
        MM_OK);
    assert_int_equal(shown(0xb7fff), 0xb7fff);
    assert_int_equal(shown(0xb8000), PADDR_NONE);
    assert_int_equal(shown(0xb9fff), PADDR_NONE);
    assert_int_equal(shown(0xba000), 0xba000);
    assert_int_equal(shown(MIB), MIB);
    assert_int_equal(kernel_space_unmap_device(at), MM_OK);
    /* over a hole in it, and up to a large leaf beside it */
    assert_int_equal(
        kernel_space_map_device(0xa0000, 0x60000, PAGE_UNCACHED, "x", &at),
        MM_OK);
    assert_int_equal(shown(0x9f000), 0x9f000);
    assert_int_equal(shown(0xa0000), PADDR_NONE);
    assert_int_equal(shown(0xff000), PADDR_NONE);
    assert_int_equal(shown(MIB), MIB);
    assert_int_equal(kernel_space_unmap_device(at), MM_OK);
    /* from memory that it does not show into a page that is shown for RAM */
    assert_int_equal(shown(66 * MIB), 66 * MIB);
    assert_int_equal(kernel_space_map_device(65 * MIB, MIB + 0x10000,
                                             PAGE_UNCACHED, "x", &at),
                     MM_OK);
    assert_int_equal(shown(66 * MIB), PADDR_NONE);
    assert_int_equal(shown(66 * MIB + 0xffff), PADDR_NONE);
    assert_int_equal(shown(66 * MIB + 0x10000), 66 * MIB + 0x10000);
    assert_int_equal(kernel_space_unmap_device(at), MM_OK);
}

/* What lies behind the direct map is not taken for a part of it. */
static void device_past_the_direct_map(void **state)
{
    (void)state;
    void *at;
    host_paddr_bits = 48;
    start();
    host_paddr_bits = 40;
    assert_int_equal(DIRECT_MAP_BASE + DIRECT_MAP_BYTES, HEAP_BASE);
    vaddr_t heap = HEAP_BASE;
    assert_int_equal(
        page_map(kernel_space_table(), heap, MIB, 2 * SIZE_4K, PAGE_WRITE),
        MM_OK);
    for (uint64_t behind = 0; behind < 3; behind++) {
        paddr_t paddr = DIRECT_MAP_BYTES + behind * SIZE_4K - SIZE_4K;
        assert_int_equal(kernel_space_map_device(paddr, 2 * SIZE_4K,
                                                 PAGE_UNCACHED, "x", &at),
                         MM_OK);
        for (uint64_t i = 0; i < 2 * SIZE_4K; i += SIZE_4K)
            assert_int_equal(page_translate(kernel_space_table(), heap + i),
                             MIB + i);
        assert_int_equal(kernel_space_unmap_device(at), MM_OK);
    }
}

/* Every number of free frames from none up to what is needed: refused until
 * it is enough, and nothing is lost. */
static void every_frame_in_turn_is_refused(void **state)
{
    (void)state;
    static paddr_t taken[HOST_MEMORY_BYTES / SIZE_4K];
    start();
    unsigned count = 0;
    while ((taken[count] = frame_alloc(FRAME_4K)) != PADDR_NONE)
        count++;
    for (int device = 0; device < 2; device++) {
        unsigned given = 0;
        for (;; given++) {
            void *at = &at;
            uint64_t before = free_bytes();
            enum mm_error error =
                device ? kernel_space_map_device(66 * MIB, SIZE_4K,
                                                 PAGE_UNCACHED, "x", &at)
                       : alloc(5 * SIZE_4K, &at);
            assert_null(virtual_space_check(kernel_space_ranges()));
            if (error == MM_OK) {
                assert_int_equal(device ? kernel_space_unmap_device(at)
                                        : kernel_space_free_pages(at),
                                 MM_OK);
                break;
            }
            assert_int_equal(error, MM_OUT_OF_MEMORY);
            assert_ptr_equal(at, &at);
            assert_int_equal(free_bytes(), before);
            assert_int_equal(shown(66 * MIB), 66 * MIB);
            assert_int_equal(frame_free(taken[--count]), MM_OK);
        }
        /* node, PDPT, PD and PT; then 5 pages, or a PT for the direct map's
         * leaf of 2M */
        assert_int_equal(given, device ? 5 : 9);
        while ((taken[count] = frame_alloc(FRAME_4K)) != PADDR_NONE)
            count++;
    }
}

/* A CPU that does not leave its frame call has the frames' zone: pages and
 * their tables are unmapped all the same, and freed later. */
static void frames_wait_for_a_cpu_that_is_stuck(void **state)
{
    (void)state;
    void *pages, *more;
    host_cpu_count = 2;
    start();
    uint64_t before = free_bytes();
    assert_int_equal(alloc(2 * SIZE_4K, &pages), MM_OK);
    (void)free_bytes(); /* no CPU keeps anything */
    platform_thread_cpu = 1;
    assert_true(cpu_lock_try(&frame_zones.zone[0].lock));
    platform_thread_cpu = 0;
    unsigned lines = host_log_lines;
    assert_int_equal(kernel_space_free_pages(pages), MM_OK);
    assert_int_equal(kernel_space_free_pages(pages), MM_NOT_HELD);
    assert_int_equal(leaf_flags(pages), 0);
    /* more than this CPU has just freed and keeps */
    assert_int_equal(alloc(64 * SIZE_4K, &more), MM_BUSY);
    assert_int_equal(host_log_lines, lines);
    cpu_lock_release(&frame_zones.zone[0].lock);
    assert_int_equal(alloc(64 * SIZE_4K, &more), MM_OK);
    assert_int_equal(kernel_space_free_pages(more), MM_OK);
    assert_int_equal(free_bytes(), before);
    assert_true(frame_check());
    assert_null(virtual_space_check(kernel_space_ranges()));
    host_cpu_count = 1;
}

/* ---- In words ---- */

static void addresses_are_explained(void **state)
{
    (void)state;
    void *pages;
    start();
    explained(0, "low half: NULL + 0x0");
    explained(0x18, "low half: NULL + 0x18");
    explained(0x400000, "low half: never mapped");
    explained(UINT64_C(1) << 47, "not canonical: no CPU has this address");
    explained(DIRECT_MAP_BASE + 4 * MIB + 5,
              "direct map: physical 0x400005, usable");
    explained(DIRECT_MAP_BASE + 64 * MIB,
              "direct map: no RAM at physical 0x4000000");
    explained(DIRECT_MAP_BASE + 0x1000,
              "direct map: physical 0x1000, reserved");
    explained(HEAP_BASE + 5, "heap, not yet backed");
    explained(HEAP_BASE + HEAP_BYTES, "in none of the kernel's regions");
    explained(IMAGE + 0x1002, "kernel text + 0x2");
    explained(IMAGE + 0x9008, "boot stack's guard page");
    explained(UINT64_MAX, "in none of the kernel's regions");

    assert_int_equal(
        kernel_space_alloc_pages(SIZE_4K, SIZE_4K, 3, "log", &pages), MM_OK);
    vaddr_t at = (vaddr_t)pages;
    explained(at + 16, "range 'log' + 0x10 of 0x1000 bytes");
    explained(at - 1, "guard page before range 'log'");
    explained(at + 0x1000, "guard page behind range 'log'");
    explained(at + 0x2000, "ranges: never given out");
    assert_int_equal(kernel_space_free_pages(pages), MM_OK);
    explained(at + 16, "freed range 'log': it was 0x1000 bytes at "
                       "0xffffe00000001000");
    assert_true(cpu_lock_acquire(&kernel_space_ranges()->lock));
    explained(at, "ranges: in which one is not known, they were being changed");
    cpu_lock_release(&kernel_space_ranges()->lock);

    char little[8];
    assert_int_equal(kernel_space_explain(0x18, little, sizeof(little)), 21);
    assert_string_equal(little, "low hal");
}

static char printed[4096];

static int print_here(const char *format, ...)
{
    size_t length = strlen(printed);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(printed + length, sizeof(printed) - length, format, arguments);
    va_end(arguments);
    return 0;
}

static void layout_fits_on_a_screen(void **state)
{
    (void)state;
    start();
    printed[0] = '\0';
    kernel_space_print(print_here);
    unsigned lines = 0, count;
    kernel_space_regions(&count);
    for (char *line = strtok(printed, "\n"); line != NULL;
         line = strtok(NULL, "\n")) {
        assert_in_range(strlen(line), 20, 79);
        print_message("# %s\n", line);
        lines++;
    }
    assert_int_equal(lines, count + 1);
    assert_in_range(lines, 8, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regions_are_sorted_and_apart),
        cmocka_unit_test(image_is_mapped_as_it_must_be),
        cmocka_unit_test(direct_map_shows_all_ram),
        cmocka_unit_test(text_and_constants_are_read_only_in_the_direct_map),
        cmocka_unit_test(large_text_is_shown_by_large_leaves),
        cmocka_unit_test(holes_stay_holes),
        cmocka_unit_test(runs_out_of_memory_with_a_name),
        cmocka_unit_test(tables_are_frames_later),
        cmocka_unit_test(nothing_before_frames_are_used),
        cmocka_unit_test(pages_come_in_large_leaves_and_go_back),
        cmocka_unit_test(pages_come_in_pieces_if_they_must),
        cmocka_unit_test(pages_refuse_nonsense),
        cmocka_unit_test(device_is_mapped_and_unmapped),
        cmocka_unit_test(device_refuses_nonsense),
        cmocka_unit_test(device_leaves_the_direct_map),
        cmocka_unit_test(device_past_the_direct_map),
        cmocka_unit_test(every_frame_in_turn_is_refused),
        cmocka_unit_test(frames_wait_for_a_cpu_that_is_stuck),
        cmocka_unit_test(addresses_are_explained),
        cmocka_unit_test(layout_fits_on_a_screen),
    };
    return cmocka_run_group_tests_name("kernel_space", tests, NULL, NULL);
}
