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
    enum mm_error error = page_map(kernel_space_table(), page, frame,
                                   frame_bytes(size), PAGE_WRITE | PAGE_GLOBAL);
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

/* How many pages of the range one call unmaps: each call may interrupt every
 * other CPU. */
#define UNMAPPED_AT_ONCE 32

/* Unmaps pages that were mapped one by one, and frees their frames. */
static void unback_pages(vaddr_t start, size_t count)
{
    paddr_t frames[UNMAPPED_AT_ONCE];
    struct page_walk walk;
    enum mm_error error;
    for (size_t i = 0; i < count; i++) {
        error = page_walk(kernel_space_table(), start + i * PAGE_SIZE, &walk);
        ASSERT(error == MM_OK && walk.leaf.bytes == PAGE_SIZE, "0x%lx: %s",
               start + i * PAGE_SIZE, mm_error_name(error));
        frames[i] = walk.leaf.paddr;
    }
    error = page_unmap(kernel_space_table(), start, count * PAGE_SIZE);
    ASSERT(error == MM_OK, "0x%lx: %s", start, mm_error_name(error));
    while (count > 0)
        free_frame(frames[--count]);
}

static void unback(void *context, void *start, size_t bytes)
{
    vaddr_t page = (vaddr_t)start;
    size_t left = bytes / PAGE_SIZE;
    (void)context;
    while (left > 0) {
        size_t count = left < UNMAPPED_AT_ONCE ? left : UNMAPPED_AT_ONCE;
        unback_pages(page, count);
        page += count * PAGE_SIZE;
        left -= count;
    }
}

/* Maps 4K pages, so that each can be unmapped alone. */
static bool back(void *context, void *start, size_t bytes)
{
    struct heap_range *range = context;
    for (size_t done = 0; done < bytes; done += PAGE_SIZE)
        if (map_frame((vaddr_t)start + done, PAGE_SIZE) == 0) {
            unback(context, start, done);
            return false;
        }
    uint64_t end = (vaddr_t)start + bytes - range->start;
    if (range->pieces < end)
        range->pieces = end;
    return true;
}

/* Unmaps a part of the range that was mapped leaf by leaf, and frees its
 * frames; pages between pieces, if there may be any, are passed over. */
static void unback_leaves(struct heap_range *range, uint64_t from, uint64_t to)
{
    struct page_table *table = kernel_space_table();
    while (from < to) {
        struct page_walk walk;
        enum mm_error error = page_walk(table, range->start + from, &walk);
        if (error == MM_NOT_MAPPED && from >= range->backed) {
            from += PAGE_SIZE;
            continue;
        }
        ASSERT(error == MM_OK, "0x%lx: %s", range->start + from,
               mm_error_name(error));
        error = page_unmap(table, walk.leaf.vaddr, walk.leaf.bytes);
        ASSERT(error == MM_OK, "0x%lx: %s", walk.leaf.vaddr,
               mm_error_name(error));
        free_frame(walk.leaf.paddr);
        from += walk.leaf.bytes;
    }
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
        unback_leaves(range, range->usable, range->backed);
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
        .context = range,
        .zeroed = true,
    };
}

void heap_range_release(struct heap_range *range)
{
    unback_leaves(range, 0,
                  range->backed > range->pieces ? range->backed
                                                : range->pieces);
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
