/* The heap's calls for back-ends that do not lock and count themselves.
 *
 * A call checks its layout, has the back-end do the work under the heap's lock,
 * and counts.  Misuse is reported when the lock is free again, so that the
 * report may look into the heap.
 *
 * A handler that must not wait for the lock is refused allocations and
 * reallocations.  What it frees waits (mm/heap/deferred.h) for the next holder
 * that releases the lock.
 */
#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/heap/backend.h"
#include "mm/heap/deferred.h"
#include "mm/platform.h"

/* Finds the live block that a pointer claims to be, or says what is wrong; from
 * the block's own notes alone if this call has no lock. */
static enum heap_fault find(const struct heap *heap, bool locked,
                            const struct heap_claim *claim,
                            struct heap_block *block)
{
    const struct heap_backend *backend = heap->backend;

    *block = (struct heap_block){0};
    if (heap->checks == HEAP_CHECKS_OFF) {
        (void)backend->look(heap, claim->pointer, block);
        return HEAP_NO_FAULT;
    }
    enum heap_fault fault =
        (locked ? backend->find : backend->look)(heap, claim->pointer, block);
    if (!fault && heap_is_other(claim->layout, block->layout))
        fault = HEAP_WRONG_LAYOUT;
    return fault;
}

/* Frees a block.  Called with the lock held. */
static enum heap_fault put(struct heap *heap, const struct heap_claim *claim,
                           struct heap_block *block)
{
    enum heap_fault fault = find(heap, true, claim, block);

    if (!fault) {
        heap_discount(&heap->stats, heap->classes, block);
        heap->backend->dealloc(heap, block);
    }
    return fault;
}

/* The lock.  False: a handler, which must not wait for it. */
static bool lock(struct heap *heap)
{
    return cpu_order_acquire(&heap->lock, CPU_RANK_HEAP);
}

/* Frees what waits, up to a mistake.  Called with the lock held. */
static enum heap_fault put_deferred(struct heap *heap, struct heap_claim *claim,
                                    struct heap_block *block)
{
    struct heap_deferred *waiting = heap_deferred(&heap->deferred);
    enum heap_fault fault = HEAP_NO_FAULT;

    while (waiting && !fault) {
        *claim = (struct heap_claim){waiting, NULL, waiting->caller};
        waiting = waiting->next;
        fault = put(heap, claim, block);
    }
    if (fault == HEAP_DOUBLE_FREE) /* its first bytes are the heap's again */
        claim->caller = NULL;
    return fault;
}

static void unlock(struct heap *heap)
{
    struct heap_claim claim;
    struct heap_block block;

    /* a handler may add one more before the lock is free: then the next call
     * frees it, which may come much later */
    enum heap_fault fault = put_deferred(heap, &claim, &block);

    cpu_order_release(&heap->lock, CPU_RANK_HEAP);
    if (fault)
        heap_report(heap, fault, &claim, &block);
}

/* ---- The calls ---- */

/* A block from the back-end; if there is no memory, after all that can be
 * spared was given back. */
static bool get(struct heap *heap, struct layout layout, bool back,
                struct heap_block *block, size_t *dirty)
{
    const struct heap_backend *backend = heap->backend;
    bool (*alloc)(struct heap * heap, struct layout layout,
                  struct heap_block * block, size_t * dirty) =
        back && backend->alloc_back ? backend->alloc_back : backend->alloc;

    if (alloc(heap, layout, block, dirty))
        return true;
    if (!heap->region.unback)
        return false;
    backend->trim(heap);
    if (alloc(heap, layout, block, dirty))
        return true;
    backend->trim(heap); /* what it has grown by */
    return false;
}

static void *allocate(struct heap *heap, struct layout layout, bool back,
                      size_t *dirty)
{
    enum mm_error error = layout_error(layout);
    struct heap_block block = {0};

    if (!error && !lock(heap))
        error = MM_BUSY;
    if (error) {
        heap_refuse(heap, error);
        return NULL;
    }
    if (layout.size > heap->region.limit ||
        !get(heap, layout, back, &block, dirty)) {
        heap_refuse(heap, MM_OUT_OF_MEMORY);
        heap->classes[heap_class_of(layout.size)].failures++;
        block.start = NULL;
    } else {
        heap->stats.allocations++;
        heap_count(&heap->stats, heap->classes, &block);
    }
    unlock(heap);
    return block.start;
}

static void *simple_alloc(struct heap *heap, struct layout layout,
                          const void *caller)
{
    (void)caller;

    size_t dirty;

    return allocate(heap, layout, false, &dirty);
}

static void *simple_alloc_zeroed(struct heap *heap, struct layout layout,
                                 const void *caller)
{
    (void)caller;

    size_t dirty;
    void *pointer = allocate(heap, layout, false, &dirty);

    return pointer ? memset(pointer, 0, dirty) : NULL;
}

