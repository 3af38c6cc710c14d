/* The tree of ranges, the memory of its nodes, and the ring of freed ranges.
 *
 * Invariants, between calls:
 *   - nodes are in order of address and disjoint, inside the space; the last
 *     one is space->end, at the limit;
 *   - a node's gap reaches down to the end of the node before it, or to the
 *     start of the space;
 *   - height and max_gap are those of the node's subtree; the heights of its
 *     two halves differ by 1 at most;
 *   - a node is space->end; or it lies in the ring and its range is freed; or
 *     it lies in a page of nodes and its range is live.
 */
#include "mm/virtual_range.h"

#include <stddef.h>

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/cpu/cpu_order.h"
#include "mm/frame.h"
#include "mm/platform.h"
#include "mm/space/give_back.h"

enum { LEFT, RIGHT };

/* ---- The tree ---- */

static unsigned height_of(const struct virtual_node *node)
{
    return node != NULL ? node->height : 0;
}

static uint64_t max_gap_of(const struct virtual_node *node)
{
    return node != NULL ? node->max_gap : 0;
}

static uint64_t size_of(const struct virtual_node *node)
{
    return node->pages * PAGE_SIZE;
}

static vaddr_t end_of(const struct virtual_node *node)
{
    return node->start + size_of(node);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void measure(struct virtual_node *node)
{
    const struct virtual_node *left = node->child[LEFT];
    const struct virtual_node *right = node->child[RIGHT];
    node->height = (uint8_t)(1 + larger(height_of(left), height_of(right)));
    node->max_gap =
        larger(node->gap, larger(max_gap_of(left), max_gap_of(right)));
}

static int lean_of(const struct virtual_node *node)
{
    return (int)height_of(node->child[RIGHT]) -
           (int)height_of(node->child[LEFT]);
}

/* Puts `now`, which may be NULL, in the place of `old` below the parent. */
static void hang(struct virtual_space *space, const struct virtual_node *old,
                 struct virtual_node *now)
{
    struct virtual_node *parent = old->parent;
    if (parent == NULL)
        space->root = now;
    else
        parent->child[parent->child[RIGHT] == old] = now;
    if (now != NULL)
        now->parent = parent;
}

/* Rotates: the child on this side moves up, and the node moves below it. */
static struct virtual_node *rotate(struct virtual_space *space,
                                   struct virtual_node *node, int side)
{
    struct virtual_node *up = node->child[side];
    struct virtual_node *between = up->child[!side];
    hang(space, node, up);
    node->child[side] = between;
    if (between != NULL)
        between->parent = node;
    up->child[!side] = node;
    node->parent = up;
    measure(node);
    measure(up);
    return up;
}

/* Sets a node's height and max_gap and balances it; returns the new top of its
 * subtree. */
static struct virtual_node *balance(struct virtual_space *space,
                                    struct virtual_node *node)
{
    measure(node);
    int lean = lean_of(node);
    if (lean >= -1 && lean <= 1)
        return node;
    int tall = lean > 0 ? RIGHT : LEFT;
    struct virtual_node *child = node->child[tall];
    if (height_of(child->child[!tall]) > height_of(child->child[tall]))
        rotate(space, child, !tall);
    return rotate(space, node, tall);
}

/* Balances upward from a node that has changed, until nothing changes any more.
 */
static void balance_up(struct virtual_space *space, struct virtual_node *node)
{
    while (node != NULL) {
        unsigned height = node->height;
        uint64_t max_gap = node->max_gap;
        node = balance(space, node);
        if (node->height == height && node->max_gap == max_gap)
            return;
        node = node->parent;
    }
}

static struct virtual_node *outermost(struct virtual_node *node, int side)
{
    while (node->child[side] != NULL)
        node = node->child[side];
    return node;
}

static struct virtual_node *next_of(const struct virtual_node *node)
{
    if (node->child[RIGHT] != NULL)
        return outermost(node->child[RIGHT], LEFT);
    while (node->parent != NULL && node->parent->child[RIGHT] == node)
        node = node->parent;
    return node->parent;
}

/* Inserts a node, whose start and pages are set, in the gap before `behind`. */
static void insert(struct virtual_space *space, struct virtual_node *node,
                   struct virtual_node *behind)
{
    struct virtual_node *parent = behind;
    int side = LEFT;
    if (behind->child[LEFT] != NULL) {
        parent = outermost(behind->child[LEFT], RIGHT);
        side = RIGHT;
    }
    node->gap = node->start - (behind->start - behind->gap);
    behind->gap = behind->start - end_of(node);
    node->child[LEFT] = node->child[RIGHT] = NULL;
    node->parent = parent;
    parent->child[side] = node;
    measure(node);
    balance_up(space, parent);
    balance_up(space, behind);
}

/* Puts `now` in the place of `old` in the tree. */
static void take_place(struct virtual_space *space,
                       const struct virtual_node *old, struct virtual_node *now)
{
    hang(space, old, now);
    for (int side = LEFT; side <= RIGHT; side++) {
        now->child[side] = old->child[side];
        if (now->child[side] != NULL)
            now->child[side]->parent = now;
    }
    now->height = old->height;
    now->max_gap = old->max_gap;
}

/* Takes a node out of the tree.  Its addresses join the gap before the next
 * node, which is returned. */
static struct virtual_node *take_out(struct virtual_space *space,
                                     struct virtual_node *node)
{
    struct virtual_node *behind = next_of(node);
    struct virtual_node *lowest = node->parent;
    behind->gap += node->gap + size_of(node);
    if (node->child[LEFT] != NULL && node->child[RIGHT] != NULL) {
        lowest = behind->parent == node ? behind : behind->parent;
        hang(space, behind, behind->child[RIGHT]);
        take_place(space, node, behind);
    } else {
        hang(space, node, node->child[node->child[LEFT] == NULL]);
    }
    balance_up(space, lowest);
    balance_up(space, behind);
    return behind;
}

/* The node that contains an address, or NULL. */
static struct virtual_node *node_at(const struct virtual_space *space,
                                    vaddr_t address)
{
    struct virtual_node *node = space->root;
    while (node != NULL && address - node->start >= size_of(node))
        node = node->child[address >= node->start];
    return node;
}

/* ---- Nodes ---- */

/* A frame of nodes.  The unused nodes are a list, linked through `parent`. */
struct virtual_node_page {
    struct virtual_node_page *before, *behind; /* in the list of pages with room
                                                */
    struct virtual_node *unused;
    uint64_t used;
} __attribute__((aligned(64)));

#define NODES_PER_PAGE                                                         \
    ((PAGE_SIZE - sizeof(struct virtual_node_page)) /                          \
     sizeof(struct virtual_node))

_Static_assert(NODES_PER_PAGE == 63, "as mm/virtual_range.h says");

static struct virtual_node *nodes_of(struct virtual_node_page *page)
{
    return (struct virtual_node *)(page + 1);
}

static struct virtual_node_page *page_of(const struct virtual_node *node)
{
    return (struct virtual_node_page *)align_down((uintptr_t)node, PAGE_SIZE);
}

static void list_page(struct virtual_space *space,
                      struct virtual_node_page *page)
{
    page->before = NULL;
    page->behind = space->with_room;
    if (page->behind != NULL)
        page->behind->before = page;
    space->with_room = page;
}

static void unlist_page(struct virtual_space *space,
                        struct virtual_node_page *page)
{
    if (page->before != NULL)
        page->before->behind = page->behind;
    else
        space->with_room = page->behind;
    if (page->behind != NULL)
        page->behind->before = page->before;
}

static void unuse_node(struct virtual_node_page *page,
                       struct virtual_node *node)
{
    node->parent = page->unused;
    page->unused = node;
}

static enum mm_error add_page(struct virtual_space *space)
{
    paddr_t frame;
    enum mm_error error = frame_try_alloc(FRAME_4K, &frame);
    if (error != MM_OK)
        return error;
    struct virtual_node_page *page = phys_to_virt(frame);
    *page = (struct virtual_node_page){0};
    for (unsigned i = NODES_PER_PAGE; i-- > 0;)
        unuse_node(page, &nodes_of(page)[i]);
    list_page(space, page);
    space->node_pages++;
    return MM_OK;
}

static enum mm_error take_node(struct virtual_space *space,
                               struct virtual_node **taken)
{
    if (space->with_room == NULL) {
        enum mm_error error = add_page(space);
        if (error != MM_OK)
            return error;
    }
    struct virtual_node_page *page = space->with_room;
    struct virtual_node *node = page->unused;
    page->unused = node->parent;
    page->used++;
    if (page->unused == NULL)
        unlist_page(space, page);
    *taken = node;
    return MM_OK;
}

static void give_node(struct virtual_space *space, struct virtual_node *node)
{
    struct virtual_node_page *page = page_of(node);
    if (page->unused == NULL)
        list_page(space, page);
    unuse_node(page, node);
    if (--page->used > 0)
        return;
    unlist_page(space, page);
    space->node_pages--;
    enum mm_error error = give_back(virt_to_phys(page));
    ASSERT(error == MM_OK, "frame of the tree of ranges at %p: %s",
           (void *)page, mm_error_name(error));
}

/* ---- Freed ranges ---- */

/* Takes the oldest freed range out of the tree.  Returns the node behind the
 * gap that it becomes part of. */
static struct virtual_node *forget_oldest(struct virtual_space *space)
{
    struct virtual_node *oldest = &space->freed[space->freed_first];
    space->freed_first = (space->freed_first + 1) % VIRTUAL_FREED_MAX;
    space->freed_count--;
    return take_out(space, oldest);
}

/* Moves the node of a live range into the ring of freed ranges. */
static void remember_freed(struct virtual_space *space,
                           struct virtual_node *node)
{
    if (space->freed_count == VIRTUAL_FREED_MAX)
        forget_oldest(space);
    unsigned last =
        (space->freed_first + space->freed_count++) % VIRTUAL_FREED_MAX;
    space->freed[last] = *node;
    space->freed[last].freed = true;
    take_place(space, node, &space->freed[last]);
    give_node(space, node);
}

/* ---- Gaps ---- */

/* How much of the gap before a node lies at or above `from`.  The node must lie
 * above `from`. */
static uint64_t gap_from(const struct virtual_node *node, vaddr_t from)
{
    uint64_t left = node->start - from;
    return node->gap < left ? node->gap : left;
}

/* The node behind the lowest gap of this size, in a subtree that has such a
 * gap. */
static struct virtual_node *lowest_gap(struct virtual_node *node,
                                       uint64_t bytes)
{
    for (;;) {
        if (max_gap_of(node->child[LEFT]) >= bytes)
            node = node->child[LEFT];
        else if (node->gap >= bytes)
            return node;
        else
            node = node->child[RIGHT];
    }
}

/* The same for gaps at or above an address; NULL if there is none.  The last
 * candidate that the descent meets is the lowest one. */
static struct virtual_node *find_gap(const struct virtual_space *space,
                                     vaddr_t from, uint64_t bytes)
{
    struct virtual_node *node = space->root, *found = NULL;
    while (node != NULL) {
        if (node->start <= from) {
            node = node->child[RIGHT];
            continue;
        }
        if (gap_from(node, from) >= bytes ||
            max_gap_of(node->child[RIGHT]) >= bytes)
            found = node;
        node = node->child[LEFT];
    }
    if (found == NULL || gap_from(found, from) >= bytes)
        return found;
    return lowest_gap(found->child[RIGHT], bytes);
}

/* Finds a gap of so many bytes, first at or above *from, then from the start of
 * the space, then by forgetting freed ranges.  Returns the node behind the gap,
 * and sets *from to where the range may begin; NULL if there is no gap. */
static struct virtual_node *make_gap(struct virtual_space *space,
                                     uint64_t bytes, vaddr_t *from)
{
    struct virtual_node *behind = find_gap(space, *from, bytes);
    if (behind == NULL) {
        *from = space->start;
        behind = find_gap(space, *from, bytes);
    }
    while (behind == NULL && space->freed_count > 0) {
        struct virtual_node *grown = forget_oldest(space);
        if (grown->gap >= bytes)
            behind = grown;
    }
    if (behind != NULL)
        *from = larger(*from, behind->start - behind->gap);
    return behind;
}

/* ---- Alloc and free ---- */

enum mm_error virtual_space_init(struct virtual_space *space, vaddr_t start,
                                 uint64_t bytes)
{
    if (bytes == 0)
        return MM_EMPTY_RANGE;
    if (!is_aligned(start | bytes, PAGE_SIZE))
        return MM_MISALIGNED;
    if (start + bytes < start)
        return MM_RANGE_WRAPS;
    if (bytes > VIRTUAL_SPACE_MAX)
        return MM_BAD_ARGUMENT;
    memset(space, 0, sizeof(*space)); /* too large for a compound literal on the
                                       * stack */
    space->start = space->cursor = space->fresh = start;
    space->limit = space->end.start = start + bytes;
    space->end.gap = bytes;
    measure(&space->end);
    space->root = &space->end;
    return MM_OK;
}

static enum mm_error check_wish(const struct virtual_space *space,
                                uint64_t bytes, uint64_t alignment,
                                unsigned guards, const char *name)
{
    if (space->limit == 0)
        return MM_NOT_READY;
    if (bytes == 0)
        return MM_EMPTY_RANGE;
    if (!is_aligned(bytes, PAGE_SIZE))
        return MM_MISALIGNED;
    if (!is_power_of_two(alignment) || alignment < PAGE_SIZE ||
        alignment > VIRTUAL_ALIGNMENT_MAX || name == NULL ||
        (guards & ~(unsigned)(VIRTUAL_GUARD_BEFORE | VIRTUAL_GUARD_BEHIND)))
        return MM_BAD_ARGUMENT;
    return MM_OK;
}

static uint64_t guard_before(unsigned guards)
{
    return guards & VIRTUAL_GUARD_BEFORE ? PAGE_SIZE : 0;
}

static uint64_t guard_behind(unsigned guards)
{
    return guards & VIRTUAL_GUARD_BEHIND ? PAGE_SIZE : 0;
}

/* The range of a node, without its guard pages. */
static struct virtual_range inside(const struct virtual_node *node)
{
    vaddr_t start = node->start + guard_before(node->guards);
    vaddr_t end = end_of(node) - guard_behind(node->guards);
    return (struct virtual_range){start, end - start, node->name};
}

/* Finds room and makes a node, for arguments that were checked. */
static enum mm_error alloc_locked(struct virtual_space *space, uint64_t bytes,
                                  uint64_t alignment, unsigned guards,
                                  struct virtual_node **made)
{
    uint64_t before = guard_before(guards), behind = guard_behind(guards);
    uint64_t room = space->limit - space->start - space->live_bytes;
    uint64_t extra = before + behind + (alignment - PAGE_SIZE);
    if (bytes > room || extra > room - bytes)
        return MM_OUT_OF_MEMORY;
    struct virtual_node *node;
    enum mm_error error = take_node(space, &node);
    if (error != MM_OK)
        return error;
    vaddr_t from = space->cursor;
    struct virtual_node *next = make_gap(space, bytes + extra, &from);
    if (next == NULL) {
        give_node(space, node);
        return MM_OUT_OF_MEMORY;
    }
    vaddr_t start = align_up(from + before, alignment);
    node->start = start - before;
    node->pages = (uint32_t)((before + bytes + behind) / PAGE_SIZE);
    insert(space, node, next);
    space->cursor = end_of(node);
    space->fresh = larger(space->fresh, end_of(node));
    space->live_ranges++;
    space->live_bytes += size_of(node);
    *made = node;
    return MM_OK;
}

/* False in a handler that must not wait: see mm/cpu/cpu_order.h. */
static bool lock(struct virtual_space *space)
{
    return cpu_order_acquire(&space->lock, CPU_RANK_SPACE);
}

static void unlock(struct virtual_space *space)
{
    cpu_order_release(&space->lock, CPU_RANK_SPACE);
}

enum mm_error virtual_range_alloc(struct virtual_space *space, uint64_t bytes,
                                  uint64_t alignment, unsigned guards,
                                  const char *name, vaddr_t *start)
{
    enum mm_error error = check_wish(space, bytes, alignment, guards, name);
    if (error != MM_OK)
        return error;
    if (!lock(space))
        return MM_BUSY;
    struct virtual_node *node;
    error = alloc_locked(space, bytes, alignment, guards, &node);
    if (error == MM_OK) {
        node->name = name;
        node->guards = (uint8_t)guards;
        node->freed = false;
        *start = inside(node).start;
    }
    unlock(space);
    return error;
}

/* Finds the live range with this start. */
static enum mm_error find_live(const struct virtual_space *space, vaddr_t start,
                               struct virtual_node **found)
{
    struct virtual_node *node = node_at(space, start);
    if (node == NULL || node->freed)
        return MM_NOT_HELD;
    if (inside(node).start != start)
        return MM_INSIDE_LARGER;
    *found = node;
    return MM_OK;
}

static enum mm_error check_start(const struct virtual_space *space,
                                 vaddr_t start)
{
    if (space->limit == 0)
        return MM_NOT_READY;
    if (!is_aligned(start, PAGE_SIZE))
        return MM_MISALIGNED;
    return start < space->start || start >= space->limit ? MM_OUT_OF_RANGE
                                                         : MM_OK;
}

enum mm_error virtual_range_free(struct virtual_space *space, vaddr_t start)
{
    struct virtual_node *node;
    enum mm_error error = check_start(space, start);
    if (error != MM_OK)
        return error;
    if (!lock(space))
        return MM_BUSY;
    error = find_live(space, start, &node);
    if (error == MM_OK) {
        space->live_ranges--;
        space->live_bytes -= size_of(node);
        remember_freed(space, node);
    }
    unlock(space);
    return error;
}

enum mm_error virtual_range_look(struct virtual_space *space, vaddr_t start,
                                 struct virtual_range *range)
{
    struct virtual_node *node;
    enum mm_error error = check_start(space, start);
    if (error != MM_OK)
        return error;
    if (!lock(space))
        return MM_BUSY;
    error = find_live(space, start, &node);
    if (error == MM_OK)
        *range = inside(node);
    unlock(space);
    return error;
}

/* ---- Questions ---- */

static enum virtual_place place_of(const struct virtual_space *space,
                                   vaddr_t address, struct virtual_range *range)
{
    const struct virtual_node *node = node_at(space, address);
    if (node == NULL)
        return address < space->fresh ? VIRTUAL_FORGOTTEN : VIRTUAL_UNUSED;
    *range = inside(node);
    if (node->freed)
        return VIRTUAL_FREED;
    if (address < range->start)
        return VIRTUAL_BEFORE;
    return address - range->start < range->bytes ? VIRTUAL_LIVE
                                                 : VIRTUAL_BEHIND;
}

enum virtual_place virtual_range_find(struct virtual_space *space,
                                      vaddr_t address,
                                      struct virtual_range *range)
{
    if (space->limit == 0 || address < space->start || address >= space->limit)
        return VIRTUAL_OUTSIDE;
    cpu_order_add(cpu_order_unit(CPU_RANK_SPACE));
    bool locked = cpu_lock_try(&space->lock);
    enum virtual_place place = VIRTUAL_BUSY;
    if (locked) {
        place = place_of(space, address, range);
        cpu_lock_release(&space->lock);
    }
    cpu_order_add(-cpu_order_unit(CPU_RANK_SPACE));
    return place;
}

static uint64_t freed_bytes(const struct virtual_space *space)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < space->freed_count; i++) {
        const struct virtual_node *node =
            &space->freed[(space->freed_first + i) % VIRTUAL_FREED_MAX];
        bytes += size_of(node);
    }
    return bytes;
}

