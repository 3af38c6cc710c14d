/* 4-level page tables: map, unmap, protect, walk, with leaves of 4K, 2M, 1G.
 *
 * Ranges are given in bytes; the largest leaves that fit are used, and a large
 * leaf is split when part of it changes.  The caller provides one 4K frame for
 * each table, and gets it back when the table is empty.  The mapped frames
 * remain the caller's.
 *
 * Invariants, between calls:
 *   - no table but the root is empty, and the entry that points at a table
 *     counts its entries in use (see mm/page/entry.h);
 *   - an entry is 0, a leaf, or points at a table of this page table alone;
 *   - no executable page of a live table changes its size: some of Intel's CPUs
 *     stop with a machine check where they fetch code by two sizes of one
 *     translation, the old one in their TLB, the new one in the tables
 *     (CVE-2018-12207).  So such leaves are neither split nor joined;
 *   - no table is given back before the CPUs, idle ones too, have dropped it
 *     from their TLBs and page-walk caches.
 *
 * Every function returns an error with a name, and after an error nothing has
 * changed.  Ranges and addresses are checked first, in this order:
 *   MM_NOT_READY      page_table_init was not called
 *   MM_EMPTY_RANGE    bytes is 0
 *   MM_MISALIGNED     an address or bytes is no multiple of 4096
 *   MM_RANGE_WRAPS    the range runs past the last virtual address
 *   MM_NON_CANONICAL  the range is in, or crosses, the hole between the halves
 *
 * Callers serialise the calls on one page table.  Any context may call, also
 * before the heap and the frame allocator exist, if `alloc` and `free` work
 * there; if the table is live, any in which TLBs may be invalidated.  An
 * operation invalidates TLBs through mm/platform.h only: once, after its
 * entries are written and before a frame is given back, page by page if the
 * pages are few.
 */
#ifndef MM_PAGE_TABLE_H
#define MM_PAGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/address.h"
#include "mm/error.h"
#include "mm/page/entry.h"

struct page_table {
    paddr_t root; /* the PML4: what CR3 is loaded with */

    /* alloc returns a 4K frame for a table, with any contents, or PADDR_NONE;
     * free takes it back.  phys_to_virt must reach the frame.  Neither function
     * may call into this page table. */
    paddr_t (*alloc)(void *context);
    void (*free)(void *context, paddr_t frame);
    void *context;

    /* A CPU may be translating with this table, so changes must be followed by
     * invalidations.  page_table_load sets it; a caller that knows that every
     * CPU has loaded another table may clear it. */
    bool live;

    /* What this CPU can do; page_table_init asks once. */
    unsigned largest_level;
    unsigned paddr_bits;
};

/* Makes an empty page table, which takes one frame.  MM_OUT_OF_MEMORY if there
 * is none. */
enum mm_error page_table_init(struct page_table *table,
                              paddr_t (*alloc)(void *context),
                              void (*free)(void *context, paddr_t frame),
                              void *context);

/* Makes this CPU translate with this table from now on. */
void page_table_load(struct page_table *table);

/* Gives back every table, the root last.  The table must not be live.  The
 * mapped frames remain the caller's. */
void page_table_destroy(struct page_table *table);

/* Maps `bytes` from vaddr on to the memory from paddr on, with leaves as large
 * as both addresses, the bytes and the CPU allow (only 4K with PAGE_SMALL).
 *
 * vaddr, paddr, bytes: multiples of 4096.  flags: of PAGE_FLAGS_MAP.
 * MM_BAD_ARGUMENT   other flags, or both UNCACHED and WRITE_COMBINING
 * MM_OUT_OF_RANGE   physical addresses past those that the CPU has
 * MM_ALREADY_MAPPED some page of the range is mapped
 * MM_OUT_OF_MEMORY  no frame for a table
 * With the last two errors, some pages of the range may have been mapped before
 * the error was found.  They are unmapped again, but the CPU could use them
 * until then.  Takes at most one frame for each 512 GiB that the range touches,
 * one for each 1 GiB in which it has leaves of 2M or 4K, and one for each 2 MiB
 * in which it has leaves of 4K. */
