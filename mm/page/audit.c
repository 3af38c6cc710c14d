/* The audit: compares every leaf of the live page table with the rules. */
#include "mm/page_audit.h"

#include <stddef.h>

#include "lib/bits.h"
#include "lib/format.h"
#include "mm/frame.h"

#define CACHING (PAGE_UNCACHED | PAGE_WRITE_COMBINING)

/* Memory outside the direct map that neighbouring leaves map in one piece. */
struct stretch {
    vaddr_t vaddr;
    paddr_t paddr;
    uint64_t bytes;
    unsigned caching;
};

/* More than kernel_space_map_device ever maps at the same time. */
#define STRETCHES_MAX 128

struct audit {
    const struct page_plan *plan;
    struct page_offence *offence;
    unsigned count;
    struct stretch stretches[STRETCHES_MAX];
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

static bool is_cached_otherwise(const struct audit *audit,
                                const struct page_leaf *leaf)
{
    for (unsigned i = 0; i < audit->count; i++) {
        const struct stretch *other = &audit->stretches[i];
        if (leaf->paddr < other->paddr + other->bytes &&
            other->paddr < leaf->paddr + leaf->bytes &&
            other->caching != (leaf->flags & CACHING))
            return true;
    }
    return false;
}

/* Adds the leaf to the last stretch if it continues that one, else makes a new
 * stretch.  False if there is no room for one. */
static bool remember(struct audit *audit, const struct page_leaf *leaf)
{
    unsigned caching = leaf->flags & CACHING;
    if (audit->count > 0) {
        struct stretch *last = &audit->stretches[audit->count - 1];
        if (last->vaddr + last->bytes == leaf->vaddr &&
            last->paddr + last->bytes == leaf->paddr &&
            last->caching == caching) {
            last->bytes += leaf->bytes;
            return true;
        }
    }
    if (audit->count == STRETCHES_MAX)
        return false;
    audit->stretches[audit->count++] =
        (struct stretch){leaf->vaddr, leaf->paddr, leaf->bytes, caching};
    return true;
}

static bool check_caching(struct audit *audit, const struct page_leaf *leaf)
{
    struct overlap overlap = with_direct_map(audit->plan, leaf);
    if (overlap.otherwise)
        return offend(audit, leaf, "is cached otherwise in the direct map");
    if (overlap.all)
        return true;
    if (is_cached_otherwise(audit, leaf))
        return offend(audit, leaf, "is cached otherwise in another place");
    return remember(audit, leaf) || offend(audit, leaf,
                                           "maps a device, and more devices "
                                           "are mapped than can be compared");
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
    audit.count = 0;
    return page_table_visit(plan->table, see_leaf, &audit);
}