enum mm_error virtual_space_stats(struct virtual_space *space,
                                  struct virtual_stats *stats)
{
    if (!lock(space))
        return MM_BUSY;
    *stats = (struct virtual_stats){
        .live_ranges = space->live_ranges,
        .live_bytes = space->live_bytes,
        .freed_ranges = space->freed_count,
        .freed_bytes = freed_bytes(space),
        .largest_gap = max_gap_of(space->root),
        .metadata_bytes = space->node_pages * PAGE_SIZE + sizeof(*space),
    };
    unlock(space);
    return MM_OK;
}

/* ---- Audit ---- */

/* Sums of a walk in order of address. */
struct tally {
    uint64_t nodes, live, freed, live_bytes;
    vaddr_t end; /* end of the node before */
};

static bool is_ring_node(const struct virtual_space *space,
                         const struct virtual_node *node)
{
    uintptr_t offset = (uintptr_t)node - (uintptr_t)space->freed;
    uintptr_t index = offset / sizeof(*node);
    return offset < sizeof(space->freed) &&
           (index + VIRTUAL_FREED_MAX - space->freed_first) %
                   VIRTUAL_FREED_MAX <
               space->freed_count;
}

static bool is_measured(const struct virtual_node *node)
{
    struct virtual_node copy = *node;
    measure(&copy);
    int lean = lean_of(node);
    return copy.height == node->height && copy.max_gap == node->max_gap &&
           lean >= -1 && lean <= 1;
}

