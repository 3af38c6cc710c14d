/* Backs a heap with frames: see mm/heap_range.h. */
#include "mm/heap_range.h"

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"
#include "mm/space/give_back.h"

/* The least that a heap grows by, so that small blocks seldom make it grow. */
#define GROWTH_MIN (64 * KIB)

/* Of all pages. */
#define RIGHTS (PAGE_WRITE | PAGE_GLOBAL)

/* give_back cannot fail here unless this file has a bug. */
static void free_frame(paddr_t frame)
{
    enum mm_error error = give_back(frame);
    ASSERT(error == MM_OK, "frame 0x%lx: %s", frame, mm_error_name(error));
}

/* A 2M frame if address and size allow and one is free, else a 4K frame. */
static paddr_t alloc_frame(vaddr_t page, uint64_t wanted, enum frame_size *size)
{
    *size = FRAME_2M;
    if (is_aligned(page, SIZE_2M) && wanted >= SIZE_2M) {
        paddr_t frame = frame_alloc(FRAME_2M);
        if (frame != PADDR_NONE)
            return frame;
    }
    *size = FRAME_4K;
    return frame_alloc(FRAME_4K);
}

/* Maps a frame, cleared, at this page: as large as the address and the size
 * wanted allow.  Returns its bytes, or 0 if there is no memory for it. */
static uint64_t map_frame(vaddr_t page, uint64_t wanted)
{
    enum frame_size size;
    paddr_t frame = alloc_frame(page, wanted, &size);
    if (frame == PADDR_NONE)
        return 0;
    enum mm_error error =
        page_map(kernel_space_table(), page, frame, frame_bytes(size), RIGHTS);
    if (error != MM_OK) {
        free_frame(frame);
        platform_log("heap: cannot map 0x%lx: %s", page, mm_error_text(error));
        return 0;
    }
    memset((void *)page, 0, frame_bytes(size));
    return frame_bytes(size);
}

/* Backs the next page of the range, of 4K or 2M; false if there is no memory.
 */
static bool back_next(struct heap_range *range, uint64_t wanted)
{
    uint64_t bytes = map_frame(range->start + range->backed, wanted);
    range->backed += bytes;
    return bytes > 0;
}

/* Whether something is mapped at this page; *leaf becomes what. */
static bool leaf_at(vaddr_t page, struct page_leaf *leaf)
{
    struct page_walk walk;
    enum mm_error error = page_walk(kernel_space_table(), page, &walk);
    ASSERT(error == MM_OK || error == MM_NOT_MAPPED, "0x%lx: %s", page,
           mm_error_name(error));
    *leaf = walk.leaf;
    return error == MM_OK;
}

/* How many leaves one call unmaps: each call may interrupt every other CPU. */
#define UNMAPPED_AT_ONCE 32

/* Unmaps the whole leaves that lie one behind another from this page on, and
 * frees their frames.  Returns how many bytes these are. */
static size_t unback_row(vaddr_t page, vaddr_t end)
{
    paddr_t frames[UNMAPPED_AT_ONCE];
    struct page_leaf leaf;
    vaddr_t at = page;
    size_t count = 0;
    while (count < UNMAPPED_AT_ONCE && at < end && leaf_at(at, &leaf) &&
           leaf.vaddr == at && leaf.bytes <= end - at) {
        frames[count++] = leaf.paddr;
        at += leaf.bytes;
    }
    if (count == 0)
        return 0;
    enum mm_error error = page_unmap(kernel_space_table(), page, at - page);
    ASSERT(error == MM_OK, "0x%lx: %s", page, mm_error_name(error));
    while (count > 0)
        free_frame(frames[--count]);
    return at - page;
}

/* Makes small leaves of a large one, and of its frame; false if there is no
 * memory for a table, or a CPU keeps the frame's tree. */
static bool split(const struct page_leaf *leaf)
{
    struct page_table *table = kernel_space_table();
    if (page_protect(table, leaf->vaddr, PAGE_SIZE, RIGHTS) != MM_OK)
        return false;
    if (frame_split(leaf->paddr) == MM_OK)
        return true;
    (void)page_join(table, leaf->vaddr, leaf->bytes);
    return false;
}

