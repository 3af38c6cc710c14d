/* The heap's public functions: what all back-ends have in common.
 *
 * A call checks its layout, has the back-end do the work under the heap's lock,
 * and counts.  Misuse is reported with the lock free again, so that whoever
 * reports it can look into the heap.
 */
#include "mm/heap.h"

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/heap/backend.h"
#include "mm/platform.h"

/* Where the public function that this stands in was called from.  A macro: a
 * function would have a return address of its own. */
#define CALLER __builtin_return_address(0)

const struct heap_backend *const heap_backends[] = {
    &heap_bins,
    &heap_buddy,
    &heap_list,
    &heap_bump,
    NULL,
};

/* All heaps there are, to see which regions are taken. */
static struct heap *heaps;
static struct spinlock heaps_lock;

static struct heap *kernel_heap;

const struct heap_backend *heap_backend_find(const char *name)
{
    for (size_t i = 0; heap_backends[i]; i++)
        if (strcmp(heap_backends[i]->name, name) == 0)
            return heap_backends[i];
    return NULL;
}

enum mm_error layout_error(struct layout layout)
{
    if (layout.size == 0)
        return MM_EMPTY_RANGE;
    if (!is_power_of_two(layout.align) || layout.align > HEAP_ALIGN_MAX)
        return MM_BAD_ALIGNMENT;
    if (layout.size > (size_t)PTRDIFF_MAX - (layout.align - 1))
        return MM_RANGE_WRAPS;
    return MM_OK;
}

/* Making and ending a heap. */

static enum mm_error region_error(const struct heap_backend *backend,
                                  const struct heap_region *region)
{
    vaddr_t start = (vaddr_t)region->start;

    if (!is_aligned(start | region->size | region->limit, HEAP_GRANULE))
        return MM_MISALIGNED;
    if (region->limit > UINTPTR_MAX - start)
        return MM_RANGE_WRAPS;
    if (start == 0 || region->size > region->limit ||
        (!region->grow && region->size < region->limit))
        return MM_BAD_ARGUMENT;
    if (region->limit < backend->region_min)
        return MM_TOO_SMALL;
    return MM_OK;
}

/* The heap that is this one, or has some of this region; or NULL. */
static const struct heap *rival(const struct heap *heap,
                                const struct heap_region *region)
{
    vaddr_t start = (vaddr_t)region->start;
    const struct heap *other;

    for (other = heaps; other; other = other->next) {
        vaddr_t taken = (vaddr_t)other->region.start;

        if (other == heap || (start < taken + other->region.limit &&
                              taken < start + region->limit))
            break;
    }
    return other;
}

/* Enters the heap in the list of all, or returns why it cannot be. */
static enum mm_error enter(struct heap *heap,
                           const struct heap_backend *backend,
                           const struct heap_region *region)
{
    enum mm_error error = region_error(backend, region);

    if (error)
        return error;
    spinlock_lock(&heaps_lock);
    if (rival(heap, region)) {
        error = MM_OVERLAP;
    } else {
        *heap =
            (struct heap){.backend = backend, .region = *region, .next = heaps};
        heaps = heap;
    }
    spinlock_unlock(&heaps_lock);
    return error;
}

enum mm_error heap_init(struct heap *heap, const struct heap_backend *backend,
                        struct heap_region region)
{
    enum mm_error error = enter(heap, backend, &region);

    if (!error) {
        if (region.size >= backend->region_min ||
            heap_grow(heap, backend->region_min - region.size)) {
            backend->init(heap);
            return MM_OK;
        }
        heap_fini(heap);
        error = MM_OUT_OF_MEMORY;
    }
    platform_log("heap: no %s heap at %p, %zu of %zu bytes: %s", backend->name,
                 region.start, region.size, region.limit, mm_error_text(error));
    return error;
}

