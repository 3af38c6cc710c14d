/* The table of regions and its page table; pages and devices; what an address
 * is, in words. */
#include "mm/kernel_space.h"

#include <stdarg.h>
#include <stdbool.h>

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/format.h"
#include "lib/string.h"
#include "mm/boot_frames.h"
#include "mm/cpu/cpu_order.h"
#include "mm/frame.h"
#include "mm/platform.h"
#include "mm/space/give_back.h"

/* What boot/start32.asm has mapped.  Tables can be written only in it. */
#define EARLY_LIMIT (4 * GIB)

static struct page_table table;
static const struct memory_map *memory;

/* ---- The regions ---- */

#define REGIONS_MAX 18

static struct region regions[REGIONS_MAX];
static unsigned region_count;

#define FIXED(region)    region##_BASE, region##_BYTES
#define SPAN(start, end) start, (end) - (start)
#define PART(part)       SPAN(image->part, image->part##_end)
#define GUARD(i)         image->stack[i].bottom - PAGE_SIZE, PAGE_SIZE
#define STACK(i)         SPAN(image->stack[i].bottom, image->stack[i].top)

/* Where the direct map shows a place of the image, and where it ends. */
#define SHOWN(part)    (image->part - KERNEL_BASE + DIRECT_MAP_BASE)
#define DIRECT_MAP_END (DIRECT_MAP_BASE + DIRECT_MAP_BYTES)

#define LOW_HALF_BASE  0
#define LOW_HALF_BYTES (UINT64_C(1) << 47)

