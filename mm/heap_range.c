/* Frames under a heap. */
#include "mm/heap_range.h"

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

/* The least that a heap grows by, so that small blocks seldom grow it. */
#define GROWTH_MIN (64 * KIB)

/* A frame must always go back: anything else is a bug of this file. */
static void free_frame(paddr_t frame)
{
    enum mm_error error = frame_free(frame);
    ASSERT(error == MM_OK, "frame 0x%lx: %s", frame, mm_error_name(error));
}

/* A 2M frame where address and wish allow and there is one, else a 4K frame. */
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

/* Backs one more page of the range; false if there is no memory for it. */
static bool back(struct heap_range *range, uint64_t wanted)
{
    vaddr_t page = range->start + range->backed;
    enum frame_size size;
    paddr_t frame = alloc_frame(page, wanted, &size);
    if (frame == PADDR_NONE)
        return false;
    enum mm_error error = page_map(kernel_space_table(), page, frame,
                                   frame_bytes(size), PAGE_WRITE | PAGE_GLOBAL);
    if (error != MM_OK) {
        free_frame(frame);
        platform_log("heap: cannot map 0x%lx: %s", page, mm_error_text(error));
        return false;
    }
    memset((void *)page, 0, frame_bytes(size));
    range->backed += frame_bytes(size);
    return true;
}

/* A growth that falls short keeps its frames for the next one. */
static size_t grow(void *context, size_t bytes)
{
    struct heap_range *range = context;
    uint64_t room = range->limit - range->usable;
    if (bytes > room)
        return 0;
    uint64_t wanted =
        align_up(bytes < GROWTH_MIN ? GROWTH_MIN : bytes, PAGE_SIZE);
    uint64_t target = range->usable + (wanted < room ? wanted : room);
    while (range->backed < target && back(range, target - range->backed))
        ;
    uint64_t grown = range->backed - range->usable;
    if (grown < bytes)
        return 0;
    range->usable = range->backed;
    return grown;
}

struct heap_region heap_range_region(struct heap_range *range, vaddr_t start,
                                     uint64_t limit)
{
    *range = (struct heap_range){.start = start, .limit = limit};
    return (struct heap_region){
        .start = (void *)start,
        .limit = limit,
        .grow = grow,
        .context = range,
        .zeroed = true,
    };
}

void heap_range_release(struct heap_range *range)
{
    struct page_table *table = kernel_space_table();
    for (uint64_t done = 0; done < range->backed;) {
        struct page_walk walk;
        enum mm_error error = page_walk(table, range->start + done, &walk);
        ASSERT(error == MM_OK, "0x%lx: %s", range->start + done,
               mm_error_name(error));
        error = page_unmap(table, walk.leaf.vaddr, walk.leaf.bytes);
        ASSERT(error == MM_OK, "0x%lx: %s", walk.leaf.vaddr,
               mm_error_name(error));
        free_frame(walk.leaf.paddr);
        done += walk.leaf.bytes;
    }
    range->usable = range->backed = 0;
}

enum mm_error heap_range_init_kernel(const struct heap_backend *backend)
{
    static struct heap_range range;
    static struct heap heap;
    struct heap_region region =
        heap_range_region(&range, HEAP_BASE, HEAP_BYTES);
    enum mm_error error = heap_init(&heap, backend, region);
    if (error == MM_OK)
        heap_set_kernel(&heap);
    return error;
}