/* Passes over pages that have no memory. */
static size_t unback(void *context, void *start, size_t bytes)
{
    vaddr_t page = (vaddr_t)start, end = page + bytes;
    size_t taken = 0;
    (void)context;
    while (page < end) {
        struct page_leaf leaf;
        size_t row = unback_row(page, end);
        taken += row;
        page += row;
        if (row > 0)
            continue;
        if (!leaf_at(page, &leaf))
            page += PAGE_SIZE;
        else if (!split(&leaf))
            page = leaf.vaddr + leaf.bytes;
    }
    return taken;
}

static bool has_memory(void *context, const void *page)
{
    (void)context;
    return page_translate(kernel_space_table(), (vaddr_t)page) != PADDR_NONE;
}

/* Maps 4K pages, so that each can be unmapped alone. */
static bool back(void *context, void *start, size_t bytes)
{
    struct heap_range *range = context;
    for (size_t done = 0; done < bytes; done += PAGE_SIZE)
        if (map_frame((vaddr_t)start + done, PAGE_SIZE) == 0) {
            (void)unback(context, start, done);
            return false;
        }
    uint64_t end = (vaddr_t)start + bytes - range->start;
    if (range->pieces < end)
        range->pieces = end;
    return true;
}

/* A growth that falls short gives its frames back. */
static size_t grow(void *context, size_t bytes)
{
    struct heap_range *range = context;
    uint64_t room = range->limit - range->usable;
    if (bytes > room)
        return 0;
    uint64_t wanted =
        align_up(bytes < GROWTH_MIN ? GROWTH_MIN : bytes, PAGE_SIZE);
    uint64_t target = range->usable + (wanted < room ? wanted : room);
    while (range->backed < target && back_next(range, target - range->backed))
        ;
    uint64_t grown = range->backed - range->usable;
    if (grown < bytes) {
        (void)unback(range, (void *)(range->start + range->usable), grown);
        range->backed = range->usable;
        return 0;
    }
    range->usable = range->backed;
    return grown;
}

/* ---- Large blocks: ranges of their own ---- */

static void *large_alloc(void *context, size_t bytes, size_t align,
                         bool *zeroed)
{
    void *pages = NULL;
    (void)context;
    *zeroed = false;
    enum mm_error error =
        kernel_space_alloc_pages(bytes, align > PAGE_SIZE ? align : PAGE_SIZE,
                                 VIRTUAL_GUARD_BEHIND, "large block", &pages);
    return error == MM_OK ? pages : NULL;
}

static bool large_free(void *context, void *start)
{
    (void)context;
    enum mm_error error = kernel_space_free_pages(start);
    ASSERT(error == MM_OK || error == MM_BUSY, "large block %p: %s", start,
           mm_error_name(error));
    return error == MM_OK;
}

struct heap_region heap_range_region(struct heap_range *range, vaddr_t start,
                                     uint64_t limit)
{
    *range = (struct heap_range){.start = start, .limit = limit};
    return (struct heap_region){
        .start = (void *)start,
        .limit = limit,
        .grow = grow,
        .back = back,
        .unback = unback,
        .has_memory = has_memory,
        .context = range,
        .zeroed = true,
    };
}

void heap_range_release(struct heap_range *range)
{
    uint64_t mapped =
        range->backed > range->pieces ? range->backed : range->pieces;
    (void)unback(range, (void *)range->start, mapped);
    range->usable = range->backed = range->pieces = 0;
}

enum mm_error heap_range_init_kernel(const struct heap_backend *backend)
{
    static struct heap_range range;
    static struct heap heap;
    struct heap_region region =
        heap_range_region(&range, HEAP_BASE, HEAP_BYTES);
    region.large_alloc = large_alloc;
    region.large_free = large_free;
    enum mm_error error = heap_init(&heap, backend, region);
    if (error == MM_OK)
        heap_set_kernel(&heap);
    return error;
}
