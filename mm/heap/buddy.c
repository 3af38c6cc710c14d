/* The back-end buddy: blocks of 32 bytes times a power of two.
 *
 * A block of order k has 32 << k bytes and lies at a multiple of them, so every
 * block is naturally aligned.  Two neighbours that make up one block of order k
 * + 1 are buddies: their addresses differ in one bit.  Allocation takes the
 * smallest free block that is large enough and halves it until it fits.
 * Freeing merges a block with its buddy, and so on, as long as the buddy is
 * free.  Each order has a list of its free blocks, and a word tells which lists
 * have any, so both take at most as many steps as there are orders.
 *
 * What is known of blocks is kept apart from them, one entry for each unit of
 * 32 bytes:
 *
 *           7       6       5             0
 *       +-------+-------+------------------+
 *  head | pair  | live  | order + 1, or 0  |  0: no block starts in this unit
 *       +-------+-------+------------------+
 *  note | live: what was asked for (below); free: whether it is clean
 *       +----------------------------------+
 *
 * pair is one bit that two buddies share: whether exactly one of them is a free
 * block.  It flips when either of them enters or leaves a list.  So when a
 * block is freed, the bit tells at once whether its buddy is free; no list is
 * searched.  The bit is in the entry where the right one of the two starts;
 * that address is the middle of this pair, and of no other pair.
 *
 * Entries must stay where they are when the region grows, and they should take
 * no more of the region than is needed.  So the region is cut into segments,
 * each as large as all those in front of it.  The entries of each segment lie
 * right below it, where memory becomes usable before the segment does:
 *
 *     base              1 KiB           2 KiB                       4 KiB
 *     +-------+---------+-+-------------+-+---------------------------+-+---
 *     | buddy | blocks  |e|   blocks    |e|          blocks           |e|
 *     +-------+---------+-+-------------+-+---------------------------+-+---
 *                       entries of the segment that follows, 1/16 of it
 *
 * One count of leading zeros gives the place of an entry from an address.  A
 * segment that the region can never reach has no entries.
 *
 * A free block is clean if all its bytes but those of its links are 0.
 *
 * Invariants: every unit is in one block, in the struct, or holds entries; no
 * two buddies are both free; every free block is in the list of its order.
 */
#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/heap/backend.h"

#define UNIT UINT64_C(32)

/* Orders 0 to 35: blocks of up to 1 TiB. */
#define ORDERS 36

/* Units before the first segment whose entries lie below it. */
#define FIRST_UNITS 32

struct entry {
    uint8_t head, note;
};

#define HEAD_ORDER 0x3f
#define HEAD_LIVE  0x40
#define HEAD_PAIR  0x80

/* The links of a free block, in its first bytes. */
struct hole {
    struct hole *next, *previous;
};

_Static_assert(sizeof(struct hole) <= UNIT, "the links have room");

struct buddy {
    vaddr_t base;     /* of unit 0: the region's start, rounded down */
    vaddr_t end;      /* end of the last usable whole unit */
    vaddr_t limit;    /* end of the last unit that may become usable */
    uint64_t stocked; /* bit k: the list of order k is not empty */
    struct hole *first[ORDERS];
    struct entry entries[FIRST_UNITS]; /* for the first FIRST_UNITS units */
} __attribute__((aligned(HEAP_GRANULE)));

_Static_assert(HEAP_GRANULE + sizeof(struct buddy) + UNIT <=
                   FIRST_UNITS * (UNIT - sizeof(struct entry)),
               "a block has room in front of the first segment's entries");

static struct buddy *buddy_of(const struct heap *heap)
{
    return heap->region.start;
}

static uint64_t order_size(unsigned order)
{
    return UNIT << order;
}

/* The order of the smallest block that holds the layout. */
static unsigned order_for(struct layout layout)
{
    uint64_t size = layout.size > layout.align ? layout.size : layout.align;

    if (size <= UNIT)
        return 0;
    return (unsigned)(__builtin_clzll(UNIT - 1) - __builtin_clzll(size - 1));
}

