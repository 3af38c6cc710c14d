/* The plan that the audit compares the kernel's space with: where each leaf may
 * lie, and which memory it may show. */
#include "mm/kernel_space.h"
#include "mm/page_audit.h"

#define RIGHTS  (PAGE_WRITE | PAGE_EXECUTE | PAGE_USER)
#define CACHING (PAGE_UNCACHED | PAGE_WRITE_COMBINING)

/* What is wrong with a leaf in this region, or NULL. */
static const char *wrong_in(const struct region *region,
                            const struct page_leaf *leaf)
{
    if (leaf->vaddr - region->start + leaf->bytes > region->bytes)
        return "runs out of its region";
    if ((leaf->flags & RIGHTS) != (region->flags & RIGHTS))
        return "has other rights than its region";
    if ((leaf->flags & CACHING) & ~region->flags)
        return "has other caching than its region";
    if (region->kind == REGION_RAM &&
        leaf->paddr != leaf->vaddr - DIRECT_MAP_BASE)
        return "shows other memory than its place in the direct map";
    if (region->kind == REGION_MAPPED &&
        leaf->paddr != leaf->vaddr - KERNEL_BASE)
        return "shows other memory than the image";
    return NULL;
}

/* Whether a leaf of "ranges" lies wholly in a live range.  True if the ranges'
 * lock is taken, because then it cannot be known. */
static bool is_owned(const struct page_leaf *leaf)
{
    struct virtual_range range;
    enum virtual_place place =
        virtual_range_find(kernel_space_ranges(), leaf->vaddr, &range);
    if (place == VIRTUAL_BUSY)
        return true;
    return place == VIRTUAL_LIVE &&
           leaf->vaddr - range.start + leaf->bytes <= range.bytes;
}

static const char *wrong(const struct page_leaf *leaf)
{
    const struct region *region = kernel_space_find(leaf->vaddr);
    if (region == NULL)
        return "is in no region";
    if (region->kind == REGION_UNMAPPED)
        return "is where nothing may be mapped";
    const char *found = wrong_in(region, leaf);
    if (found == NULL && region->start == RANGES_BASE && !is_owned(leaf))
        return "is in no live range";
    return found;
}

/* The image's own leaves that are not writable: text and constants. */
static bool is_constant(const struct page_leaf *leaf)
{
    const struct region *region = kernel_space_find(leaf->vaddr);
    return region != NULL && region->kind == REGION_MAPPED &&
           !(region->flags & PAGE_WRITE);
}

bool kernel_space_audit(struct page_offence *offence)
{
    const struct page_plan plan = {
        .table = kernel_space_table(),
        .direct_map = DIRECT_MAP_BASE,
        .direct_map_bytes = DIRECT_MAP_BYTES,
        .wrong = wrong,
        .is_constant = is_constant,
        .explain = kernel_space_explain,
    };
    return page_audit(&plan, offence);
}
