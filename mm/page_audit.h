/* The audit of a page table: every leaf is compared with a plan.
 *
 * It fails on the first leaf that
 *   - is writable and executable;
 *   - breaks a rule of the plan: where leaves may lie, with which rights and
 *     caching, and which memory they may show (the kernel's rules are in
 *     mm/space/plan.c);
 *   - maps a frame that the frame allocator has as free, except in the direct
 *     map, which shows all RAM;
 *   - caches a frame otherwise than another leaf does;
 *   - is writable, while another leaf makes the same memory executable, or the
 *     plan says of what another leaf shows that it is constant.
 *
 * The last rule is looked at when no leaf breaks the others.
 *
 * A leaf of the direct map costs a few instructions.  Any other leaf is
 * compared with the direct map, whose leaf for the same frame is found by
 * arithmetic, and the frame trees are asked about its frames, whole large
 * frames at a time.  Frames that are not in the direct map are devices, of
 * which there are few: their mappings are compared with each other.
 *
 * Executable and constant memory is little, and lies in one piece or two.  The
 * first visit notes these pieces, and a second one compares every writable leaf
 * with them: a few comparisons a leaf, whatever its size.
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

    /* Whether what a leaf shows may be written at no address.  Executable
     * leaves are not asked for: theirs never may. */
    bool (*is_constant)(const struct page_leaf *leaf);

    /* What an address is, in a few words; returns as snprintf does. */
    size_t (*explain)(vaddr_t address, char *buffer, size_t size);
};

/* Size of a buffer for explain. */
#define PAGE_PLAN_WORDS 128

struct page_offence {
    struct page_leaf leaf;
    char sentence[256]; /* what the leaf is, and what is wrong with it */
};

/* Whether a page table keeps all the rules; if not, *offence tells of the first
 * leaf that does not.  On one CPU, with nobody changing the table.  Takes 8 KiB
 * of static memory for its own use, so it must not be interrupted by itself. */
bool page_audit(const struct page_plan *plan, struct page_offence *offence)
    __attribute__((warn_unused_result));

#endif