void heap_fini(struct heap *heap)
{
    struct heap **link = &heaps;

    spinlock_lock(&heaps_lock);
    while (*link && *link != heap)
        link = &(*link)->next;
    bool in_use = *link != NULL;
    if (in_use)
        *link = heap->next;
    spinlock_unlock(&heaps_lock);
    ASSERT(in_use, "heap %p ended without having been made", (void *)heap);
}

bool heap_grow(struct heap *heap, size_t bytes)
{
    struct heap_region *region = &heap->region;
    size_t room = region->limit - region->size;

    if (!region->grow || bytes > room)
        return false;

    size_t added = region->grow(region->context, bytes);
    if (added == 0)
        return false;
    ASSERT(added >= bytes && added <= room && is_aligned(added, HEAP_GRANULE),
           "grew by %zu bytes, asked for %zu of %zu", added, bytes, room);
    region->size += added;
    return true;
}

/* Counting and reporting. */

static void raise_peak(size_t *peak, size_t value)
{
    if (*peak < value)
        *peak = value;
}

static void count(struct heap_stats *stats, const struct heap_block *block)
{
    stats->blocks++;
    stats->requested += block->layout.size;
    stats->held += block->held;
    raise_peak(&stats->peak_blocks, stats->blocks);
    raise_peak(&stats->peak_requested, stats->requested);
    raise_peak(&stats->peak_held, stats->held);
}

static void discount(struct heap_stats *stats, const struct heap_block *block)
{
    stats->blocks--;
    stats->requested -= block->layout.size;
    stats->held -= block->held;
}

/* Counts a call that returns NULL. */
static void refuse(struct heap *heap, enum mm_error error)
{
    heap->stats.failures++;
    heap->error = error;
}

static const char *const fault_names[] = {
#define HEAP_FAULT_NAME(name, sentence) #name,
    HEAP_FAULTS(HEAP_FAULT_NAME)
#undef HEAP_FAULT_NAME
};

static const char *const fault_texts[] = {
#define HEAP_FAULT_TEXT(name, sentence) sentence,
    HEAP_FAULTS(HEAP_FAULT_TEXT)
#undef HEAP_FAULT_TEXT
};

/* A pointer that came back to the heap, with what its owner says of it. */
struct claim {
    const void *pointer;
    const struct layout *layout; /* NULL: the owner does not say */
    const void *caller;
};

_Noreturn static void report(const struct heap *heap, enum heap_fault fault,
                             const struct claim *claim,
                             const struct heap_block *block)
{
    struct layout claimed = claim->layout ? *claim->layout : block->layout;

    assert_failed(__FILE__, __LINE__, fault_names[fault],
                  "heap %s: %s: pointer %p of %zu bytes aligned to %zu, block "
                  "%p of %zu bytes aligned to %zu, called from %p",
                  heap->backend->name, fault_texts[fault], claim->pointer,
                  claimed.size, claimed.align, block->start, block->layout.size,
                  block->layout.align, claim->caller);
}

/* The live block that a pointer claims to be. */
static enum heap_fault find(const struct heap *heap, const struct claim *claim,
                            struct heap_block *block)
{
    *block = (struct heap_block){0};

    enum heap_fault fault = heap->backend->find(heap, claim->pointer, block);
    if (!fault && claim->layout &&
        (claim->layout->size != block->layout.size ||
         claim->layout->align != block->layout.align))
        fault = HEAP_WRONG_LAYOUT;
    return fault;
}

/* The operations on any heap.  No heap: the kernel-wide one, before there is
 * one; heap_last_error knows. */

static void *allocate(struct heap *heap, struct layout layout, bool back,
                      size_t *dirty)
{
    enum mm_error error = layout_error(layout);
    struct heap_block block = {0};

    if (!heap)
        return NULL;
    spinlock_lock(&heap->lock);
    if (!error) {
        const struct heap_backend *backend = heap->backend;

        back = back && backend->alloc_back;
        if (layout.size > heap->region.limit ||
            !(back ? backend->alloc_back : backend->alloc)(heap, layout, &block,
                                                           dirty))
            error = MM_OUT_OF_MEMORY;
    }
    if (error) {
        refuse(heap, error);
    } else {
        heap->stats.allocations++;
        count(&heap->stats, &block);
    }
    spinlock_unlock(&heap->lock);
    return error ? NULL : block.start;
}

