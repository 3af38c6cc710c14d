/* The audit of a page table: every leaf is compared with a plan.
 *
 * It fails on the first leaf that
 *   - is writable and executable;
 *   - breaks a rule of the plan: where leaves may lie, with which rights and
 *     caching, and which memory they may show (the kernel's rules are in
 *     mm/space/plan.c);
 *   - maps a frame that the frame allocator has as free, except in the direct
 *     map, which shows all RAM;
 *   - maps a frame with other caching than another leaf does.
 *
 * The check of a leaf in the direct map takes a few instructions.  Any other
 * leaf is compared with the direct map's leaf for the same frame, which is
 * found by arithmetic.  frame_state tells whether its frames are free, with one
 * call for each whole frame.  Frames outside the direct map belong to devices,
 * which are few: their mappings are compared with each other.
 */
#ifndef MM_PAGE_AUDIT_H
#define MM_PAGE_AUDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "mm/page_table.h"

/* What the leaves of one table are compared with. */
struct page_plan {
    struct page_table *table;

    /* Where RAM is mapped, physical address 0 first. */
    vaddr_t direct_map;
    uint64_t direct_map_bytes;

    /* The rule that a leaf breaks, as the end of a sentence that begins with
     * the leaf ("is in no region"); NULL if it breaks none. */
    const char *(*wrong)(const struct page_leaf *leaf);

    /* Writes what an address is, in a few words; returns as snprintf does. */
    size_t (*explain)(vaddr_t address, char *buffer, size_t size);
};

/* Size of a buffer for explain. */
#define PAGE_PLAN_WORDS 128

struct page_offence {
    struct page_leaf leaf;
    char sentence[200]; /* what the leaf is, and what is wrong */
};

/* Whether a page table keeps all the rules.  If not, *offence describes the
 * first leaf that breaks one.  The table must not change meanwhile.  Uses 4 KiB
 * of static memory, so only one CPU may call it, and not in a handler that
 * interrupted it. */
bool page_audit(const struct page_plan *plan, struct page_offence *offence)
    __attribute__((warn_unused_result));

#endif