/* The whole layout. */
static void list_regions(const struct kernel_image *image)
{
    const enum region_kind WHOLLY = REGION_MAPPED, RAM = REGION_RAM,
                           DEMAND = REGION_ON_DEMAND, NEVER = REGION_UNMAPPED;
    enum {
        X = PAGE_EXECUTE,
        W = PAGE_WRITE,
        G = PAGE_GLOBAL,
        ANY = REGION_ANY_CACHING,
    };
    /* clang-format off */
    const struct region plan[] = {
        {FIXED(LOW_HALF),       NEVER,  0,           "low half"},
        {SPAN(DIRECT_MAP_BASE, SHOWN(text)),
                                RAM,    W | G,       "direct map"},
        {SPAN(SHOWN(text), SHOWN(rodata_end)),
                                RAM,    G,           "direct map of text and constants"},
        {SPAN(SHOWN(rodata_end), DIRECT_MAP_END),
                                RAM,    W | G,       "direct map, the rest"},
        {FIXED(HEAP),           DEMAND, W | G,       "heap"},
        {FIXED(SCRATCH),        DEMAND, W | ANY,     "self-test scratch"},
        {FIXED(RANGES),         DEMAND, W | G | ANY, "ranges"},
        {PART(text),            WHOLLY, X | G,       "kernel text"},
        {PART(rodata),          WHOLLY, G,           "kernel constants"},
        {PART(data),            WHOLLY, W | G,       "kernel data"},
        {GUARD(0),              NEVER,  0,           "boot stack's guard page"},
        {STACK(0),              WHOLLY, W | G,       "boot stack"},
        {GUARD(1),              NEVER,  0,           "double fault stack's guard page"},
        {STACK(1),              WHOLLY, W | G,       "double fault stack"},
        {GUARD(2),              NEVER,  0,           "NMI stack's guard page"},
        {STACK(2),              WHOLLY, W | G,       "NMI stack"},
        {GUARD(3),              NEVER,  0,           "machine check stack's guard page"},
        {STACK(3),              WHOLLY, W | G,       "machine check stack"},
    };
    /* clang-format on */
    const unsigned count = sizeof(plan) / sizeof(plan[0]);
    _Static_assert(sizeof(plan) <= sizeof(regions), "REGIONS_MAX");
    region_count = 0;
    for (unsigned i = 0; i < count; i++)
        if (plan[i].bytes > 0) /* parts of the image may be empty */
            regions[region_count++] = plan[i];
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

/* ---- The mapping ---- */

/* Until kernel_space_use_frames tables are cut from the map.  They are never
 * given back. */
static paddr_t alloc_from_map(void *context)
{
    return boot_frames_alloc(context, PAGE_SIZE, PAGE_SIZE, EARLY_LIMIT);
}

static void keep(void *context, paddr_t frame)
{
    (void)context;
    (void)frame;
}

static paddr_t alloc_frame(void *context)
{
    (void)context;
    return frame_alloc(FRAME_4K);
}

/* Frees a table.  A table that was cut from the map is no frame of the
 * allocator: frame_free refuses it as reserved, and it stays where it is. */
static void free_frame(void *context, paddr_t frame)
{
    (void)context;
    enum mm_error error = give_back(frame);
    ASSERT(error == MM_OK || error == MM_RESERVED, "page table 0x%lx: %s",
           frame, mm_error_name(error));
}

/* The types that the direct map shows: RAM, whatever it is used for.  Device
 * memory is mapped on request, with the caching that it needs. */
static bool is_ram(enum memory_type type)
{
    return type < MEMORY_RESERVED && type != MEMORY_FRAMEBUFFER;
}

/* The first piece of RAM at or above an address, rounded outward to 2 MiB.  So
 * small holes in the firmware's map do not break the direct map into 4 KiB
 * pages.  False if there is none. */
static bool next_ram(paddr_t at, paddr_t *start, paddr_t *end)
{
    bool found = false;
    for (unsigned i = 0; i < memory->count; i++) {
        const struct memory_range *range = &memory->range[i];
        paddr_t from = align_down(range->start, SIZE_2M);
        paddr_t to = align_up(range->end, SIZE_2M);
        if (!is_ram(range->type) || to <= at)
            continue;
        if (found && from > *end)
            break;
        if (!found)
            *start = from > at ? from : at;
        *end = to;
        found = true;
    }
    return found;
}

/* The RAM that a part of the direct map shows.  By addresses, because page_map
 * takes its tables out of the same map: that moves its entries, but RAM stays
 * RAM. */
static enum mm_error map_ram(const struct region *part)
{
    paddr_t limit = part->start + part->bytes - DIRECT_MAP_BASE;
    paddr_t at = part->start - DIRECT_MAP_BASE;
    for (paddr_t start = at, end = at; next_ram(at, &start, &end); at = end) {
        if (end > DIRECT_MAP_BYTES)
            return MM_OUT_OF_RANGE;
        if (start >= limit)
            break;
        if (end > limit)
            end = limit;
        enum mm_error error = page_map(&table, DIRECT_MAP_BASE + start, start,
                                       end - start, part->flags);
        if (error != MM_OK)
            return error;
    }
    return MM_OK;
}

static enum mm_error map_regions(void)
{
    for (unsigned i = 0; i < region_count; i++) {
        const struct region *r = &regions[i];
        enum mm_error error = MM_OK;
        if (r->kind == REGION_RAM)
            error = map_ram(r);
        else if (r->kind == REGION_MAPPED)
            error = page_map(&table, r->start, r->start - KERNEL_BASE, r->bytes,
                             r->flags);
        if (error != MM_OK)
            return error;
    }
    return MM_OK;
}

static struct virtual_space ranges;
static bool frames_ready;

/* The devices that are mapped; bytes is 0 in an unused entry. */
static struct device {
    paddr_t paddr;
    uint64_t bytes;
    unsigned caching;
    vaddr_t vaddr;
} devices[KERNEL_SPACE_DEVICES_MAX];

/* Protects the devices, and the page table below "ranges". */
static struct cpu_lock ranges_lock;

enum mm_error kernel_space_init(struct memory_map *map,
                                const struct kernel_image *image)
{
    memory = map;
    frames_ready = false;
    memset(devices, 0, sizeof(devices));
    list_regions(image);
    enum mm_error error =
        virtual_space_init(&ranges, RANGES_BASE, RANGES_BYTES);
    if (error == MM_OK)
        error = page_table_init(&table, alloc_from_map, keep, map);
    if (error == MM_OK)
        error = map_regions();
    if (error == MM_OK)
        page_table_load(&table);
    return error;
}

void kernel_space_use_frames(void)
{
    table.alloc = alloc_frame;
    table.free = free_frame;
    frames_ready = true;
}

struct page_table *kernel_space_table(void)
{
    return &table;
}

struct virtual_space *kernel_space_ranges(void)
{
    return &ranges;
}

/* ---- Pages ---- */

_Static_assert(FRAME_4K == (int)LEVEL_PT && FRAME_2M == (int)LEVEL_PD &&
                   FRAME_1G == (int)LEVEL_PDPT,
               "a frame of a size is what a leaf of that level maps");

/* give_back cannot fail here, unless this file has a bug. */
static void give_page_back(paddr_t frame)
{
    enum mm_error error = give_back(frame);
    ASSERT(error == MM_OK, "frame 0x%lx: %s", frame, mm_error_name(error));
}

/* How many leaves are unmapped at a time, before their frames are freed. */
#define BATCH 64

/* Unmaps the range, in which every leaf lies wholly, and frees the frames. */
static void unback(vaddr_t start, uint64_t bytes)
{
    vaddr_t end = start + bytes;
    while (start < end) {
        paddr_t frames[BATCH];
        unsigned count = 0;
        vaddr_t at = start;
        for (; count < BATCH && at < end; count++) {
            struct page_walk walk;
            enum mm_error error = page_walk(&table, at, &walk);
            ASSERT(error == MM_OK && walk.leaf.vaddr == at, "0x%lx: %s", at,
                   mm_error_name(error));
            frames[count] = walk.leaf.paddr;
            at += walk.leaf.bytes;
        }
        enum mm_error error = page_unmap(&table, start, at - start);
        ASSERT(error == MM_OK, "0x%lx: %s", start, mm_error_name(error));
        while (count > 0)
            give_page_back(frames[--count]);
        start = at;
    }
}

/* A frame as large as there is, at most of this level; *level becomes its own.
 * Errors of frame_try_alloc. */
static enum mm_error alloc_up_to(unsigned *level, paddr_t *frame)
{
    for (;; --*level) {
        enum frame_size size = *level;
        enum mm_error error = frame_try_alloc(size, frame);
        if (error == MM_OK || size == FRAME_4K)
            return error;
    }
}

static enum mm_error back(vaddr_t start, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        unsigned level = page_largest_level(start + done, 0, bytes - done,
                                            table.largest_level);
        paddr_t frame;
        enum mm_error error = alloc_up_to(&level, &frame);
        if (error == MM_OK) {
            error = page_map(&table, start + done, frame,
                             page_level_size(level), PAGE_WRITE | PAGE_GLOBAL);
            if (error != MM_OK)
                give_page_back(frame);
        }
        if (error != MM_OK) {
            unback(start, done);
            return error;
        }
        done += page_level_size(level);
    }
    return MM_OK;
}