enum mm_error page_map(struct page_table *table, vaddr_t vaddr, paddr_t paddr,
                       uint64_t bytes, unsigned flags);

/* Unmaps every page of the range.  Leaves that lie only partly in the range are
 * split first, which takes at most 4 frames.
 * MM_NOT_MAPPED     some page of the range is not mapped
 * MM_BAD_ARGUMENT   a split of an executable leaf, in a live table
 * MM_OUT_OF_MEMORY  no frame for a split */
enum mm_error page_unmap(struct page_table *table, vaddr_t vaddr,
                         uint64_t bytes);

/* Replaces the flags of every page of the range with these (of
 * PAGE_FLAGS_PROTECT); accessed and dirty stay.  Errors as for page_unmap, and
 * MM_BAD_ARGUMENT also as for page_map. */
enum mm_error page_protect(struct page_table *table, vaddr_t vaddr,
                           uint64_t bytes, unsigned flags);

/* Replaces each table that lies wholly inside the range by a larger leaf if
 * possible: if its 512 entries are leaves, not executable, equal except for
 * accessed and dirty, of consecutive memory that starts at a multiple of the
 * larger size.  The larger leaf is accessed or dirty if one of them was.  Never
 * needs a frame.  MM_OK also if there is nothing to join. */
enum mm_error page_join(struct page_table *table, vaddr_t vaddr,
                        uint64_t bytes);

/* The physical address of the byte at an address, or PADDR_NONE. */
paddr_t page_translate(const struct page_table *table, vaddr_t vaddr);

/* Reads and clears accessed and dirty of the leaf that maps this address.  Only
 * the bits in `flags` (PAGE_ACCESSED, PAGE_DIRTY) are cleared; *was gets those
 * of them that were set.  Any address in the leaf will do.  page_walk reads
 * without clearing.  MM_BAD_ARGUMENT, MM_NON_CANONICAL, MM_NOT_MAPPED. */
enum mm_error page_test_and_clear(struct page_table *table, vaddr_t vaddr,
                                  unsigned flags, unsigned *was);

/* The mapping that one leaf entry makes. */
struct page_leaf {
    vaddr_t vaddr;
    paddr_t paddr;
    uint64_t bytes; /* 4K, 2M or 1G */
    unsigned flags; /* enum page_flags, without PAGE_SMALL */
};

/* The page walk for one address. */
struct page_walk {
    /* Steps are numbered by level: [LEVEL_PML4] is the first one and [last] the
     * last one.  Steps below `last` are 0. */
    struct {
        paddr_t table;
        uint64_t entry;
    } step[PAGE_LEVELS];
    unsigned last;

    /* If the address is mapped: its leaf, and the physical address. */
    struct page_leaf leaf;
    paddr_t paddr;
};

/* Walks the tables for any address, and fills *walk whatever it returns.  It is
 * meant for the report of a fault, so it trusts the tables as little as it can.
 * MM_NON_CANONICAL  (no step is taken) or MM_NOT_MAPPED
 * MM_OUT_OF_RANGE   an entry points at a table past the physical addresses that
 *                   the CPU has: the tables were overwritten */
enum mm_error page_walk(const struct page_table *table, vaddr_t vaddr,
                        struct page_walk *walk);

/* One step of a walk of vaddr as a line of text, such as
 *     PD[  3]   0x0000000000123018: 0x80000000006001e3  P RW A D PS G NX
 * Returns as snprintf does; PAGE_WALK_LINE bytes suffice. */
#define PAGE_WALK_LINE 96
size_t page_walk_line(const struct page_walk *walk, vaddr_t vaddr,
                      unsigned level, char *buffer, size_t size);

/* Calls `see` for every mapping, in the order of their addresses (as unsigned
 * numbers), until it returns false.  Returns whether all were shown.  `see`
 * must not change the table. */
bool page_table_visit(const struct page_table *table,
                      bool (*see)(void *context, const struct page_leaf *leaf),
                      void *context);

#endif
