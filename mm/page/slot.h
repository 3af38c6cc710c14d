/* Page-table entries in memory, and the walk to them.  For mm/page/table.c and
 * mm/page/walk.c only. */
#ifndef MM_PAGE_SLOT_H
#define MM_PAGE_SLOT_H

#include <stdatomic.h>

#include "mm/page_table.h"
#include "mm/platform.h"

/* An entry in memory.  The CPU may read it, and set A and D in it, at any time.
 */
typedef _Atomic uint64_t page_slot;

_Static_assert(sizeof(page_slot) * PAGE_TABLE_ENTRIES == PAGE_SIZE,
               "a table fills a frame");

/* The slots on the way to an address: path[level] for each level that was
 * walked. */
typedef page_slot *page_path[PAGE_LEVELS];

static inline uint64_t slot_load(const page_slot *slot)
{
    /* relaxed: the table that an entry points at was written by this caller, or
     * by one before it whose call was serialised with this one */
    return atomic_load_explicit(slot, memory_order_relaxed);
}

static inline void slot_store(page_slot *slot, uint64_t entry)
{
    /* release: the CPU must see the entries of the table below first */
    atomic_store_explicit(slot, entry, memory_order_release);
}

static inline page_slot *slot_of(paddr_t table, vaddr_t vaddr, unsigned level)
{
    return (page_slot *)phys_to_virt(table) + page_index(vaddr, level);
}

/* Walks from the root towards vaddr, down to level `stop` or to the first entry
 * that does not point at a table.  Returns the level of that last slot. */
static inline unsigned page_descend(const struct page_table *table,
                                    vaddr_t vaddr, unsigned stop,
                                    page_path path)
{
    paddr_t frame = table->root;
    unsigned level;

#pragma GCC unroll 4 /* so that every shift is by a constant */
    for (level = LEVEL_PML4; level > stop; level--) {
        path[level] = slot_of(frame, vaddr, level);
        uint64_t entry = slot_load(path[level]);
        if (!page_entry_is_table(entry, level))
            return level;
        frame = page_entry_table(entry);
    }
    path[level] = slot_of(frame, vaddr, level);
    return level;
}

#endif