/* Raises the alignment of a range so that large leaves fit.  An invalid
 * alignment is returned unchanged, so that virtual_range_alloc refuses it. */
static uint64_t align_for_leaves(uint64_t alignment, paddr_t paddr,
                                 uint64_t bytes)
{
    uint64_t leaf = page_level_size(
        page_largest_level(0, paddr, bytes, table.largest_level));
    bool valid = is_power_of_two(alignment) && alignment >= PAGE_SIZE;
    return valid && alignment < leaf ? leaf : alignment;
}

/* Frees a range in which nothing is mapped. */
static void drop_range(vaddr_t start)
{
    enum mm_error error = virtual_range_free(&ranges, start);
    ASSERT(error == MM_OK, "range 0x%lx: %s", start, mm_error_name(error));
}

enum mm_error kernel_space_alloc_pages(uint64_t bytes, uint64_t alignment,
                                       unsigned guards, const char *name,
                                       void **pages)
{
    vaddr_t start;
    if (!frames_ready)
        return MM_NOT_READY;
    alignment = align_for_leaves(alignment, 0, bytes);
    if (!cpu_order_acquire(&ranges_lock, CPU_RANK_RANGES))
        return MM_BUSY;
    give_back_waiting();
    enum mm_error error =
        virtual_range_alloc(&ranges, bytes, alignment, guards, name, &start);
    if (error == MM_OK) {
        error = back(start, bytes);
        if (error == MM_OK)
            *pages = (void *)start;
        else
            drop_range(start);
    }
    cpu_order_release(&ranges_lock, CPU_RANK_RANGES);
    return error;
}

