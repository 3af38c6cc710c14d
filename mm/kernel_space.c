/* The table of regions, and its mapping. */
#include "mm/kernel_space.h"

#include <stdbool.h>
#include <stddef.h>

#include "lib/assert.h"
#include "lib/bits.h"
#include "mm/boot_frames.h"
#include "mm/frame.h"
#include "mm/platform.h"

/* What boot/start32.asm has mapped: tables must lie in it to be written. */
#define EARLY_LIMIT (4 * GIB)

#define REGIONS_MAX 10

static struct region regions[REGIONS_MAX];
static unsigned region_count;

static void add(const char *name, vaddr_t start, uint64_t bytes,
                enum region_kind kind, unsigned flags)
{
    if (bytes == 0)
        return;
    ASSERT(region_count < REGIONS_MAX, "no room for region %s", name);
    regions[region_count++] = (struct region){name, start, bytes, kind, flags};
}

static void list_regions(const struct kernel_image *image)
{
    vaddr_t guard = image->stack_guard, guard_end = guard + PAGE_SIZE;
    region_count = 0;
    add("low half", 0, UINT64_C(1) << 47, REGION_UNMAPPED, 0);
    add("direct map", DIRECT_MAP_BASE, DIRECT_MAP_BYTES, REGION_RAM,
        PAGE_WRITE | PAGE_GLOBAL);
    add("heap", HEAP_BASE, HEAP_BYTES, REGION_ON_DEMAND,
        PAGE_WRITE | PAGE_GLOBAL);
    add("self-test scratch", SCRATCH_BASE, SCRATCH_BYTES, REGION_ON_DEMAND,
        PAGE_WRITE);
    add("kernel text", image->text, image->text_end - image->text,
        REGION_MAPPED, PAGE_EXECUTE | PAGE_GLOBAL);
    add("kernel constants", image->rodata, image->rodata_end - image->rodata,
        REGION_MAPPED, PAGE_GLOBAL);
    add("kernel data", image->data, guard - image->data, REGION_MAPPED,
        PAGE_WRITE | PAGE_GLOBAL);
    add("guard page below the boot stack", guard, PAGE_SIZE, REGION_UNMAPPED,
        0);
    add("kernel data and boot stack", guard_end, image->data_end - guard_end,
        REGION_MAPPED, PAGE_WRITE | PAGE_GLOBAL);
}

/* Tables of the early boot are cut from the map, and stay there for good. */
static paddr_t alloc_from_map(void *context)
{
    return boot_frames_alloc(context, PAGE_SIZE, PAGE_SIZE, EARLY_LIMIT);
}

static void keep(void *context, paddr_t table)
{
    (void)context;
    (void)table;
}

static paddr_t alloc_frame(void *context)
{
    (void)context;
    return frame_alloc(FRAME_4K);
}

/* A table that came from the map is no frame of the allocator: it is
 * refused, as reserved, and stays where it is. */
static void free_frame(void *context, paddr_t table)
{
    (void)context;
    enum mm_error error = frame_free(table);
    ASSERT(error == MM_OK || error == MM_RESERVED, "page table 0x%lx: %s",
           table, mm_error_name(error));
}

static struct page_table table;

/* What the direct map shows: RAM in any use.  Device memory is mapped where
 * it is asked for, with the caching that it needs. */
static bool is_ram(enum memory_type type)
{
    return type < MEMORY_RESERVED && type != MEMORY_FRAMEBUFFER;
}

static enum mm_error map_ram_range(paddr_t start, paddr_t end, unsigned flags)
{
    return page_map(&table, DIRECT_MAP_BASE + start, start, end - start,
                    flags);
}

/* Ranges are rounded outward to 2 MiB, so that the small holes of a firmware
 * map do not shatter the direct map into 4 KiB pages. */
static enum mm_error map_ram(const struct memory_map *map, unsigned flags)
{
    paddr_t start = 0, end = 0;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (!is_ram(range->type))
            continue;
        if (range->end > DIRECT_MAP_BYTES)
            return MM_OUT_OF_RANGE;
        paddr_t from = align_down(range->start, SIZE_2M);
        if (from > end) {
            enum mm_error error =
                end > start ? map_ram_range(start, end, flags) : MM_OK;
            if (error != MM_OK)
                return error;
            start = from;
        }
        end = align_up(range->end, SIZE_2M);
    }
    return end > start ? map_ram_range(start, end, flags) : MM_OK;
}

static enum mm_error map_regions(const struct memory_map *map)
{
    for (unsigned i = 0; i < region_count; i++) {
        const struct region *r = &regions[i];
        enum mm_error error = MM_OK;
        if (r->kind == REGION_RAM)
            error = map_ram(map, r->flags);
        else if (r->kind == REGION_MAPPED)
            error = page_map(&table, r->start, r->start - KERNEL_BASE,
                             r->bytes, r->flags);
        if (error != MM_OK)
            return error;
    }
    return MM_OK;
}

enum mm_error kernel_space_init(struct memory_map *map,
                                const struct kernel_image *image)
{
    list_regions(image);
    enum mm_error error = page_table_init(&table, alloc_from_map, keep, map);
    if (error == MM_OK)
        error = map_regions(map);
    if (error == MM_OK)
        page_table_load(&table);
    return error;
}

void kernel_space_use_frames(void)
{
    table.alloc = alloc_frame;
    table.free = free_frame;
}

struct page_table *kernel_space_table(void)
{
    return &table;
}

const struct region *kernel_space_regions(unsigned *count)
{
    *count = region_count;
    return regions;
}

const struct region *kernel_space_find(vaddr_t address)
{
    for (unsigned i = 0; i < region_count; i++)
        if (address - regions[i].start < regions[i].bytes)
            return &regions[i];
    return NULL;
}
