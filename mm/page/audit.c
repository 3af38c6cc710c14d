/* The audit: compares every leaf of the live page table with the rules. */
#include "mm/page_audit.h"

#include <stddef.h>

#include "lib/bits.h"
#include "lib/format.h"
#include "mm/frame.h"

#define CACHING (PAGE_UNCACHED | PAGE_WRITE_COMBINING)

/* Memory mapped by leaves that follow each other and agree in what is compared
 * of their flags. */
struct stretch {
    vaddr_t vaddr;
    paddr_t paddr;
    uint64_t bytes;
    unsigned flags;
};

/* More than kernel_space_map_device ever maps at the same time. */
#define STRETCHES_MAX 128

struct stretches {
    unsigned count;
    struct stretch stretch[STRETCHES_MAX];
};

struct audit {
    const struct page_plan *plan;
    struct page_offence *offence;
    struct stretches devices; /* outside the direct map, by their caching */
    struct stretches sealed;  /* never to be written: executable or constant */
};

/* Records what is wrong with a leaf.  Returns false, so that the visit stops.
 */
static bool offend(const struct audit *audit, const struct page_leaf *leaf,
                   const char *wrong)
{
    char where[PAGE_PLAN_WORDS];
    audit->plan->explain(leaf->vaddr, where, sizeof(where));
    audit->offence->leaf = *leaf;
    format_string(audit->offence->sentence, sizeof(audit->offence->sentence),
                  "the leaf at 0x%lx (%s) to 0x%lx %s", leaf->vaddr, where,
                  leaf->paddr, wrong);
    return false;
}

/* ---- Stretches ---- */

static bool overlaps(const struct stretch *stretch,
                     const struct page_leaf *leaf)
{
    return leaf->paddr < stretch->paddr + stretch->bytes &&
           stretch->paddr < leaf->paddr + leaf->bytes;
}

/* Makes the leaf a part of the last stretch if it goes on there, or else a new
 * one; false if there is no room. */
static bool remember(struct stretches *list, const struct page_leaf *leaf,
                     unsigned flags)
{
    if (list->count > 0) {
        struct stretch *last = &list->stretch[list->count - 1];
        if (last->vaddr + last->bytes == leaf->vaddr &&
            last->paddr + last->bytes == leaf->paddr && last->flags == flags) {
            last->bytes += leaf->bytes;
            return true;
        }
    }
    if (list->count == STRETCHES_MAX)
        return false;
    list->stretch[list->count++] =
        (struct stretch){leaf->vaddr, leaf->paddr, leaf->bytes, flags};
    return true;
}

/* ---- Frames ---- */

/* The size of the frame that has this state. */
static uint64_t block_of(enum frame_state state)
{
    if (state == FRAME_HELD_1G || state == FRAME_OUTSIDE)
        return SIZE_1G;
    return state == FRAME_HELD_2M ? SIZE_2M : SIZE_4K;
}

/* Leaves and frames lie at multiples of their sizes.  So of a leaf and a frame
 * that overlap, one contains the other, and a step never ends in the middle of
 * a frame. */
static bool has_free_frame(const struct page_leaf *leaf)
{
    for (uint64_t done = 0; done < leaf->bytes;) {
        enum frame_state state = frame_state(leaf->paddr + done);
        if (state == FRAME_AVAILABLE)
            return true;
        done += block_of(state);
    }
    return false;
}

/* ---- Caching ---- */

/* How much of a leaf's memory the direct map shows too (`all`), and whether it
 * shows some with other caching (`otherwise`). */
struct overlap {
    bool all, otherwise;
};

static struct overlap with_direct_map(const struct page_plan *plan,
                                      const struct page_leaf *leaf)
{
    struct overlap overlap = {.all = true};
    for (uint64_t done = 0; done < leaf->bytes;) {
        paddr_t paddr = leaf->paddr + done;
        struct page_walk walk;
        if (paddr >= plan->direct_map_bytes) {
            overlap.all = false;
            break;
        }
        if (page_walk(plan->table, plan->direct_map + paddr, &walk) != MM_OK)
            overlap.all = false;
        else if ((walk.leaf.flags ^ leaf->flags) & CACHING)
            overlap.otherwise = true;
        done += page_level_size(walk.last);
    }
    return overlap;
}

static bool is_cached_otherwise(const struct stretches *devices,
                                const struct page_leaf *leaf)
{
    for (unsigned i = 0; i < devices->count; i++)
        if (overlaps(&devices->stretch[i], leaf) &&
            devices->stretch[i].flags != (leaf->flags & CACHING))
            return true;
    return false;
}

static bool check_caching(struct audit *audit, const struct page_leaf *leaf)
{
    struct overlap overlap = with_direct_map(audit->plan, leaf);
    if (overlap.otherwise)
        return offend(audit, leaf, "is cached otherwise in the direct map");
    if (overlap.all)
        return true;
    if (is_cached_otherwise(&audit->devices, leaf))
        return offend(audit, leaf, "is cached otherwise in another place");
    return remember(&audit->devices, leaf, leaf->flags & CACHING) ||
           offend(audit, leaf,
                  "maps a device, and more devices are mapped than can be "
                  "compared");
}

/* ---- What may not be written ---- */

static bool note_sealed(struct audit *audit, const struct page_leaf *leaf)
{
    unsigned executable = leaf->flags & PAGE_EXECUTE;
    if (!executable && !audit->plan->is_constant(leaf))
        return true;
    return remember(&audit->sealed, leaf, executable) ||
           offend(audit, leaf,
                  "is executable or constant, and more pieces of memory are "
                  "than can be compared");
}

/* On the second visit, when all that is sealed is known. */
static bool see_alias(void *context, const struct page_leaf *leaf)
{
    const struct audit *audit = context;
    if (!(leaf->flags & PAGE_WRITE))
        return true;
    for (unsigned i = 0; i < audit->sealed.count; i++) {
        const struct stretch *sealed = &audit->sealed.stretch[i];
        if (!overlaps(sealed, leaf))
            continue;
        uint64_t offset =
            leaf->paddr > sealed->paddr ? leaf->paddr - sealed->paddr : 0;
        char wrong[64];
        format_string(wrong, sizeof(wrong), "is writable, and %s at 0x%lx",
                      sealed->flags & PAGE_EXECUTE ? "executable" : "constant",
                      sealed->vaddr + offset);
        return offend(audit, leaf, wrong);
    }
    return true;
}

/* ---- All ---- */

static bool see_leaf(void *context, const struct page_leaf *leaf)
{
    struct audit *audit = context;
    const struct page_plan *plan = audit->plan;
    if ((leaf->flags & PAGE_WRITE) && (leaf->flags & PAGE_EXECUTE))
        return offend(audit, leaf, "is writable and executable");
    const char *wrong = plan->wrong(leaf);
    if (wrong != NULL)
        return offend(audit, leaf, wrong);
    if (!note_sealed(audit, leaf))
        return false;
    if (leaf->vaddr - plan->direct_map < plan->direct_map_bytes)
        return true;
    if (has_free_frame(leaf))
        return offend(audit, leaf, "maps a frame that is free");
    return check_caching(audit, leaf);
}

bool page_audit(const struct page_plan *plan, struct page_offence *offence)
{
    static struct audit audit;
    audit.plan = plan;
    audit.offence = offence;
    audit.devices.count = 0;
    audit.sealed.count = 0;
    return page_table_visit(plan->table, see_leaf, &audit) &&
           page_table_visit(plan->table, see_alias, &audit);
}