static struct device *find_device(vaddr_t address)
{
    for (unsigned i = 0; i < KERNEL_SPACE_DEVICES_MAX; i++)
        if (address - devices[i].vaddr < devices[i].bytes)
            return &devices[i];
    return NULL;
}

static enum mm_error free_pages_locked(vaddr_t start)
{
    struct virtual_range range;
    if (find_device(start) != NULL)
        return MM_BAD_ARGUMENT;
    enum mm_error error = virtual_range_look(&ranges, start, &range);
    if (error != MM_OK)
        return error;
    unback(range.start, range.bytes);
    drop_range(start);
    return MM_OK;
}

enum mm_error kernel_space_free_pages(void *pages)
{
    if (!frames_ready)
        return MM_NOT_READY;
    if (!cpu_order_acquire(&ranges_lock, CPU_RANK_RANGES))
        return MM_BUSY;
    enum mm_error error = free_pages_locked((vaddr_t)pages);
    cpu_order_release(&ranges_lock, CPU_RANK_RANGES);
    return error;
}

/* ---- Devices ---- */

static bool overlap(paddr_t a, uint64_t a_bytes, paddr_t b, uint64_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

/* The map's ranges are whole pages, so RAM overlaps the bytes exactly if it
 * overlaps their pages. */
static bool touches_ram(paddr_t paddr, uint64_t bytes)
{
    for (unsigned i = 0; i < memory->count; i++) {
        const struct memory_range *range = &memory->range[i];
        if (is_ram(range->type) &&
            overlap(paddr, bytes, range->start, range->end - range->start))
            return true;
    }
    return false;
}

static bool is_cached_otherwise(const struct device *wish)
{
    for (unsigned i = 0; i < KERNEL_SPACE_DEVICES_MAX; i++)
        if (devices[i].bytes > 0 && devices[i].caching != wish->caching &&
            overlap(devices[i].paddr, devices[i].bytes, wish->paddr,
                    wish->bytes))
            return true;
    return false;
}

static struct device *unused_device(void)
{
    for (unsigned i = 0; i < KERNEL_SPACE_DEVICES_MAX; i++)
        if (devices[i].bytes == 0)
            return &devices[i];
    return NULL;
}

/* Unmaps these pages in the direct map, where it shows them: a frame must not
 * be mapped with two kinds of caching (AMD64 manual, volume 2, section 7.8.7).
 */
static enum mm_error hide_in_direct_map(paddr_t paddr, uint64_t bytes)
{
    paddr_t end = paddr + bytes;
    if (end > DIRECT_MAP_BYTES)
        end = DIRECT_MAP_BYTES;
    while (paddr < end) {
        struct page_walk walk;
        vaddr_t at = DIRECT_MAP_BASE + paddr;
        bool shown = page_walk(&table, at, &walk) == MM_OK;
        uint64_t size = page_level_size(walk.last);
        paddr_t next = align_down(paddr, size) + size;
        if (next > end)
            next = end;
        if (shown) {
            enum mm_error error = page_unmap(&table, at, next - paddr);
            if (error != MM_OK)
                return error;
        }
        paddr = next;
    }
    return MM_OK;
}

/* Maps a device at the range that was allocated for it. */
static enum mm_error map_device_at(const struct device *wish)
{
    enum mm_error error =
        page_map(&table, wish->vaddr, wish->paddr, wish->bytes,
                 PAGE_WRITE | PAGE_GLOBAL | wish->caching);
    if (error != MM_OK || wish->caching == 0)
        return error;
    error = hide_in_direct_map(wish->paddr, wish->bytes);
    if (error != MM_OK) {
        enum mm_error undone = page_unmap(&table, wish->vaddr, wish->bytes);
        ASSERT(undone == MM_OK, "0x%lx: %s", wish->vaddr,
               mm_error_name(undone));
    }
    return error;
}

static enum mm_error map_device_locked(struct device *wish, const char *name)
{
    if (is_cached_otherwise(wish))
        return MM_ALREADY_MAPPED;
    struct device *device = unused_device();
    if (device == NULL)
        return MM_TABLE_FULL;
    enum mm_error error = virtual_range_alloc(
        &ranges, wish->bytes,
        align_for_leaves(PAGE_SIZE, wish->paddr, wish->bytes),
        VIRTUAL_GUARD_BEHIND, name, &wish->vaddr);
    if (error != MM_OK)
        return error;
    error = map_device_at(wish);
    if (error == MM_OK)
        *device = *wish;
    else
        drop_range(wish->vaddr);
    return error;
}

static enum mm_error check_device(paddr_t paddr, uint64_t bytes,
                                  unsigned caching)
{
    if (!frames_ready)
        return MM_NOT_READY;
    if (bytes == 0)
        return MM_EMPTY_RANGE;
    if (paddr + (bytes - 1) < paddr)
        return MM_RANGE_WRAPS;
    if (caching != 0 && caching != PAGE_UNCACHED &&
        caching != PAGE_WRITE_COMBINING)
        return MM_BAD_ARGUMENT;
    if (!page_is_physical(paddr, bytes, table.paddr_bits))
        return MM_OUT_OF_RANGE;
    return touches_ram(paddr, bytes) ? MM_ALREADY_MAPPED : MM_OK;
}

enum mm_error kernel_space_map_device(paddr_t paddr, uint64_t bytes,
                                      unsigned caching, const char *name,
                                      void **at)
{
    enum mm_error error = check_device(paddr, bytes, caching);
    if (error != MM_OK)
        return error;
    uint64_t offset = paddr % PAGE_SIZE;
    struct device wish = {
        .paddr = paddr - offset,
        .bytes = align_up(bytes + offset, PAGE_SIZE),
        .caching = caching,
    };
    if (!cpu_order_acquire(&ranges_lock, CPU_RANK_RANGES))
        return MM_BUSY;
    error = map_device_locked(&wish, name);
    cpu_order_release(&ranges_lock, CPU_RANK_RANGES);
    if (error == MM_OK)
        *at = (void *)(wish.vaddr + offset);
    return error;
}

static enum mm_error unmap_device_locked(vaddr_t page)
{
    struct device *device = find_device(page);
    if (device == NULL || device->vaddr != page)
        return MM_NOT_HELD;
    enum mm_error error = page_unmap(&table, page, device->bytes);
    ASSERT(error == MM_OK, "0x%lx: %s", page, mm_error_name(error));
    drop_range(page);
    device->bytes = 0;
    return MM_OK;
}

enum mm_error kernel_space_unmap_device(void *at)
{
    if (!frames_ready)
        return MM_NOT_READY;
    if (!cpu_order_acquire(&ranges_lock, CPU_RANK_RANGES))
        return MM_BUSY;
    enum mm_error error =
        unmap_device_locked(align_down((vaddr_t)at, PAGE_SIZE));
    cpu_order_release(&ranges_lock, CPU_RANK_RANGES);
    return error;
}

/* ---- In words ---- */

static const char *const kind_names[] = {
    [REGION_MAPPED] = "wholly",
    [REGION_RAM] = "RAM",
    [REGION_ON_DEMAND] = "demand",
    [REGION_UNMAPPED] = "never",
};

static const char *caching_name(const struct region *region)
{
    if (region->kind == REGION_UNMAPPED)
        return "-";
    return region->flags & REGION_ANY_CACHING ? "any" : "cached";
}

static void print_region(int (*print)(const char *format, ...)
                             __attribute__((format(printf, 1, 2))),
                         const struct region *region)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    uint64_t size = region->bytes / KIB;
    unsigned unit = 0;
    /* in at most four digits, if need be rounded */
    for (; unit < 3 && (size % KIB == 0 || size > 9999); unit++)
        size = (size + KIB / 2) / KIB;
    bool mapped = region->kind != REGION_UNMAPPED;
    print("%016lx %4lu %s  %c%c%c %-7s %-6s  %s\n", region->start, size,
          units[unit], mapped ? 'r' : '-',
          region->flags & PAGE_WRITE ? 'w' : '-',
          region->flags & PAGE_EXECUTE ? 'x' : '-', caching_name(region),
          kind_names[region->kind], region->name);
}

