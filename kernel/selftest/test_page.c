/* Page tables, as the CPU sees them. */
#include "kernel/image.h"
#include "kernel/selftest.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

static volatile uint64_t *word_at(vaddr_t address)
{
    return (volatile uint64_t *)address;
}

static void map_and_look(enum frame_size size)
{
    struct page_table *table = kernel_space_table();
    uint64_t bytes = frame_bytes(size);
    paddr_t frame = frame_alloc(size);
    if (frame == PADDR_NONE)
        return;
    enum mm_error mapped = page_map(table, SCRATCH_BASE, frame, bytes, PAGE_WRITE);
    enum mm_error again = page_map(table, SCRATCH_BASE, frame, bytes, PAGE_WRITE);
    uint64_t seen = 0;
    paddr_t found = PADDR_NONE;
    if (mapped == MM_OK) {
        *(volatile uint64_t *)phys_to_virt(frame + bytes - 8) = 0x1e5c0955;
        seen = *word_at(SCRATCH_BASE + bytes - 8);
        found = page_translate(table, SCRATCH_BASE + bytes - 8);
    }
    enum mm_error unmapped = page_unmap(table, SCRATCH_BASE, bytes);
    enum mm_error absent = page_unmap(table, SCRATCH_BASE, bytes);
    enum mm_error freed = frame_free(frame);
    EXPECT(mapped == MM_OK, "map: %s", mm_error_name(mapped));
    EXPECT(again == MM_ALREADY_MAPPED, "again: %s", mm_error_name(again));
    EXPECT(seen == 0x1e5c0955, "read 0x%lx", seen);
    EXPECT(found == frame + bytes - 8, "0x%lx, frame 0x%lx", found, frame);
    EXPECT(unmapped == MM_OK, "unmap: %s", mm_error_name(unmapped));
    EXPECT(absent == MM_NOT_MAPPED, "twice: %s", mm_error_name(absent));
    EXPECT(freed == MM_OK, "free: %s", mm_error_name(freed));
}

SELFTEST(page, maps_4k)
{
    map_and_look(FRAME_4K);
}

SELFTEST(page, maps_2m)
{
    map_and_look(FRAME_2M);
}

SELFTEST(page, maps_1g)
{
    map_and_look(FRAME_1G);
}

/* An address that was unmapped and mapped to another frame must show the other
 * frame: a TLB entry that was left behind would show the first. */
SELFTEST(page, forgets_stale_translations)
{
    struct page_table *table = kernel_space_table();
    paddr_t frame[2] = {frame_alloc(FRAME_4K), frame_alloc(FRAME_4K)};
    EXPECT(frame[0] != PADDR_NONE && frame[1] != PADDR_NONE, "no frames");
    uint64_t seen[2] = {0, 0};
    for (unsigned i = 0; i < 2; i++) {
        *(volatile uint64_t *)phys_to_virt(frame[i]) = 100 + i;
        if (page_map(table, SCRATCH_BASE, frame[i], PAGE_SIZE, PAGE_WRITE) != MM_OK)
            break;
        seen[i] = *word_at(SCRATCH_BASE);
        if (page_unmap(table, SCRATCH_BASE, PAGE_SIZE) != MM_OK)
            break;
    }
    enum mm_error freed[2] = {frame_free(frame[0]), frame_free(frame[1])};
    EXPECT(seen[0] == 100 && seen[1] == 101, "saw %lu and %lu", seen[0],
           seen[1]);
    EXPECT(freed[0] == MM_OK && freed[1] == MM_OK, "%s, %s",
           mm_error_name(freed[0]), mm_error_name(freed[1]));
}

SELFTEST(page, refuses_nonsense)
{
    struct page_table *table = kernel_space_table();
    const struct {
        vaddr_t vaddr;
        paddr_t paddr;
        uint64_t bytes;
        enum mm_error error;
    } rows[] = {
        {SCRATCH_BASE + 1, 0, PAGE_SIZE, MM_MISALIGNED},
        {SCRATCH_BASE, 1, PAGE_SIZE, MM_MISALIGNED},
        {SCRATCH_BASE, 0, 0, MM_EMPTY_RANGE},
        {UINT64_C(1) << 47, 0, PAGE_SIZE, MM_NON_CANONICAL},
        {SCRATCH_BASE, UINT64_C(1) << 60, PAGE_SIZE, MM_OUT_OF_RANGE},
        {(vaddr_t)text_start, 0, PAGE_SIZE, MM_ALREADY_MAPPED},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum mm_error error = page_map(table, rows[i].vaddr, rows[i].paddr,
                                       rows[i].bytes, PAGE_WRITE);
        EXPECT(error == rows[i].error, "row %u: %s", i, mm_error_name(error));
    }
}

struct audit {
    const struct page_leaf *bad;
    struct page_leaf leaf;
    const char *why;
};

/* Every leaf lies in one region, has its flags, and none can be both written
 * and executed. */
static bool audit_leaf(void *context, const struct page_leaf *leaf)
{
    struct audit *audit = context;
    const unsigned access = PAGE_WRITE | PAGE_EXECUTE | PAGE_USER;
    const struct region *region = kernel_space_find(leaf->vaddr);
    if (region == NULL || region->kind == REGION_UNMAPPED)
        audit->why = "is in no region that may be mapped";
    else if (leaf->vaddr + (leaf->bytes - 1) - region->start >= region->bytes)
        audit->why = "runs out of its region";
    else if ((leaf->flags & access) != (region->flags & access))
        audit->why = "has other rights than its region";
    else if ((leaf->flags & PAGE_WRITE) && (leaf->flags & PAGE_EXECUTE))
        audit->why = "is writable and executable";
    audit->leaf = *leaf;
    return audit->why == NULL;
}

SELFTEST(page, every_leaf_is_as_its_region)
{
    struct audit audit = {0};
    page_table_visit(kernel_space_table(), audit_leaf, &audit);
    EXPECT(audit.why == NULL, "the leaf at 0x%lx (%lu bytes, flags 0x%x) %s",
           audit.leaf.vaddr, audit.leaf.bytes, audit.leaf.flags, audit.why);
}

SELFTEST(page, all_ram_is_in_the_direct_map)
{
    const struct memory_map *map = &selftest_boot_info->map;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (!memory_type_is_free(range->type))
            continue;
        /* 2M steps: no leaf of the direct map is smaller */
        for (paddr_t p = range->start; p < range->end; p += SIZE_2M) {
            paddr_t found =
                page_translate(kernel_space_table(), DIRECT_MAP_BASE + p);
            EXPECT(found == p, "0x%lx shows 0x%lx", p, found);
        }
    }
}

SELFTEST(page, large_leaves_are_used)
{
    const struct memory_map *map = &selftest_boot_info->map;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        paddr_t gib = (range->start + SIZE_1G - 1) & ~(SIZE_1G - 1);
        if (range->type != MEMORY_USABLE || gib + SIZE_1G > range->end)
            continue;
        struct page_walk walk;
        enum mm_error error =
            page_walk(kernel_space_table(), DIRECT_MAP_BASE + gib, &walk);
        uint64_t want = platform_has_1g_pages() ? SIZE_1G : SIZE_2M;
        EXPECT(error == MM_OK && walk.leaf.bytes == want,
               "0x%lx: %s, a leaf of 0x%lx", gib, mm_error_name(error),
               walk.leaf.bytes);
    }
}
