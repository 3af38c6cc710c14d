/* Large blocks of the back-end slab: whole pages, one block a run.
 *
 * Where the region says how (struct heap_region's large_alloc), they lie
 * outside of it, and a table by their addresses knows them.  Elsewhere they are
 * runs of its own pages, and grow and shrink in place where they can.
 */
#ifndef MM_HEAP_SLAB_LARGE_H
#define MM_HEAP_SLAB_LARGE_H

#include "mm/heap.h"
#include "mm/heap/backend.h"

#define LARGE_BUCKETS 64

/* One block outside of the region. */
struct large_block {
    struct large_block *next; /* in its bucket */
    vaddr_t start;
    struct layout layout;
    size_t usable;
    bool waits; /* it was freed, and is in the list of those that wait */
};

/* All of them; the lock comes before heap->lock. */
struct large {
    struct cpu_lock lock;
    struct large_block *bucket[LARGE_BUCKETS];
    size_t count, bytes; /* usable ones of all */
    struct heap_deferred *deferred; /* freed by who must not wait for a lock */
};

/* A block; NULL, with the reason, if there is none. */
void *large_alloc(struct heap *heap, struct layout layout, bool clear,
                  enum mm_error *error);

/* Whether a pointer would be one of a block outside of the region. */
static inline bool large_is_outside(const struct heap *heap,
                                    const void *pointer)
{
    return heap->region.large_alloc &&
           (vaddr_t)pointer - (vaddr_t)heap->region.start >= heap->region.limit;
}

/* The live block at this pointer, outside of the region, as struct
 * heap_backend's find tells it. */
enum heap_fault large_find(const struct heap *heap, const void *pointer,
                           struct heap_block *block);

/* Gives a block another layout where it is, if it is a large one and can. */
bool large_resize(struct heap *heap, const struct heap_block *block,
                  struct layout layout);

void large_free(struct heap *heap, void *start);

/* Frees those whose free had to wait, as far as that can be done now. */
void large_free_deferred(struct heap *heap);

/* At the end of the heap. */
void large_free_all(struct heap *heap);

/* Usable bytes of all blocks outside of the region. */
size_t large_bytes(const struct heap *heap);

/* The next of the blocks outside of the region, of which *number were met;
 * false if that was the last. */
bool large_next(const struct heap *heap, size_t *number,
                struct heap_block *block);

#endif