void kernel_space_print(int (*print)(const char *format, ...)
                            __attribute__((format(printf, 1, 2))))
{
    print("%-16s %8s  %-3s %-7s %-6s  %s\n", "start", "size", "may", "caching",
          "mapped", "region");
    for (unsigned i = 0; i < region_count; i++)
        print_region(print, &regions[i]);
}

/* A buffer for a sentence. */
struct text {
    char *buffer;
    size_t size;
};

static size_t say(struct text text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static size_t say(struct text text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_string_v(text.buffer, text.size, format, arguments);
    va_end(arguments);
    return length;
}

/* page_walk trusts the tables as little as a fault handler must. */
static bool is_mapped(vaddr_t address)
{
    struct page_walk walk;
    return page_walk(&table, address, &walk) == MM_OK;
}

/* A fault at an address below this is taken for NULL plus the offset of a field
 * or an array element. */
#define NULL_REACH MIB

static size_t explain_direct_map(vaddr_t address, struct text text)
{
    paddr_t paddr = address - DIRECT_MAP_BASE;
    if (!is_mapped(address))
        return say(text, "direct map: no RAM at physical 0x%lx", paddr);
    const struct memory_range *range = memory_map_find(memory, paddr);
    return say(text, "direct map: physical 0x%lx, %s", paddr,
               range != NULL ? memory_type_name(range->type) : "no memory");
}

static size_t explain_range(vaddr_t address, struct text text)
{
    struct virtual_range range = {0};
    enum virtual_place place = virtual_range_find(&ranges, address, &range);
    switch (place) {
    case VIRTUAL_LIVE:
        return say(text, "range '%s' + 0x%lx of 0x%lx bytes%s", range.name,
                   address - range.start, range.bytes,
                   is_mapped(address) ? "" : ", not mapped");
    case VIRTUAL_BEFORE:
        return say(text, "guard page before range '%s'", range.name);
    case VIRTUAL_BEHIND:
        return say(text, "guard page behind range '%s'", range.name);
    case VIRTUAL_FREED:
        return say(text, "freed range '%s': it was 0x%lx bytes at 0x%lx",
                   range.name, range.bytes, range.start);
    case VIRTUAL_FORGOTTEN:
        return say(text, "ranges: in no range now; one was freed long ago");
    case VIRTUAL_UNUSED:
        return say(text, "ranges: never given out");
    case VIRTUAL_BUSY:
        return say(
            text, "ranges: in which one is not known, they were being changed");
    case VIRTUAL_OUTSIDE:
        break;
    }
    return say(text, "ranges");
}

static size_t explain_in(const struct region *region, vaddr_t address,
                         struct text text)
{
    if (region->start == RANGES_BASE)
        return explain_range(address, text);
    if (region->kind == REGION_RAM)
        return explain_direct_map(address, text);
    if (region->start == 0)
        return address < NULL_REACH
                   ? say(text, "%s: NULL + 0x%lx", region->name, address)
                   : say(text, "%s: never mapped", region->name);
    if (region->kind == REGION_UNMAPPED)
        return say(text, "%s", region->name);
    if (!is_mapped(address))
        return say(text, "%s, not yet backed", region->name);
    return say(text, "%s + 0x%lx", region->name, address - region->start);
}

size_t kernel_space_explain(vaddr_t address, char *buffer, size_t size)
{
    struct text text = {buffer, size};
    const struct region *region = kernel_space_find(address);
    if (region != NULL)
        return explain_in(region, address, text);
    return page_is_canonical(address)
               ? say(text, "in none of the kernel's regions")
               : say(text, "not canonical: no CPU has this address");
}
