/* Reading page tables: translate, walk, visit.  Nothing is changed here. */
#include "lib/format.h"
#include "mm/page/slot.h"
#include "mm/page_table.h"

paddr_t page_translate(const struct page_table *table, vaddr_t vaddr)
{
    page_path path;

    if (table->alloc == NULL || !page_is_canonical(vaddr))
        return PADDR_NONE;
    unsigned level = page_descend(table, vaddr, LEVEL_PT, path);
    uint64_t entry = slot_load(path[level]);
    if (!page_entry_is_leaf(entry, level))
        return PADDR_NONE;
    return page_leaf_address(entry, level) |
           (vaddr & (page_level_size(level) - 1));
}

static struct page_leaf leaf_at(vaddr_t vaddr, uint64_t entry, unsigned level)
{
    return (struct page_leaf){
        .vaddr = align_down(vaddr, page_level_size(level)),
        .paddr = page_leaf_address(entry, level),
        .bytes = page_level_size(level),
        .flags = page_leaf_flags(entry, level),
    };
}

enum mm_error page_walk(const struct page_table *table, vaddr_t vaddr,
                        struct page_walk *walk)
{
    paddr_t frame = table->root;
    unsigned level = LEVEL_PML4;
    uint64_t entry;

    *walk = (struct page_walk){.last = LEVEL_PML4, .paddr = PADDR_NONE};
    if (table->alloc == NULL)
        return MM_NOT_READY;
    if (!page_is_canonical(vaddr))
        return MM_NON_CANONICAL;

    for (;; level--) {
        entry = slot_load(slot_of(frame, vaddr, level));
        walk->step[level].table = frame;
        walk->step[level].entry = entry;
        walk->last = level;
        if (!page_entry_is_table(entry, level))
            break;
        frame = page_entry_table(entry);
        if (!page_is_physical(frame, PAGE_SIZE, table->paddr_bits))
            return MM_OUT_OF_RANGE;
    }
    if (!page_entry_is_leaf(entry, level))
        return MM_NOT_MAPPED;
    walk->leaf = leaf_at(vaddr, entry, level);
    walk->paddr = walk->leaf.paddr + (vaddr - walk->leaf.vaddr);
    return MM_OK;
}

size_t page_walk_line(const struct page_walk *walk, vaddr_t vaddr,
                      unsigned level, char *buffer, size_t size)
{
    static const char *const names[] = {"PT", "PD", "PDPT", "PML4"};
    unsigned index = page_index(vaddr, level);
    uint64_t entry = walk->step[level].entry;
    bool large = level > LEVEL_PT && (entry & ENTRY_PS) != 0;
    uint64_t pat = large ? ENTRY_PAT_LARGE : ENTRY_PAT_4K;
    bool leaf = page_entry_is_leaf(entry, level);

    return format_string(
        buffer, size, "%-4s[%3u] 0x%016llx: 0x%016llx%s%s%s%s%s%s%s%s%s%s%s",
        names[level], index,
        (unsigned long long)walk->step[level].table + index * sizeof(entry),
        (unsigned long long)entry, entry & ENTRY_P ? " P" : " not present",
        entry & ENTRY_RW ? " R/W" : "", entry & ENTRY_US ? " U/S" : "",
        entry & ENTRY_PWT ? " PWT" : "", entry & ENTRY_PCD ? " PCD" : "",
        entry & ENTRY_A ? " A" : "", leaf && entry & ENTRY_D ? " D" : "",
        large ? " PS" : "", leaf && entry & pat ? " PAT" : "",
        leaf && entry & ENTRY_G ? " G" : "", entry & ENTRY_NX ? " NX" : "");
}

bool page_table_visit(const struct page_table *table,
                      bool (*see)(void *context, const struct page_leaf *leaf),
                      void *context)
{
    vaddr_t at = 0;

    if (table->alloc == NULL)
        return true;
    do {
        page_path path;
        unsigned level = page_descend(table, at, LEVEL_PT, path);
        unsigned count = PAGE_TABLE_ENTRIES - page_index(at, level);
        page_slot *slot = path[level];

        for (; count > 0; count--, slot++) {
            uint64_t entry = slot_load(slot);
            if (page_entry_is_table(entry, level))
                break;
            if (page_entry_is_leaf(entry, level)) {
                struct page_leaf leaf = leaf_at(at, entry, level);
                if (!see(context, &leaf))
                    return false;
            }
            at += page_level_size(level);
        }
        at = page_canonical(at); /* skips the hole; 0 after the end */
    } while (at != 0);
    return true;
}
