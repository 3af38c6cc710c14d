/* The auditor: holds the live page table against the plan.
 *
 * It fails on any leaf that
 *   - is writable and executable;
 *   - lies outside the regions of mm/kernel_space.h, or runs out of one;
 *   - has other rights or other caching than its region allows;
 *   - shows other memory than its region is for: the direct map and the image
 *     lie at a fixed distance from physical memory;
 *   - lies in "ranges", but not wholly in a range that is live: over a guard
 *     page, or left behind when its range was freed;
 *   - maps a frame that the frame allocator holds free, except in the direct
 *     map, which shows all RAM;
 *   - caches a frame otherwise than another leaf does.
 *
 * The direct map costs a few instructions a leaf.  Any other leaf is compared
 * with the direct map, which is found by arithmetic, and asked for in the frame
 * trees by whole blocks.  Frames that are not in the direct map are devices, of
 * which there are few: their mappings are compared with each other.
 */
#ifndef MM_PAGE_AUDIT_H
#define MM_PAGE_AUDIT_H

#include <stdbool.h>

#include "mm/page_table.h"

struct page_offence {
    struct page_leaf leaf;
    char sentence[200]; /* what the leaf is, and what is wrong with it */
};

/* Whether the kernel's page table keeps all the rules; if not, *offence tells
 * of the first leaf that does not.  After kernel_space_init, on one CPU, with
 * nobody changing the table.  Takes 4 KiB of static memory for its own use, so
 * it must not be interrupted by itself. */
bool page_audit(struct page_offence *offence)
    __attribute__((warn_unused_result));

#endif