static void *allocate_plain(struct heap *heap, struct layout layout)
{
    size_t dirty;

    return allocate(heap, layout, false, &dirty);
}

static void *allocate_zeroed(struct heap *heap, struct layout layout)
{
    size_t dirty;
    void *pointer = allocate(heap, layout, false, &dirty);

    return pointer ? memset(pointer, 0, dirty) : NULL;
}

static void release(struct heap *heap, const struct claim *claim)
{
    struct heap_block block;

    ASSERT(heap, "%p freed before there is a heap", claim->pointer);
    spinlock_lock(&heap->lock);
    enum heap_fault fault = find(heap, claim, &block);
    if (!fault) {
        discount(&heap->stats, &block);
        heap->backend->dealloc(heap, &block);
    }
    spinlock_unlock(&heap->lock);
    if (fault)
        report(heap, fault, claim, &block);
}

/* Gives a block another layout where it is; *block becomes what it was. */
static bool resize(struct heap *heap, const struct claim *claim,
                   struct layout layout, struct heap_block *block)
{
    bool done = false;

    spinlock_lock(&heap->lock);
    enum heap_fault fault = find(heap, claim, block);
    if (!fault && layout.size <= heap->region.limit &&
        is_aligned((vaddr_t)claim->pointer, layout.align)) {
        struct heap_block resized = *block;

        done = heap->backend->resize(heap, &resized, layout);
        if (done) {
            discount(&heap->stats, block);
            count(&heap->stats, &resized);
        }
    }
    spinlock_unlock(&heap->lock);
    if (fault)
        report(heap, fault, claim, block);
    return done;
}

static void *reallocate(struct heap *heap, const struct claim *claim,
                        struct layout layout)
{
    enum mm_error error = layout_error(layout);
    struct heap_block block;

    ASSERT(heap, "%p resized before there is a heap", claim->pointer);
    if (error) {
        spinlock_lock(&heap->lock);
        refuse(heap, error);
        spinlock_unlock(&heap->lock);
        return NULL;
    }
    if (resize(heap, claim, layout, &block))
        return block.start;

    void *moved = allocate_plain(heap, layout);
    if (moved) {
        size_t kept = claim->layout ? block.layout.size : block.usable;

        memcpy(moved, block.start, kept < layout.size ? kept : layout.size);
        release(heap, claim);
    }
    return moved;
}

static size_t usable_size(struct heap *heap, const struct claim *claim)
{
    struct heap_block block;

    ASSERT(heap, "%p measured before there is a heap", claim->pointer);
    spinlock_lock(&heap->lock);
    enum heap_fault fault = find(heap, claim, &block);
    spinlock_unlock(&heap->lock);
    if (fault)
        report(heap, fault, claim, &block);
    return block.usable;
}

/* A heap of the caller's choice. */

void *heap_alloc_in(struct heap *heap, struct layout layout)
{
    return allocate_plain(heap, layout);
}

void *heap_alloc_zeroed_in(struct heap *heap, struct layout layout)
{
    return allocate_zeroed(heap, layout);
}

void *heap_alloc_back_in(struct heap *heap, struct layout layout)
{
    size_t dirty;

    return allocate(heap, layout, true, &dirty);
}

void heap_dealloc_in(struct heap *heap, void *pointer, struct layout layout)
{
    release(heap, &(struct claim){pointer, &layout, CALLER});
}

void *heap_realloc_in(struct heap *heap, void *pointer, struct layout layout,
                      size_t new_size)
{
    return reallocate(heap, &(struct claim){pointer, &layout, CALLER},
                      (struct layout){new_size, layout.align});
}

