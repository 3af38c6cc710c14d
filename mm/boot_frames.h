/* The first allocator: blocks cut off the top of the memory map.
 *
 * It serves until the frame trees stand: page tables, and the trees
 * themselves.  Nothing is ever given back; what was handed out stays in the
 * map as MEMORY_METADATA, so whoever builds the trees from the map leaves it
 * out.  One CPU, at boot, before frame_init.
 */
#ifndef MM_BOOT_FRAMES_H
#define MM_BOOT_FRAMES_H

#include <stdint.h>

#include "mm/address.h"
#include "mm/memory_map.h"

/* The highest free block of that many bytes, rounded up to whole pages, that
 * lies wholly below limit (what is mapped so far, say: the first 4 GiB) and
 * at a multiple of alignment: a power of two, less than PAGE_SIZE counts as
 * PAGE_SIZE.  Its contents are arbitrary.
 *
 * PADDR_NONE if there is no such block, if the map has no entry left to
 * record it, or if bytes is 0 or alignment no power of two.
 *
 * MEMORY_BOOT_SERVICES is touched only when no usable memory fits.  It is
 * free as well: the loader has left the boot services before it started us,
 * and descriptor tables, page tables and stack are our own.  A small UEFI
 * machine has little else (35 of 64 MiB under OVMF).  It comes last
 * because firmware exists that goes on using it. */
paddr_t boot_frames_alloc(struct memory_map *map, uint64_t bytes,
                          uint64_t alignment, paddr_t limit);

#endif
