/* The kernel's address space: one table of regions, and the page table that
 * is built from it.
 *
 *   0000000000000000  low half: nothing is mapped, NULL least of all
 *   ffff800000000000  direct map: all RAM, physical 0 first
 *   ffffc00000000000  heap: mapped as it grows
 *   ffffd00000000000  scratch: what self-tests map, and unmap again
 *   ffffffff80000000  the image: text, constants, data, each as it must be
 *
 * Regions are sorted, disjoint and page aligned; an address in none of them is
 * never mapped.  Built once, by one CPU at boot; read-only after that.
 */
#ifndef MM_KERNEL_SPACE_H
#define MM_KERNEL_SPACE_H

#include <stdint.h>

#include "mm/address.h"
#include "mm/error.h"
#include "mm/memory_map.h"
#include "mm/page_table.h"

/* The first two are in boot/layout.inc too. */
#define DIRECT_MAP_BASE UINT64_C(0xffff800000000000)
#define KERNEL_BASE     UINT64_C(0xffffffff80000000)
#define HEAP_BASE       UINT64_C(0xffffc00000000000)
#define SCRATCH_BASE    UINT64_C(0xffffd00000000000)

/* 64 TiB: what the direct map has room for before the heap begins. */
#define DIRECT_MAP_BYTES (UINT64_C(1) << 46)
#define HEAP_BYTES       (UINT64_C(1) << 40)
#define SCRATCH_BYTES    (UINT64_C(1) << 36)

enum region_kind {
    REGION_MAPPED,    /* wholly, from the start */
    REGION_RAM,       /* the direct map: where there is RAM */
    REGION_ON_DEMAND, /* as it is needed */
    REGION_UNMAPPED,  /* never: whoever touches it has made a mistake */
};

struct region {
    const char *name;
    vaddr_t start;
    uint64_t bytes;
    enum region_kind kind;
    unsigned flags; /* PAGE_WRITE, PAGE_EXECUTE, ... of its pages */
};

/* Where the parts of the image are linked, page aligned; its physical address
 * is KERNEL_BASE less. */
struct kernel_image {
    vaddr_t text, text_end;
    vaddr_t rodata, rodata_end;
    vaddr_t data, data_end;
    vaddr_t stack_guard; /* one page inside data that stays unmapped */
};

/* Builds the space and loads it.  Needs the first 4 GiB mapped at the direct
 * map; takes its tables from the memory map, below 4 GiB.  Afterwards all RAM
 * is reachable by phys_to_virt and the low half is gone.
 *
 * Whatever error page_map gives, MM_OUT_OF_MEMORY above all: then the old
 * page table still stands. */
enum mm_error kernel_space_init(struct memory_map *map,
                                const struct kernel_image *image);

/* From now on tables come from the frame allocator; after frame_init. */
void kernel_space_use_frames(void);

/* The live page table.  One CPU at a time may change it. */
struct page_table *kernel_space_table(void);

/* The regions in order of address, and how many; the region that holds the
 * address, or NULL.  Any context, after kernel_space_init. */
const struct region *kernel_space_regions(unsigned *count);
const struct region *kernel_space_find(vaddr_t address);

#endif
