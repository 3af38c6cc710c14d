/* Memory for a heap that grows: a range of virtual addresses.  Frames back it
 * from its start up to `backed`, but for pages that the heap gave back, and
 * beyond that in pieces that the heap asks for one by one.
 *
 *   start              usable        backed                      limit
 *   +-------------------+-------------+- - - - - - - - - - - - - -+
 *   | the heap's        | frames of a | not mapped                |
 *   |                   | growth that |                           |
 *   |                   | fell short  |                           |
 *   +-------------------+-------------+- - - - - - - - - - - - - -+
 *
 * The range is mapped in kernel_space's page table.  The heap calls it with the
 * heap's lock held, which protects the range too.
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

/* Sets up an empty range, and returns the region to give to heap_init.  After
 * kernel_space_use_frames.  The range must outlive the heap.  Frames are
 * cleared when they are mapped, so the region is marked as zeroed. */
struct heap_region heap_range_region(struct heap_range *range, vaddr_t start,
                                     uint64_t limit);

/* Unmaps the range and gives its frames back; after heap_fini. */
void heap_range_release(struct heap_range *range);

/* Makes kmalloc and its family work, with this back-end in the region "heap" of
 * mm/kernel_space.h.  To be called once.  Errors of heap_init. */
enum mm_error heap_range_init_kernel(const struct heap_backend *backend);

#endif
