/* Large blocks: see mm/heap/slab/large.h. */
#include "mm/heap/slab/large.h"

#include "lib/bits.h"
#include "lib/string.h"
#include "mm/heap/slab/slab.h"
#include "mm/platform.h"

/* ---- Outside of the region ---- */

static struct large_block **bucket_of(struct large *large, vaddr_t start)
{
    /* Knuth's multiplicative hash, of the page's number */
    uint32_t hash = (uint32_t)(start >> PAGE_SHIFT) * 2654435761u;

    return &large->bucket[hash >> 16 & (LARGE_BUCKETS - 1)];
}

/* The link to the block that starts here, or to NULL. */
static struct large_block **link_to(struct large *large, vaddr_t start)
{
    struct large_block **link = bucket_of(large, start);

    while (*link && (*link)->start != start)
        link = &(*link)->next;
    return link;
}

static void *alloc_outside(struct heap *heap, struct layout layout, bool clear,
                           enum mm_error *error)
{
    const struct heap_region *region = &heap->region;
    struct large *large = &slab_heap(heap)->large;
    size_t usable = align_up(layout.size, PAGE_SIZE);
    bool zeroed = false;
    void *start = NULL;

    if (!cpu_order_acquire(&large->lock, CPU_RANK_LARGE)) {
        *error = MM_BUSY;
        return NULL;
    }
    struct large_block *entry = slab_own(heap, sizeof(*entry));
    if (entry)
        start =
            region->large_alloc(region->context, usable, layout.align, &zeroed);
    if (start) {
        struct large_block **list = bucket_of(large, (vaddr_t)start);
        *entry = (struct large_block){
            .next = *list,
            .start = (vaddr_t)start,
            .layout = layout,
            .usable = usable,
        };
        *list = entry;
        large->bytes += usable;
        large->count++;
    } else {
        *error = MM_OUT_OF_MEMORY;
        if (entry)
            slab_disown(heap, entry, sizeof(*entry));
    }
    cpu_order_release(&large->lock, CPU_RANK_LARGE);
    return start && clear && !zeroed ? memset(start, 0, layout.size) : start;
}

/* False: a handler hit the holder of the lock. */
static bool free_outside(struct heap *heap, vaddr_t start)
{
    const struct heap_region *region = &heap->region;
    struct large *large = &slab_heap(heap)->large;

    if (!cpu_order_acquire(&large->lock, CPU_RANK_LARGE))
        return false;
    struct large_block **link = link_to(large, start), *entry = *link;
    bool freed = region->large_free(region->context, (void *)start);
    if (freed) {
        *link = entry->next;
        large->bytes -= entry->usable;
        large->count--;
        slab_disown(heap, entry, sizeof(*entry));
    }
    cpu_order_release(&large->lock, CPU_RANK_LARGE);
    return freed;
}

static void describe(const struct large_block *entry, struct heap_block *block)
{
    *block = (struct heap_block){
        .start = (void *)entry->start,
        .layout = entry->layout,
        .usable = entry->usable,
        .held = entry->usable,
    };
}

/* The block around an address, which is not the start of one. */
static const struct large_block *around(const struct large *large, vaddr_t at)
{
    for (unsigned i = 0; i < LARGE_BUCKETS; i++)
        for (const struct large_block *entry = large->bucket[i]; entry;
             entry = entry->next)
            if (at - entry->start < entry->usable)
                return entry;
    return NULL;
}

enum heap_fault large_find(const struct heap *heap, const void *pointer,
                           struct heap_block *block)
{
    struct large *large = &slab_heap(heap)->large;
    bool locked = cpu_order_acquire(&large->lock, CPU_RANK_LARGE);
    const struct large_block *entry = *link_to(large, (vaddr_t)pointer);
    enum heap_fault fault = HEAP_NO_FAULT;

    if (!entry) {
        entry = around(large, (vaddr_t)pointer);
        fault = entry ? HEAP_NOT_A_START : HEAP_FOREIGN;
    }
    if (!fault && __atomic_load_n(&entry->waits, __ATOMIC_RELAXED))
        fault = HEAP_DOUBLE_FREE;
    if (entry)
        describe(entry, block);
    if (locked)
        cpu_order_release(&large->lock, CPU_RANK_LARGE);
    return fault;
}

/* Stays where it is if that wastes no more than half of it. */
static bool resize_outside(struct heap *heap, vaddr_t start,
                           struct layout layout)
{
    struct large *large = &slab_heap(heap)->large;

    if (!cpu_order_acquire(&large->lock, CPU_RANK_LARGE))
        return false;
    struct large_block *entry = *link_to(large, start);
    bool fits = layout.size <= entry->usable && layout.size > entry->usable / 2;
    if (fits)
        entry->layout = layout;
    cpu_order_release(&large->lock, CPU_RANK_LARGE);
    return fits;
}

/* ---- In pages of the region ---- */

static void set_rest(struct slab_heap *slabs, size_t first, size_t from,
                     size_t to, unsigned kind)
{
    for (size_t i = from; i < to; i++)
        __atomic_store_n(&slabs->classes[first + i], (uint8_t)kind,
                         __ATOMIC_RELAXED);
}

static size_t pages_for(struct layout layout)
{
    return align_up(layout.size, PAGE_SIZE) / PAGE_SIZE;
}

static void *alloc_inside(struct heap *heap, struct layout layout, bool clear,
                          enum mm_error *error)
{
    struct slab_heap *slabs = slab_heap(heap);
    size_t count = pages_for(layout);
    size_t align = layout.align > PAGE_SIZE ? layout.align : PAGE_SIZE;
    bool zeroed;

