/* The free frames of the first MiB: for the files mm/frame/ only.
 *
 * Some devices, and CPUs that start, reach nothing else, so the trees never
 * have them (MEMORY_LOW).  256 bits, changed by single atomic operations: from
 * any CPU and any handler.
 */
#ifndef MM_FRAME_LOW_H
#define MM_FRAME_LOW_H

#include "mm/address.h"
#include "mm/error.h"
#include "mm/memory_map.h"

#define FRAME_LOW_END (UINT64_C(1) << 20)

/* Page 0 is left out: real-mode code and null pointers lead there. */
void frame_low_init(const struct memory_map *map);

/* The lowest that ends below limit, or PADDR_NONE. */
paddr_t frame_low_alloc(paddr_t limit);

/* MM_NOT_HELD: it is free; MM_RESERVED: none of these frames. */
enum mm_error frame_low_free(paddr_t frame);

#endif
