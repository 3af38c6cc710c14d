/* The first allocator: it cuts memory off the top of the memory map.
 *
 * It serves the page tables and the frame trees, until the frame trees are
 * built.  Nothing is ever given back.  What was handed out stays in the map as
 * MEMORY_METADATA, so that the trees, which are built from the map, do not
 * contain it.  To be called on one CPU, at boot, before frame_init.
 */
#ifndef MM_BOOT_FRAMES_H
#define MM_BOOT_FRAMES_H

#include <stdint.h>

#include "mm/address.h"
#include "mm/memory_map.h"

/* The highest free memory of that many bytes, rounded up to whole pages.  It
 * lies wholly below limit (such as the first 4 GiB, the part that is mapped so
 * far) and at a multiple of alignment.  alignment is a power of two; one below
 * PAGE_SIZE counts as PAGE_SIZE.  The contents are arbitrary.
 *
 * PADDR_NONE if there is no such memory, if the map has no entry left to record
 * it, if bytes is 0, or if alignment is no power of two.
 *
 * MEMORY_BOOT_SERVICES is used only when no usable memory fits.  It is free as
 * well: the loader has left the boot services before it started the kernel, and
 * the kernel has its own descriptor tables, page tables and stack.  A small
 * UEFI machine has little other memory (35 of 64 MiB under OVMF are of this
 * type).  It comes late because some firmware goes on using it; MEMORY_UNCACHED
 * comes last. */
paddr_t boot_frames_alloc(struct memory_map *map, uint64_t bytes,
                          uint64_t alignment, paddr_t limit);

#endif