void heap_free_in(struct heap *heap, void *pointer)
{
    if (pointer)
        release(heap, &(struct claim){pointer, NULL, CALLER});
}

size_t heap_usable_size_in(struct heap *heap, const void *pointer)
{
    return usable_size(heap, &(struct claim){pointer, NULL, CALLER});
}

enum mm_error heap_error_in(struct heap *heap)
{
    spinlock_lock(&heap->lock);
    enum mm_error error = heap->error;
    spinlock_unlock(&heap->lock);
    return error;
}

struct heap_stats heap_stats(struct heap *heap)
{
    spinlock_lock(&heap->lock);
    struct heap_stats stats = heap->stats;
    stats.region = heap->region.size;
    spinlock_unlock(&heap->lock);
    return stats;
}

struct heap_flaw heap_check(struct heap *heap)
{
    struct heap_totals totals = {0};

    spinlock_lock(&heap->lock);
    struct heap_flaw flaw = heap->backend->check(heap, &totals);
    if (!flaw.place && (totals.blocks != heap->stats.blocks ||
                        totals.requested != heap->stats.requested ||
                        totals.held != heap->stats.held))
        flaw = (struct heap_flaw){
            &heap->stats, "statistics that are not those of the live blocks"};
    spinlock_unlock(&heap->lock);
    return flaw;
}

/* The kernel-wide heap. */

void heap_set_kernel(struct heap *heap)
{
    kernel_heap = heap;
}

struct heap *heap_kernel(void)
{
    return kernel_heap;
}

void *heap_alloc(struct layout layout)
{
    return allocate_plain(kernel_heap, layout);
}

void *heap_alloc_zeroed(struct layout layout)
{
    return allocate_zeroed(kernel_heap, layout);
}

void heap_dealloc(void *pointer, struct layout layout)
{
    release(kernel_heap, &(struct claim){pointer, &layout, CALLER});
}

void *heap_realloc(void *pointer, struct layout layout, size_t new_size)
{
    return reallocate(kernel_heap, &(struct claim){pointer, &layout, CALLER},
                      (struct layout){new_size, layout.align});
}

enum mm_error heap_last_error(void)
{
    return kernel_heap ? heap_error_in(kernel_heap) : MM_NOT_READY;
}

/* The layout that kmalloc promises: natural alignment for powers of two. */
static struct layout natural_layout(size_t size)
{
    struct layout layout = {size, HEAP_GRANULE};

    if (is_power_of_two(size) && size > layout.align)
        layout.align = size < HEAP_ALIGN_MAX ? size : HEAP_ALIGN_MAX;
    return layout;
}

void *kmalloc(size_t size)
{
    return allocate_plain(kernel_heap, natural_layout(size));
}

void *kzalloc(size_t size)
{
    return allocate_zeroed(kernel_heap, natural_layout(size));
}

void *kmalloc_array(size_t count, size_t size)
{
    size_t bytes;

    /* no layout passes with SIZE_MAX bytes: it is the error wanted here */
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    return allocate_plain(kernel_heap, natural_layout(bytes));
}

void *krealloc(void *pointer, size_t size)
{
    if (!pointer)
        return allocate_plain(kernel_heap, natural_layout(size));
    return reallocate(kernel_heap, &(struct claim){pointer, NULL, CALLER},
                      natural_layout(size));
}

void kfree(void *pointer)
{
    if (pointer)
        release(kernel_heap, &(struct claim){pointer, NULL, CALLER});
}

void kfree_sized(void *pointer, size_t size)
{
    struct layout layout = natural_layout(size);

    if (pointer)
        release(kernel_heap, &(struct claim){pointer, &layout, CALLER});
}

size_t kmalloc_usable_size(const void *pointer)
{
    if (!pointer)
        return 0;
    return usable_size(kernel_heap, &(struct claim){pointer, NULL, CALLER});
}