static bool is_linked(const struct virtual_space *space,
                      const struct virtual_node *node)
{
    const struct virtual_node *parent = node->parent;
    if (parent == NULL)
        return space->root == node;
    return parent->child[LEFT] == node || parent->child[RIGHT] == node;
}

static const char *check_node(const struct virtual_space *space,
                              const struct virtual_node *node,
                              struct tally *tally)
{
    if (!is_linked(space, node))
        return "a child and its parent know each other";
    if (!is_measured(node))
        return "height and largest gap are those of the subtree";
    if (node->start < tally->end || end_of(node) > space->limit)
        return "ranges are in order and disjoint";
    if (node->gap != node->start - tally->end)
        return "a gap reaches down to the range before";
    tally->end = end_of(node);
    tally->nodes++;
    if (node == &space->end)
        return NULL;
    if (node->pages == 0 || !is_aligned(node->start, PAGE_SIZE))
        return "a range is whole pages";
    if (end_of(node) > space->fresh)
        return "nothing was given out in what is fresh";
    if (node->freed != is_ring_node(space, node))
        return "freed ranges are in the ring, others are not";
    tally->freed += node->freed;
    tally->live += !node->freed;
    tally->live_bytes += node->freed ? 0 : size_of(node);
    return NULL;
}

/* The walk stops if it meets more nodes than were counted: the links might form
 * a circle. */