static void *simple_alloc_back(struct heap *heap, struct layout layout,
                               const void *caller)
{
    (void)caller;

    size_t dirty;

    return allocate(heap, layout, true, &dirty);
}

static void release(struct heap *heap, const struct heap_claim *claim)
{
    struct heap_block block;
    enum heap_fault fault;

    if (lock(heap)) {
        fault = put(heap, claim, &block);
        unlock(heap);
    } else {
        fault = find(heap, false, claim, &block);
        if (!fault)
            heap_defer(&heap->deferred,
                       (struct heap_deferred *)(vaddr_t)claim->pointer,
                       claim->caller);
    }
    if (fault)
        heap_report(heap, fault, claim, &block);
}

static void simple_dealloc(struct heap *heap, void *pointer,
                           struct layout layout, const void *caller)
{
    release(heap, &(struct heap_claim){pointer, &layout, caller});
}

static void simple_free(struct heap *heap, void *pointer, const void *caller)
{
    release(heap, &(struct heap_claim){pointer, NULL, caller});
}

/* Gives a block another layout in place.  Sets *block to the block as it was.
 */
static bool resize(struct heap *heap, const struct heap_claim *claim,
                   struct layout layout, struct heap_block *block)
{
    bool done = false;
    enum heap_fault fault = find(heap, true, claim, block);

    if (!fault && layout.size <= heap->region.limit &&
        is_aligned((vaddr_t)claim->pointer, layout.align)) {
        struct heap_block resized = *block;

        done = heap->backend->resize(heap, &resized, layout);
        if (done) {
            heap_discount(&heap->stats, heap->classes, block);
            heap_count(&heap->stats, heap->classes, &resized);
        }
    }
    unlock(heap);
    if (fault)
        heap_report(heap, fault, claim, block);
    return done;
}

static void *simple_resize(struct heap *heap, const struct heap_claim *claim,
                           struct layout layout)
{
    enum mm_error error = layout_error(layout);
    struct heap_block block;

    if (!error && !lock(heap))
        error = MM_BUSY;
    if (error) {
        heap_refuse(heap, error);
        return NULL;
    }
    if (resize(heap, claim, layout, &block))
        return block.start;

    void *moved = simple_alloc(heap, layout, claim->caller);
    if (moved) {
        size_t kept = claim->layout ? block.layout.size : block.usable;

        memcpy(moved, block.start, kept < layout.size ? kept : layout.size);
        release(heap, claim);
    }
    return moved;
}

/* In a handler that must not wait, the block's own header answers: the block is
 * the caller's, and no call changes it.  What lies around the block may be in
 * the middle of a change, so it is not looked at. */
static size_t simple_usable_size(struct heap *heap,
                                 const struct heap_claim *claim)
{
    struct heap_block block;
    bool locked = lock(heap);
    enum heap_fault fault = find(heap, locked, claim, &block);

    if (locked)
        unlock(heap);
    if (fault)
        heap_report(heap, fault, claim, &block);
    return block.usable;
}

static struct heap_stats simple_stats(struct heap *heap)
{
    bool locked = lock(heap);
    struct heap_stats stats = heap->stats;

    stats.region = heap->region.size - heap->without;
    if (locked)
        unlock(heap);
    return stats;
}

static bool simple_class(struct heap *heap, unsigned number,
                         struct heap_class *class)
{
    bool locked = lock(heap);
    bool known = heap_copy_class(heap->classes, number, class);

    if (locked)
        unlock(heap);
    return known;
}

void heap_simple_trim(struct heap *heap)
{
    if (!lock(heap))
        return;
    unlock(heap); /* frees what waits */
    if (!lock(heap))
        return;
    heap->backend->trim(heap);
    unlock(heap);
}

static struct heap_flaw simple_check(struct heap *heap)
{
    struct heap_totals totals = {0};

    if (!lock(heap))
        return HEAP_BUSY;
    struct heap_flaw flaw = heap->backend->check(heap, &totals);
    if (!flaw.place && (totals.blocks != heap->stats.blocks ||
                        totals.requested != heap->stats.requested ||
                        totals.held != heap->stats.held))
        flaw = (struct heap_flaw){
            &heap->stats, "statistics that are not those of the live blocks"};
    unlock(heap);
    return flaw;
}

const struct heap_calls heap_simple_calls = {
    .alloc = simple_alloc,
    .alloc_zeroed = simple_alloc_zeroed,
    .alloc_back = simple_alloc_back,
    .dealloc = simple_dealloc,
    .free = simple_free,
    .realloc = heap_realloc_by_resize,
    .resize = simple_resize,
    .usable_size = simple_usable_size,
    .stats = simple_stats,
    .class = simple_class,
    .check = simple_check,
};
