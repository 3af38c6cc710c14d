/* The heap's public functions: making and ending heaps, and calling the
 * functions of the heap's back-end. */
#include "mm/heap.h"

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "mm/heap/backend.h"
#include "mm/heap/guard.h"
#include "mm/platform.h"

/* The address that the public function was called from.  A macro, because a
 * function would have a return address of its own. */
#define CALLER __builtin_return_address(0)

const struct heap_backend *const heap_backends[] = {
    &heap_slab, &heap_bins, &heap_buddy, &heap_list, &heap_bump, NULL,
};

/* All heaps that exist, to find overlapping regions. */
static struct heap *heaps;
static struct spinlock heaps_lock;

const struct heap_backend *heap_backend_find(const char *name)
{
    for (size_t i = 0; heap_backends[i]; i++)
        if (strcmp(heap_backends[i]->name, name) == 0)
            return heap_backends[i];
    return NULL;
}

const char *heap_backend_name(const struct heap_backend *backend)
{
    return backend->name;
}

const char *heap_backend_help(const struct heap_backend *backend)
{
    return backend->help;
}

/* ---- Making and ending a heap ---- */

static const char *const checks_names[] = {"off", "basic", "full"};

#define CHECKS_COUNT (sizeof(checks_names) / sizeof(checks_names[0]))

static enum heap_checks checks_from_now_on = HEAP_CHECKS_BASIC;

const char *heap_checks_name(enum heap_checks checks)
{
    return (size_t)checks < CHECKS_COUNT ? checks_names[checks] : NULL;
}

bool heap_checks_find(const char *name, enum heap_checks *checks)
{
    for (size_t i = 0; i < CHECKS_COUNT; i++)
        if (strcmp(checks_names[i], name) == 0) {
            *checks = (enum heap_checks)i;
            return true;
        }
    return false;
}

void heap_set_checks(enum heap_checks checks)
{
    checks_from_now_on = checks;
}

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

/* A heap that is this one, or whose region overlaps this region; or NULL. */
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

/* Adds the heap to the list of all heaps, or returns why that is not possible.
 */
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
        *heap = (struct heap){
            .backend = backend,
            .checks = checks_from_now_on,
            .region = *region,
            .next = heaps,
        };
        heap_use_calls(heap,
                       backend->calls ? backend->calls : &heap_simple_calls);
        heaps = heap;
    }
    spinlock_unlock(&heaps_lock);
    return error;
}

/* Sets up a heap that is in the list. */
static enum mm_error set_up(struct heap *heap)
{
    const struct heap_backend *backend = heap->backend;
    const struct heap_region *region = &heap->region;

    if (region->size < backend->region_min &&
        !heap_grow(heap, backend->region_min - region->size))
        return MM_OUT_OF_MEMORY;
    backend->init(heap);
    return heap->checks == HEAP_CHECKS_FULL ? heap_guard_init(heap) : MM_OK;
}

enum mm_error heap_init(struct heap *heap, const struct heap_backend *backend,
                        struct heap_region region)
{
    enum mm_error error = enter(heap, backend, &region);

    if (!error) {
        error = set_up(heap);
        if (!error)
            return MM_OK;
        heap_fini(heap);
    }
    platform_log("heap: no %s heap at %p, %zu of %zu bytes: %s", backend->name,
                 region.start, region.size, region.limit, mm_error_text(error));
    return error;
}

void heap_fini(struct heap *heap)
{
    struct heap **link = &heaps;

    /* a heap that could not be set up has no state */
    if (heap->state && heap->backend->fini)
        heap->backend->fini(heap);
    heap->state = NULL;
    spinlock_lock(&heaps_lock);
    while (*link && *link != heap)
        link = &(*link)->next;
    bool in_use = *link != NULL;
    if (in_use)
        *link = heap->next;
    spinlock_unlock(&heaps_lock);
    ASSERT(in_use, "heap %p ended without having been made", (void *)heap);
}

/* ---- A heap of the caller's choice ---- */

ALIGNED_TO_LINE void *heap_alloc_in(struct heap *heap, struct layout layout)
{
    return heap->calls.alloc(heap, layout, CALLER);
}

void *heap_alloc_zeroed_in(struct heap *heap, struct layout layout)
{
    return heap->calls.alloc_zeroed(heap, layout, CALLER);
}

void *heap_alloc_back_in(struct heap *heap, struct layout layout)
{
    return heap->calls.alloc_back(heap, layout, CALLER);
}

ALIGNED_TO_LINE void heap_dealloc_in(struct heap *heap, void *pointer,
                                     struct layout layout)
{
    heap->calls.dealloc(heap, pointer, layout, CALLER);
}

ALIGNED_TO_LINE void *heap_realloc_in(struct heap *heap, void *pointer,
                                      struct layout layout, size_t new_size)
{
    return heap->calls.realloc(heap, pointer, layout, new_size, CALLER);
}

void heap_free_in(struct heap *heap, void *pointer)
{
    if (pointer)
        heap->calls.free(heap, pointer, CALLER);
}