static const char *check_tree(const struct virtual_space *space,
                              struct tally *tally)
{
    const struct virtual_node *node = outermost(space->root, LEFT);
    const struct virtual_node *last = NULL;
    uint64_t known = space->live_ranges + space->freed_count + 1;
    for (; node != NULL; node = next_of(node)) {
        if (tally->nodes == known)
            return "the ranges are as many as were counted";
        const char *broken = check_node(space, node, tally);
        if (broken != NULL)
            return broken;
        last = node;
    }
    if (last != &space->end || last->start != space->limit)
        return "the last node stands at the limit";
    if (tally->live != space->live_ranges ||
        tally->freed != space->freed_count ||
        tally->live_bytes != space->live_bytes)
        return "the ranges are as many as were counted";
    return NULL;
}

/* A page in the list has as many unused nodes as it counts.  All other pages
 * are full, so the number of live ranges tells how many nodes they must have.
 */
static const char *check_pages(const struct virtual_space *space)
{
    uint64_t pages = 0, used = 0;
    const struct virtual_node_page *page = space->with_room;
    for (; page != NULL; page = page->behind) {
        uint64_t unused = 0;
        const struct virtual_node *node = page->unused;
        for (; node != NULL && unused < NODES_PER_PAGE; node = node->parent)
            unused += page_of(node) == page;
        if (node != NULL || unused == 0 || page->used == 0 ||
            unused + page->used != NODES_PER_PAGE)
            return "a page counts its nodes";
        if (++pages > space->node_pages)
            return "the pages are as many as were counted";
        used += page->used;
    }
    used += (space->node_pages - pages) * NODES_PER_PAGE;
    return used == space->live_ranges ? NULL : "each live range has one node";
}

const char *virtual_space_check(struct virtual_space *space)
{
    struct tally tally = {.end = space->start};
    if (space->limit == 0)
        return "the space was set up";
    if (!lock(space))
        return "no call on the space was interrupted";
    const char *broken = check_tree(space, &tally);
    if (broken == NULL)
        broken = check_pages(space);
    unlock(space);
    return broken;
}