/* ---- Entries ---- */

/* The first address where a block may lie. */
static vaddr_t first_place(const struct buddy *buddy)
{
    return align_up((vaddr_t)buddy + sizeof(*buddy), UNIT);
}

static uint64_t unit_of(const struct buddy *buddy, vaddr_t address)
{
    return (address - buddy->base) / UNIT;
}

/* The largest power of two that is not above the number, which is not 0. */
static uint64_t top_bit(uint64_t number)
{
    return UINT64_C(1) << (63 - __builtin_clzll(number));
}

/* The entry of the unit at an address.  The entries of a block's units are
 * neighbours: no block reaches from one segment into the next, because the
 * entries lie in between. */
static struct entry *entry_at(const struct buddy *buddy, vaddr_t address)
{
    uint64_t unit = unit_of(buddy, address);

    if (unit < FIRST_UNITS)
        return (struct entry *)&buddy->entries[unit];

    uint64_t segment = top_bit(unit);
    struct entry *end = (struct entry *)(buddy->base + segment * UNIT);
    return end - segment + (unit - segment);
}

struct range {
    vaddr_t start, end;
};

/* The first range of entries whose end is above this address.  If there is
 * none, an empty range at the limit. */
static struct range entries_above(const struct buddy *buddy, vaddr_t address)
{
    uint64_t unit = unit_of(buddy, address);
    uint64_t all = unit_of(buddy, buddy->limit);
    uint64_t segment = unit < FIRST_UNITS ? FIRST_UNITS : 2 * top_bit(unit);

    if (segment >= all)
        return (struct range){buddy->limit, buddy->limit};

    vaddr_t end = buddy->base + segment * UNIT;
    return (struct range){end - segment * sizeof(struct entry), end};
}

static bool is_free(const struct entry *entry, unsigned order)
{
    return (entry->head & (HEAD_LIVE | HEAD_ORDER)) == order + 1;
}

static void set_head(struct entry *entry, unsigned head)
{
    entry->head = (uint8_t)((entry->head & HEAD_PAIR) | head);
}

/* The note of a live block has the shift of the alignment asked for, and how
 * many bytes of the block were not asked for.  A block of order 0 has one byte
 * for both.  Any other block has a byte for the shift, and the notes of its
 * other units for the number: these are enough bytes. */
static unsigned slack_bytes(unsigned order)
{
    return order < 3 ? (1u << order) - 1 : 7;
}

static void note_layout(struct entry *entry, unsigned order,
                        struct layout layout)
{
    unsigned shift = (unsigned)__builtin_ctzll(layout.align);
    uint64_t slack = order_size(order) - layout.size;

    if (order == 0) {
        entry->note = (uint8_t)(slack << 3 | shift);
        return;
    }
    entry->note = (uint8_t)shift;
    for (unsigned i = 1; i <= slack_bytes(order); i++, slack >>= 8)
        entry[i].note = (uint8_t)slack;
}

/* Describes a live block; or a free one, as if all of it were in use. */
static void describe(const struct entry *entry, vaddr_t at,
                     struct heap_block *block)
{
    unsigned order = (entry->head & HEAD_ORDER) - 1u;
    uint64_t size = order_size(order), slack = 0;
    unsigned shift = 0;

    if (entry->head & HEAD_LIVE) {
        shift = order == 0 ? entry->note & 7u : entry->note;
        if (order == 0)
            slack = entry->note >> 3;
        for (unsigned i = slack_bytes(order); i > 0; i--)
            slack = slack << 8 | entry[i].note;
    }
    *block = (struct heap_block){
        .start = (void *)at,
        .layout = {size - slack, (size_t)1 << (shift & 63)},
        .usable = size,
        .held = size,
    };
}

/* ---- Free blocks ---- */

/* Notes that a block has become free, or that it no longer is.  Returns whether
 * its buddy is now in the same state: for a block that has become free, whether
 * its buddy is free too. */
