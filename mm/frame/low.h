/* The free frames of the first MiB.  For the files of mm/frame/ only.
 *
 * Some devices, and CPUs that start, can reach no other memory, so the trees
 * never contain these frames (MEMORY_LOW).  They are 256 bits, which are
 * changed by single atomic operations: from any CPU and any handler.
 */
#ifndef MM_FRAME_LOW_H
#define MM_FRAME_LOW_H

#include "mm/address.h"
#include "mm/error.h"
#include "mm/memory_map.h"

#define FRAME_LOW_END (UINT64_C(1) << 20)

/* Page 0 is left out, because real-mode code and null pointers use its
 * addresses. */
void frame_low_init(const struct memory_map *map);

/* The lowest free frame that ends at or below limit, or PADDR_NONE. */
paddr_t frame_low_alloc(paddr_t limit);

/* MM_NOT_HELD: the frame is free.  MM_RESERVED: it is not one of these frames.
 */
enum mm_error frame_low_free(paddr_t frame);

#endif