    if (!cpu_order_acquire(&heap->lock, CPU_RANK_HEAP)) {
        *error = MM_BUSY;
        return NULL;
    }
    size_t first = slab_take_pages(heap, count, align, &zeroed);
    if (first != PAGES_NONE) {
        struct slab *slab = &slabs->slabs[first];

        slab->first = (uint32_t)first;
        slab->layout = layout;
        slab->pages = (uint32_t)count;
        set_rest(slabs, first, 0, 1, PAGE_OF_LARGE);
        set_rest(slabs, first, 1, count, PAGE_OF_REST);
    }
    cpu_order_release(&heap->lock, CPU_RANK_HEAP);
    if (first == PAGES_NONE) {
        *error = MM_OUT_OF_MEMORY;
        return NULL;
    }
    void *start = (void *)pages_address(&slabs->pages, first);
    return clear && !zeroed ? memset(start, 0, layout.size) : start;
}

/* False: a handler hit the holder of the lock. */
static bool free_inside(struct heap *heap, vaddr_t start)
{
    struct slab_heap *slabs = slab_heap(heap);
    size_t first = (start - slabs->start) / PAGE_SIZE;

    if (!cpu_order_acquire(&heap->lock, CPU_RANK_HEAP))
        return false;
    size_t count = slabs->slabs[first].pages;
    set_rest(slabs, first, 0, count, PAGE_OF_FREED);
    pages_give(&slabs->pages, first, count);
    cpu_order_release(&heap->lock, CPU_RANK_HEAP);
    return true;
}

static bool resize_inside(struct heap *heap, vaddr_t start,
                          struct layout layout)
{
    struct slab_heap *slabs = slab_heap(heap);
    size_t first = (start - slabs->start) / PAGE_SIZE;
    struct slab *slab = &slabs->slabs[first];
    size_t from = slab->pages, to = pages_for(layout);

    if (!cpu_order_acquire(&heap->lock, CPU_RANK_HEAP))
        return false;
    bool done = slab_resize_pages(heap, first, from, to);
    if (done) {
        set_rest(slabs, first, to, from, PAGE_OF_FREED);
        set_rest(slabs, first, from, to, PAGE_OF_REST);
        slab->pages = (uint32_t)to;
        slab->layout = layout;
    }
    cpu_order_release(&heap->lock, CPU_RANK_HEAP);
    return done;
}

/* ---- Both ---- */

static bool free_now(struct heap *heap, void *start)
{
    return large_is_outside(heap, start) ? free_outside(heap, (vaddr_t)start)
                                         : free_inside(heap, (vaddr_t)start);
}

/* Leaves a block in the list of those that wait, marked, so that a second free
 * of it is told.  The entry is the block's own: nobody takes it away before. */
static void defer(struct heap *heap, void *start)
{
    struct large *large = &slab_heap(heap)->large;

    if (large_is_outside(heap, start)) {
        struct large_block *entry = *link_to(large, (vaddr_t)start);

        if (entry)
            __atomic_store_n(&entry->waits, true, __ATOMIC_RELAXED);
    }
    heap_defer(&large->deferred, start, NULL);
}

/* Frees a block, or leaves it to wait. */
static void free_or_defer(struct heap *heap, void *start)
{
    if (!free_now(heap, start))
        defer(heap, start);
}

void large_free_deferred(struct heap *heap)
{
    struct heap_deferred *block =
        heap_deferred(&slab_heap(heap)->large.deferred);

    while (block) {
        struct heap_deferred *next = block->next;
        free_or_defer(heap, block);
        block = next;
    }
}

void *large_alloc(struct heap *heap, struct layout layout, bool clear,
                  enum mm_error *error)
{
    large_free_deferred(heap);
    if (heap->region.large_alloc)
        return alloc_outside(heap, layout, clear, error);
    return alloc_inside(heap, layout, clear, error);
}

void large_free(struct heap *heap, void *start)
{
    free_or_defer(heap, start);
    large_free_deferred(heap);
}

bool large_resize(struct heap *heap, const struct heap_block *block,
                  struct layout layout)
{
    /* small ones belong to their class */
    if (size_class_need(layout) <= SIZE_CLASS_BYTES_MAX &&
        layout.align <= SIZE_CLASS_ALIGN_MAX)
        return false;
    if (large_is_outside(heap, block->start))
        return resize_outside(heap, (vaddr_t)block->start, layout);
    return resize_inside(heap, (vaddr_t)block->start, layout);
}

void large_free_all(struct heap *heap)
{
    struct large *large = &slab_heap(heap)->large;

    for (unsigned i = 0; i < LARGE_BUCKETS; i++)
        while (large->bucket[i])
            (void)free_outside(heap, large->bucket[i]->start);
}

size_t large_bytes(const struct heap *heap)
{
    return __atomic_load_n(&slab_heap(heap)->large.bytes, __ATOMIC_RELAXED);
}

bool large_next(const struct heap *heap, size_t *number,
                struct heap_block *block)
{
    const struct large *large = &slab_heap(heap)->large;
    size_t left = (*number)++;

    for (unsigned i = 0; i < LARGE_BUCKETS; i++)
        for (const struct large_block *entry = large->bucket[i]; entry;
             entry = entry->next)
            if (left-- == 0) {
                describe(entry, block);
                return true;
            }
    return false;
}