static bool flip_pair(const struct buddy *buddy, vaddr_t at, unsigned order)
{
    vaddr_t middle = at | order_size(order);

    if (order == ORDERS - 1 || middle >= buddy->limit)
        return false;

    struct entry *entry = entry_at(buddy, middle);
    entry->head ^= HEAD_PAIR;
    return !(entry->head & HEAD_PAIR);
}

static void push(struct buddy *buddy, vaddr_t at, unsigned order, bool clean)
{
    struct entry *entry = entry_at(buddy, at);
    struct hole *hole = (struct hole *)at;

    *hole = (struct hole){.next = buddy->first[order]};
    if (hole->next)
        hole->next->previous = hole;
    buddy->first[order] = hole;
    buddy->stocked |= UINT64_C(1) << order;
    set_head(entry, order + 1);
    entry->note = clean;
}

/* Takes a free block off its list; then no block starts there.  Returns whether
 * it was clean. */
static bool take(struct buddy *buddy, vaddr_t at, unsigned order)
{
    struct entry *entry = entry_at(buddy, at);
    struct hole *hole = (struct hole *)at;

    if (hole->next)
        hole->next->previous = hole->previous;
    if (hole->previous)
        hole->previous->next = hole->next;
    else
        buddy->first[order] = hole->next;
    if (!buddy->first[order])
        buddy->stocked &= ~(UINT64_C(1) << order);
    set_head(entry, 0);
    return entry->note != 0;
}

/* Makes these bytes a free block, and merges it with free buddies. */
static void release(struct buddy *buddy, vaddr_t at, unsigned order, bool clean)
{
    while (flip_pair(buddy, at, order)) {
        uint64_t size = order_size(order);

        clean &= take(buddy, at ^ size, order);
        if (clean) /* clear the links that the right half may have */
            memset((void *)(at | size), 0, sizeof(struct hole));
        at &= ~size;
        order++;
    }
    push(buddy, at, order, clean);
}

/* Frees memory that has just become usable. */
static void add(struct heap *heap, vaddr_t from, vaddr_t to)
{
    struct buddy *buddy = buddy_of(heap);

    for (vaddr_t at = from; at < to;) {
        struct range entries = entries_above(buddy, at);
        vaddr_t stop = entries.start < to ? entries.start : to;

        while (at < stop) {
            unsigned order = 0;

            while (order < ORDERS - 1 &&
                   is_aligned(at, order_size(order + 1)) &&
                   order_size(order + 1) <= stop - at)
                order++;
            release(buddy, at, order, heap->region.zeroed);
            at += order_size(order);
        }
        if (at < to) {
            vaddr_t end = entries.end < to ? entries.end : to;

            if (!heap->region.zeroed)
                memset((void *)at, 0, end - at);
            at = end;
        }
    }
}

static void buddy_init(struct heap *heap)
{
    struct buddy *buddy = buddy_of(heap);
    vaddr_t start = (vaddr_t)heap->region.start;

    *buddy = (struct buddy){
        .base = align_down(start, UNIT),
        .end = align_down(heap_end(heap), UNIT),
        .limit = align_down(start + heap->region.limit, UNIT),
    };
    add(heap, first_place(buddy), buddy->end);
}

/* Whether everything from this address (the start of a unit) to the end is
 * free. */
static bool all_free(const struct buddy *buddy, vaddr_t at)
{
    if (at < first_place(buddy))
        return false;
    while (at < buddy->end) {
        unsigned head = entry_at(buddy, at)->head & (HEAD_LIVE | HEAD_ORDER);

        if (head == 0 || head & HEAD_LIVE)
            return false;
        at += order_size(head - 1);
    }
    return true;
}

/* Grows the region until there is a free block of this order. */
static bool extend(struct heap *heap, unsigned order)
{
    struct buddy *buddy = buddy_of(heap);
    uint64_t size = order_size(order);
    vaddr_t at = align_down(buddy->end, size), end = buddy->end;

    if (!all_free(buddy, at))
        at = align_up(end, size);
    for (;;) {
        if (at >= buddy->limit || size > buddy->limit - at)
            return false;
        struct range entries = entries_above(buddy, at);
        if (entries.start >= at + size)
            break;
        at = align_up(entries.end, size);
    }
    if (!heap_grow(heap, at + size - heap_end(heap)))
        return false;
    buddy->end = align_down(heap_end(heap), UNIT);
    add(heap, end, buddy->end);
    return true;
}