size_t heap_usable_size_in(struct heap *heap, const void *pointer)
{
    return heap->calls.usable_size(heap,
                                   &(struct heap_claim){pointer, NULL, CALLER});
}

enum mm_error heap_error_in(struct heap *heap)
{
    /* relaxed: if several calls fail at the same time, the error of any of them
     */
    return __atomic_load_n(&heap->error, __ATOMIC_RELAXED);
}

struct heap_stats heap_stats(struct heap *heap)
{
    return heap->calls.stats(heap);
}

void heap_trim(struct heap *heap)
{
    if (heap->guard)
        heap_guard_trim(heap, CALLER);
    if (heap->backend->calls)
        heap->backend->trim(heap);
    else
        heap_simple_trim(heap);
}

bool heap_class(struct heap *heap, unsigned number, struct heap_class *class)
{
    return heap->calls.class && heap->calls.class(heap, number, class);
}

struct heap_flaw heap_check(struct heap *heap)
{
    return heap->calls.check(heap);
}

size_t heap_report_leaks(struct heap *heap,
                         int (*print)(const char *format, ...))
{
    return heap->guard ? heap_guard_leaks(heap, print) : 0;
}

/* ---- The kernel-wide heap ---- */

static void *no_alloc(struct heap *heap, struct layout layout,
                      const void *caller)
{
    (void)heap;
    (void)layout;
    (void)caller;
    return NULL;
}

_Noreturn static void no_free(struct heap *heap, void *pointer,
                              const void *caller)
{
    (void)heap;
    assert_failed(__FILE__, __LINE__, "no heap",
                  "%p freed before there is a heap, called from %p", pointer,
                  caller);
}

static void no_dealloc(struct heap *heap, void *pointer, struct layout layout,
                       const void *caller)
{
    (void)layout;
    no_free(heap, pointer, caller);
}

static void *no_resize(struct heap *heap, const struct heap_claim *claim,
                       struct layout layout)
{
    no_dealloc(heap, (void *)(vaddr_t)claim->pointer, layout, claim->caller);
    return NULL;
}

static size_t no_size(struct heap *heap, const struct heap_claim *claim)
{
    no_free(heap, (void *)(vaddr_t)claim->pointer, claim->caller);
}

/* Stands in for the kernel's heap until there is one, so that no call has to
 * test for NULL. */
static struct heap no_heap = {
    .calls =
        {
            .alloc = no_alloc,
            .alloc_zeroed = no_alloc,
            .alloc_back = no_alloc,
            .dealloc = no_dealloc,
            .free = no_free,
            .realloc = heap_realloc_by_resize,
            .resize = no_resize,
            .usable_size = no_size,
        },
    .error = MM_NOT_READY,
};

static struct heap *kernel_heap = &no_heap;

void heap_set_kernel(struct heap *heap)
{
    kernel_heap = heap ? heap : &no_heap;
}

struct heap *heap_kernel(void)
{
    return kernel_heap != &no_heap ? kernel_heap : NULL;
}

void *heap_alloc(struct layout layout)
{
    return kernel_heap->calls.alloc(kernel_heap, layout, CALLER);
}

void *heap_alloc_zeroed(struct layout layout)
{
    return kernel_heap->calls.alloc_zeroed(kernel_heap, layout, CALLER);
}

void heap_dealloc(void *pointer, struct layout layout)
{
    kernel_heap->calls.dealloc(kernel_heap, pointer, layout, CALLER);
}

void *heap_realloc(void *pointer, struct layout layout, size_t new_size)
{
    return kernel_heap->calls.realloc(kernel_heap, pointer, layout, new_size,
                                      CALLER);
}

enum mm_error heap_last_error(void)
{
    return heap_error_in(kernel_heap);
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
    return kernel_heap->calls.alloc(kernel_heap, natural_layout(size), CALLER);
}

void *kzalloc(size_t size)
{
    return kernel_heap->calls.alloc_zeroed(kernel_heap, natural_layout(size),
                                           CALLER);
}

void *kmalloc_array(size_t count, size_t size)
{
    size_t bytes;

    /* no layout of SIZE_MAX bytes is valid, so this gives the error wanted here
     */
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    return kernel_heap->calls.alloc(kernel_heap, natural_layout(bytes), CALLER);
}

void *krealloc(void *pointer, size_t size)
{
    if (!pointer)
        return kernel_heap->calls.alloc(kernel_heap, natural_layout(size),
                                        CALLER);
    return kernel_heap->calls.resize(
        kernel_heap, &(struct heap_claim){pointer, NULL, CALLER},
        natural_layout(size));
}

void kfree(void *pointer)
{
    if (pointer)
        kernel_heap->calls.free(kernel_heap, pointer, CALLER);
}

void kfree_sized(void *pointer, size_t size)
{
    if (pointer)
        kernel_heap->calls.dealloc(kernel_heap, pointer, natural_layout(size),
                                   CALLER);
}

size_t kmalloc_usable_size(const void *pointer)
{
    if (!pointer)
        return 0;
    return kernel_heap->calls.usable_size(
        kernel_heap, &(struct heap_claim){pointer, NULL, CALLER});
}
