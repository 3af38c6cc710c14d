/* heap_fail_allocation: a layer over any heap that makes one allocation fail,
 * and then removes itself. */
#include "mm/heap/backend.h"

/* No heap has this much memory: the layer below refuses it and counts the
 * failure as usual. */
static const struct layout too_much = {PTRDIFF_MAX, 1};

/* Counts an allocation.  True if it is the one that must fail. */
static bool is_its_turn(struct heap *heap)
{
    /* relaxed: calls on several CPUs have no order anyway */
    if (__atomic_sub_fetch(&heap->fail_in, 1, __ATOMIC_RELAXED) != 0)
        return false;
    heap_fail_allocation(heap, 0);
    return true;
}

static void *failing_alloc(struct heap *heap, struct layout layout,
                           const void *caller)
{
    if (is_its_turn(heap))
        layout = too_much;
    return heap->unfailing->alloc(heap, layout, caller);
}

static void *failing_alloc_zeroed(struct heap *heap, struct layout layout,
                                  const void *caller)
{
    if (is_its_turn(heap))
        layout = too_much;
    return heap->unfailing->alloc_zeroed(heap, layout, caller);
}

static void *failing_alloc_back(struct heap *heap, struct layout layout,
                                const void *caller)
{
    if (is_its_turn(heap))
        layout = too_much;
    return heap->unfailing->alloc_back(heap, layout, caller);
}

static void *failing_resize(struct heap *heap, const struct heap_claim *claim,
                            struct layout layout)
{
    if (is_its_turn(heap))
        layout = too_much;
    return heap->unfailing->resize(heap, claim, layout);
}

static void failing_dealloc(struct heap *heap, void *pointer,
                            struct layout layout, const void *caller)
{
    heap->unfailing->dealloc(heap, pointer, layout, caller);
}

static void failing_free(struct heap *heap, void *pointer, const void *caller)
{
    heap->unfailing->free(heap, pointer, caller);
}

static size_t failing_usable_size(struct heap *heap,
                                  const struct heap_claim *claim)
{
    return heap->unfailing->usable_size(heap, claim);
}

static struct heap_stats failing_stats(struct heap *heap)
{
    return heap->unfailing->stats(heap);
}

static bool failing_class(struct heap *heap, unsigned number,
                          struct heap_class *class)
{
    return heap->unfailing->class &&
           heap->unfailing->class(heap, number, class);
}

static struct heap_flaw failing_check(struct heap *heap)
{
    return heap->unfailing->check(heap);
}

static const struct heap_calls failing_calls = {
    .alloc = failing_alloc,
    .alloc_zeroed = failing_alloc_zeroed,
    .alloc_back = failing_alloc_back,
    .dealloc = failing_dealloc,
    .free = failing_free,
    .realloc = heap_realloc_by_resize,
    .resize = failing_resize,
    .usable_size = failing_usable_size,
    .stats = failing_stats,
    .class = failing_class,
    .check = failing_check,
};

void heap_fail_allocation(struct heap *heap, uint64_t number)
{
    if (!heap->unfailing)
        heap->unfailing = heap->table;
    heap->fail_in = number; /* before the calls are stored, so that a call that
                             * gets failing_calls sees it */
    heap_use_calls(heap, number ? &failing_calls : heap->unfailing);
}