/* ---- The back-end ---- */

/* Whether there is memory where a free block becomes one of a lower order, and
 * halves with links. */
static bool back_halves(struct heap *heap, vaddr_t at, unsigned from,
                        unsigned order)
{
    if (!heap_back(heap, at + sizeof(struct hole), at + order_size(order)))
        return false;
    for (; order < from; order++) {
        vaddr_t right = at + order_size(order);

        if (!heap_back(heap, right, right + sizeof(struct hole)))
            return false;
    }
    return true;
}

/* A free block of this order, or of the next one that there is; 0 if there is
 * none with memory.  *from is its order. */
static vaddr_t search(struct heap *heap, unsigned order, unsigned *from)
{
    const struct buddy *buddy = buddy_of(heap);
    uint64_t stocked = buddy->stocked >> order << order;

    for (; stocked != 0; stocked &= stocked - 1) {
        *from = (unsigned)__builtin_ctzll(stocked);
        for (struct hole *hole = buddy->first[*from]; hole; hole = hole->next)
            if (back_halves(heap, (vaddr_t)hole, *from, order))
                return (vaddr_t)hole;
    }
    return 0;
}

static bool buddy_alloc(struct heap *heap, struct layout layout,
                        struct heap_block *block, size_t *dirty)
{
    struct buddy *buddy = buddy_of(heap);
    unsigned order = order_for(layout);

    unsigned from;

    if (order >= ORDERS)
        return false;
    vaddr_t at = search(heap, order, &from);
    if (!at && extend(heap, order))
        at = search(heap, order, &from);
    if (!at)
        return false;
    bool clean = take(buddy, at, from);
    flip_pair(buddy, at, from);
    while (from > order) {
        from--;
        flip_pair(buddy, at, from);
        push(buddy, at + order_size(from), from, clean);
    }

    struct entry *entry = entry_at(buddy, at);
    set_head(entry, HEAD_LIVE | (order + 1));
    note_layout(entry, order, layout);
    describe(entry, at, block);
    *dirty = clean && layout.size > sizeof(struct hole) ? sizeof(struct hole)
                                                        : layout.size;
    return true;
}

/* The start of the block that contains an address, or 0. */
static vaddr_t block_around(const struct buddy *buddy, vaddr_t address)
{
    for (unsigned order = 0; order < ORDERS; order++) {
        vaddr_t at = align_down(address, order_size(order));

        if (at < first_place(buddy))
            break;
        if ((entry_at(buddy, at)->head & HEAD_ORDER) == order + 1)
            return at;
    }
    return 0;
}

static enum heap_fault buddy_find(const struct heap *heap, const void *pointer,
                                  struct heap_block *block)
{
    const struct buddy *buddy = buddy_of(heap);
    vaddr_t address = (vaddr_t)pointer;

    if (address < first_place(buddy) || address >= buddy->end)
        return HEAP_FOREIGN;

    vaddr_t at =
        is_aligned(address, UNIT) && entry_at(buddy, address)->head & HEAD_LIVE
            ? address
            : block_around(buddy, address);
    if (!at)
        return HEAP_FOREIGN; /* among the entries */

    const struct entry *entry = entry_at(buddy, at);
    describe(entry, at, block);
    if (entry->head & HEAD_LIVE)
        return at == address ? HEAP_NO_FAULT : HEAP_NOT_A_START;
    /* a freed block may have become part of a larger one */
    return is_aligned(address, UNIT) ? HEAP_DOUBLE_FREE : HEAP_NOT_A_START;
}

static enum heap_fault buddy_look(const struct heap *heap, const void *pointer,
                                  struct heap_block *block)
{
    const struct buddy *buddy = buddy_of(heap);
    vaddr_t at = (vaddr_t)pointer;

