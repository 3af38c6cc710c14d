/* Memory for a heap that grows: a range of virtual addresses, backed with
 * frames from its start as far as it is used, and in pieces elsewhere.
 *
 *   start              usable        backed                      limit
 *   +-------------------+-------------+- - - - - - - - - - - - - -+
 *   | the heap's        | frames of a | not mapped                |
 *   |                   | growth that |                           |
 *   |                   | fell short  |                           |
 *   +-------------------+-------------+- - - - - - - - - - - - - -+
 *
 * The range is in kernel_space's page table.  The heap's lock covers its range.
 */
#ifndef MM_HEAP_RANGE_H
#define MM_HEAP_RANGE_H

#include "mm/error.h"
#include "mm/heap.h"

struct heap_range {
    vaddr_t start;  /* a multiple of 2 MiB, so that large pages fit */
    uint64_t limit; /* bytes, a multiple of 4 KiB */
    uint64_t usable, backed;
    uint64_t pieces; /* bytes up to the end of the last piece */
};

/* An empty range, and the region to give to heap_init; after
 * kernel_space_use_frames.  The range must outlive the heap.  Frames come
 * zeroed, so the region says that it is. */
struct heap_region heap_range_region(struct heap_range *range, vaddr_t start,
                                     uint64_t limit);

/* Unmaps the range and gives its frames back; after heap_fini. */
void heap_range_release(struct heap_range *range);

/* Makes kmalloc and its family work, with this back-end over the region "heap"
 * of mm/kernel_space.h.  Once.  The errors are those of heap_init. */
enum mm_error heap_range_init_kernel(const struct heap_backend *backend);

#endif
