/* The kernel's address space: a table of regions, the page table that is built
 * from it, and the mappings that are added later.
 *
 *   0000000000000000  low half: nothing is mapped, NULL least of all
 *   ffff800000000000  direct map: all RAM, physical 0 first; the image's text
 *                     and constants are read-only here too
 *   ffffc00000000000  heap: mapped as it grows
 *   ffffd00000000000  scratch: what self-tests map, and unmap again
 *   ffffe00000000000  ranges: pages and devices, mapped on request
 *   ffffffff80000000  the image: text, constants, data, each with its rights
 *
 * Regions are sorted, disjoint and page aligned; an address in none of them is
 * never mapped.  Their table is built once, by one CPU at boot, and is
 * read-only after that.
 *
 * No two regions whose mappings change share an entry of the PML4.  So each of
 * them needs one lock only: "ranges" has one here, and "heap" uses the heap's.
 */
#ifndef MM_KERNEL_SPACE_H
#define MM_KERNEL_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/address.h"
#include "mm/error.h"
#include "mm/memory_map.h"
#include "mm/page_audit.h"
#include "mm/page_table.h"
#include "mm/virtual_range.h"

/* The first two have copies in boot/layout.inc. */
#define DIRECT_MAP_BASE UINT64_C(0xffff800000000000)
#define KERNEL_BASE     UINT64_C(0xffffffff80000000)
#define HEAP_BASE       UINT64_C(0xffffc00000000000)
#define SCRATCH_BASE    UINT64_C(0xffffd00000000000)
#define RANGES_BASE     UINT64_C(0xffffe00000000000)

/* 64 TiB: as much room as the direct map has before the heap begins. */
#define DIRECT_MAP_BYTES (UINT64_C(1) << 46)
#define HEAP_BYTES       (UINT64_C(1) << 40)
#define SCRATCH_BYTES    (UINT64_C(1) << 36)
#define RANGES_BYTES     (UINT64_C(1) << 40)

enum region_kind {
    REGION_MAPPED,    /* all of it, from the start */
    REGION_RAM,       /* the direct map: wherever there is RAM */
    REGION_ON_DEMAND, /* page by page, when it is needed */
    REGION_UNMAPPED,  /* never: an access to it is a bug */
};

/* flags has the rights of all pages of a region, and PAGE_GLOBAL.  The caching
 * is write-back; but if flags has both of these bits, each page has the caching
 * that was asked for. */
#define REGION_ANY_CACHING (PAGE_UNCACHED | PAGE_WRITE_COMBINING)

struct region {
    vaddr_t start;
    uint64_t bytes;
    enum region_kind kind;
    unsigned flags;
    const char *name;
};

/* Stacks of CPU 0: one to run on, and one each for double fault, NMI and
 * machine check. */
#define KERNEL_STACKS 4

/* Where the parts of the image are linked, page aligned, in this order; its
 * physical address is KERNEL_BASE less.  From text to rodata_end it is written
 * at no address, and executed as text alone. */
struct kernel_image {
    vaddr_t text, text_end;
    vaddr_t rodata, rodata_end;
    vaddr_t data, data_end;
    /* Above the data.  The page below each stack stays unmapped. */
    struct kernel_image_stack {
        vaddr_t bottom, top;
    } stack[KERNEL_STACKS];
};

/* ---- The space ---- */

/* Builds the space and loads it.  Needs the first 4 GiB mapped in the direct
 * map.  Takes its tables from the memory map, below 4 GiB.  Afterwards
 * phys_to_virt reaches all RAM, and the low half is unmapped.  The map must
 * stay.
 *
 * Errors of page_map, mostly MM_OUT_OF_MEMORY.  After an error the old page
 * table is still loaded. */
enum mm_error kernel_space_init(struct memory_map *map,
                                const struct kernel_image *image);

/* From now on tables come from the frame allocator, and the region "ranges" can
 * be used.  To be called after frame_init. */
void kernel_space_use_frames(void);

/* The live page table.  Only one CPU at a time may change what lies below one
 * entry of the PML4. */
struct page_table *kernel_space_table(void);

/* kernel_space_regions: all regions, in order of address, and how many.
 * kernel_space_find: the region that holds the address, or NULL.  Any context,
 * after kernel_space_init. */