    if (at < first_place(buddy) || at >= buddy->end)
        return HEAP_FOREIGN;
    const struct entry *entry = entry_at(buddy, at);
    if (!is_aligned(at, UNIT) || !(entry->head & HEAD_LIVE))
        return HEAP_NOT_A_START;
    describe(entry, at, block);
    return HEAP_NO_FAULT;
}

static void buddy_dealloc(struct heap *heap, const struct heap_block *found)
{
    struct buddy *buddy = buddy_of(heap);
    vaddr_t at = (vaddr_t)found->start;
    struct entry *entry = entry_at(buddy, at);
    unsigned order = (entry->head & HEAD_ORDER) - 1u;

    set_head(entry, 0);
    release(buddy, at, order, false);
}

/* Whether a block can grow to this order where it is: it must be the left half
 * each time, and the right halves must be free. */
static bool can_grow(const struct buddy *buddy, vaddr_t at, unsigned from,
                     unsigned to)
{
    if (to >= ORDERS || !is_aligned(at, order_size(to)))
        return false;
    for (unsigned order = from; order < to; order++) {
        vaddr_t right = at + order_size(order);

        if (right >= buddy->end || !is_free(entry_at(buddy, right), order))
            return false;
    }
    return true;
}

/* Whether there is memory in all of them. */
static bool back_right_halves(struct heap *heap, vaddr_t at, unsigned from,
                              unsigned to)
{
    for (unsigned order = from; order < to; order++) {
        vaddr_t right = at + order_size(order);

        if (!heap_back(heap, right + sizeof(struct hole),
                       right + order_size(order)))
            return false;
    }
    return true;
}

static bool buddy_resize(struct heap *heap, struct heap_block *block,
                         struct layout layout)
{
    struct buddy *buddy = buddy_of(heap);
    vaddr_t at = (vaddr_t)block->start;
    struct entry *entry = entry_at(buddy, at);
    unsigned order = (entry->head & HEAD_ORDER) - 1u;
    unsigned wanted = order_for(layout);

    if (wanted > order && (!can_grow(buddy, at, order, wanted) ||
                           !back_right_halves(heap, at, order, wanted)))
        return false;
    for (; order < wanted; order++) {
        take(buddy, at + order_size(order), order);
        flip_pair(buddy, at, order);
    }
    while (order > wanted) {
        order--;
        release(buddy, at + order_size(order), order, false);
    }
    set_head(entry, HEAD_LIVE | (order + 1));
    note_layout(entry, order, layout);
    describe(entry, at, block);
    return true;
}

/* Entries keep their memory. */
static void buddy_trim(struct heap *heap)
{
    struct buddy *buddy = buddy_of(heap);

    for (unsigned order = 0; order < ORDERS; order++)
        for (struct hole *hole = buddy->first[order]; hole; hole = hole->next)
            heap_unback(heap, (vaddr_t)hole + sizeof(*hole),
                        (vaddr_t)hole + order_size(order));
}

/* ---- The check ---- */

/* Whether a free block of this order starts here. */
static bool free_at(const struct buddy *buddy, vaddr_t at, unsigned order)
{
    return at >= first_place(buddy) && at < buddy->end &&
           is_free(entry_at(buddy, at), order);
}

/* Whether the pair bit with this middle is right.  The halves are of this
 * order. */
static bool pair_is_right(const struct buddy *buddy, vaddr_t middle,
                          unsigned order)
{
    if (order >= ORDERS - 1 || middle >= buddy->limit)
        return true;
    return ((entry_at(buddy, middle)->head & HEAD_PAIR) != 0) ==
           (free_at(buddy, middle - order_size(order), order) !=
            free_at(buddy, middle, order));
}

static const char *live_flaw(const struct entry *entry, vaddr_t at)
{
    struct heap_block block;

    describe(entry, at, &block);
    if (block.layout.align > block.held)
        return "a block of an impossible alignment";
    if (block.layout.size == 0 || block.layout.size > block.held)
        return "a block of an impossible size";
    return NULL;
}

/* What is wrong with the links of a free block, whose entry is right, or NULL.
 */
static const char *link_flaw(const struct buddy *buddy, vaddr_t at,
                             unsigned order)
{
    const struct hole *hole = (const struct hole *)at;
    const vaddr_t links[] = {(vaddr_t)hole->next, (vaddr_t)hole->previous};

    for (unsigned i = 0; i < 2; i++)
        if (links[i] && (!is_aligned(links[i], order_size(order)) ||
                         !free_at(buddy, links[i], order)))
            return "a free block whose link leads to no free block of its "
                   "order";
    if ((hole->next && hole->next->previous != hole) ||
        (hole->previous ? hole->previous->next : buddy->first[order]) != hole)
        return "a free block that its list does not have in its place";
    return NULL;
}

/* What is wrong with the block that must start here, or NULL. */
static const char *flaw_at(const struct buddy *buddy, vaddr_t at, vaddr_t end)
{
    const struct entry *entry = entry_at(buddy, at);
    unsigned order = (entry->head & HEAD_ORDER) - 1u;

    if (order >= ORDERS || !is_aligned(at, order_size(order)) ||
        order_size(order) > end - at)
        return "an entry that was overwritten";
    for (uint64_t i = 1; i < UINT64_C(1) << order; i++)
        if (entry[i].head)
            return "an entry inside a block that is not empty";

    vaddr_t other = at ^ order_size(order);
    bool live = entry->head & HEAD_LIVE;
    if (!pair_is_right(buddy, at | order_size(order), order) ||
        !pair_is_right(buddy, at, (unsigned)__builtin_ctzll(at / UNIT)))
        return "a pair of buddies whose bit is wrong";
    if (live)
        return live_flaw(entry, at);
    if (order < ORDERS - 1 && free_at(buddy, other, order))
        return "two free buddies not merged";
    return link_flaw(buddy, at, order);
}

static struct heap_flaw buddy_check(const struct heap *heap,
                                    struct heap_totals *totals)
{
    const struct buddy *buddy = buddy_of(heap);
    vaddr_t at = first_place(buddy);
    uint64_t seen[ORDERS] = {0};

    while (at < buddy->end) {
        struct range entries = entries_above(buddy, at);
        vaddr_t end = entries.start < buddy->end ? entries.start : buddy->end;

        while (at < end) {
            const char *what = flaw_at(buddy, at, end);
            const struct entry *entry = entry_at(buddy, at);
            struct heap_block block;

            if (what)
                return (struct heap_flaw){(void *)at, what};
            describe(entry, at, &block);
            if (entry->head & HEAD_LIVE) {
                totals->blocks++;
                totals->requested += block.layout.size;
                totals->held += block.held;
            } else {
                seen[(entry->head & HEAD_ORDER) - 1]++;
            }
            at += block.held;
        }
        at = entries.end;
    }
    for (unsigned order = 0; order < ORDERS; order++) {
        const struct hole *hole = buddy->first[order];

        /* the links of each block were checked, but not that the list's head is
         * one of these blocks */
        if ((buddy->stocked >> order & 1) != (hole != NULL) ||
            (hole && !(is_aligned((vaddr_t)hole, order_size(order)) &&
                       free_at(buddy, (vaddr_t)hole, order))))
            return (struct heap_flaw){&buddy->first[order],
                                      "a list that begins with no free block"};
        for (; hole && seen[order] > 0; hole = hole->next)
            seen[order]--;
        if (hole || seen[order] > 0)
            return (struct heap_flaw){&buddy->first[order],
                                      "a list that lacks a free block"};
    }
    return (struct heap_flaw){0};
}

const struct heap_backend heap_buddy = {
    .name = "buddy",
    .help = "powers of two, halved and merged with their buddies",
    .region_min = FIRST_UNITS * UNIT,
    .init = buddy_init,
    .trim = buddy_trim,
    .alloc = buddy_alloc,
    .find = buddy_find,
    .look = buddy_look,
    .dealloc = buddy_dealloc,
    .resize = buddy_resize,
    .check = buddy_check,
};