const struct region *kernel_space_regions(unsigned *count);
const struct region *kernel_space_find(vaddr_t address);

/* The ranges that were handed out in the region "ranges". */
struct virtual_space *kernel_space_ranges(void);

/* Whether the live page table keeps all the rules of mm/page_audit.h and of the
 * regions: each leaf lies wholly in one, with its rights and its caching, and
 * shows the memory that the region is for; a leaf of "ranges" lies wholly in a
 * range that is live, so not over a guard page, and not left behind when its
 * range was freed; and text and constants are writable nowhere.  Called as
 * page_audit is, after kernel_space_init. */
bool kernel_space_audit(struct page_offence *offence)
    __attribute__((warn_unused_result));

/* ---- Pages and devices ----
 *
 * From any CPU, and from any handler.  A handler that must not wait (it has
 * interrupted a call of mm/, or is that of an NMI or a machine check; see
 * mm/platform.h) gets MM_BUSY.  Names are for reports and must live for ever.
 * After an error nothing has changed.  All of them return MM_NOT_READY before
 * kernel_space_use_frames. */

/* Sets *pages to `bytes` of writable memory, not cleared.  The leaves are as
 * large as the bytes, the CPU and the free frames allow.  bytes, alignment,
 * guards and errors are as for virtual_range_alloc; MM_OUT_OF_MEMORY also if
 * there are not enough frames, and MM_BUSY if that cannot be told, because
 * another CPU does not leave its frame call. */
enum mm_error kernel_space_alloc_pages(uint64_t bytes, uint64_t alignment,
                                       unsigned guards, const char *name,
                                       void **pages)
    __attribute__((warn_unused_result));

/* Unmaps these pages and frees their frames; those for which frame_free answers
 * MM_BUSY wait, and are freed by a later call (mm/space/give_back.h).  Errors
 * of virtual_range_free, and MM_BAD_ARGUMENT for a device that
 * kernel_space_map_device mapped. */
enum mm_error kernel_space_free_pages(void *pages)
    __attribute__((warn_unused_result));

/* How many devices can be mapped at a time. */
#define KERNEL_SPACE_DEVICES_MAX 64

/* Maps device memory, or memory that the firmware keeps for itself, and sets
 * *at to its address.  paddr and bytes need no alignment.  The direct map may
 * show some of these pages, because it rounds RAM outward.  With a caching
 * other than 0 they are unmapped there; after an error some may be unmapped
 * already.
 *
 * caching: PAGE_UNCACHED, PAGE_WRITE_COMBINING, or 0 for tables in memory that
 * the firmware reserved.
 * MM_EMPTY_RANGE, MM_RANGE_WRAPS
 * MM_BAD_ARGUMENT    other caching, or no name
 * MM_OUT_OF_RANGE    physical addresses past those that the CPU has
 * MM_ALREADY_MAPPED  part of it is RAM, which the direct map shows; or it is
 *                    mapped for a device with other caching
 * MM_TABLE_FULL      too many devices
 * MM_OUT_OF_MEMORY   no frame for a table, or no gap */
enum mm_error kernel_space_map_device(paddr_t paddr, uint64_t bytes,
                                      unsigned caching, const char *name,
                                      void **at)
    __attribute__((warn_unused_result));

/* Takes any address in the first page of the device.  MM_NOT_HELD: no device is
 * mapped there. */
enum mm_error kernel_space_unmap_device(void *at)
    __attribute__((warn_unused_result));

/* ---- In words ---- */

/* Prints the regions as a table of lines, in order of address.  print is as the
 * C library's printf.  Any context. */
void kernel_space_print(int (*print)(const char *format, ...)
                            __attribute__((format(printf, 1, 2))));

/* Writes what an address is, as part of a sentence: "guard page behind range
 * 'log'".  Returns as snprintf does; KERNEL_SPACE_SENTENCE bytes suffice unless
 * a name is long.  It never waits, so any context may call it, the fault
 * handler too. */
#define KERNEL_SPACE_SENTENCE PAGE_PLAN_WORDS
size_t kernel_space_explain(vaddr_t address, char *buffer, size_t size);

#endif
