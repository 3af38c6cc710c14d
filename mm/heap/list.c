/* The back-end list: free blocks in a list in the order of their addresses.
 *
 * The region is one row of blocks (mm/heap/block.h) from its first byte to its
 * last.  A free block keeps the link to the next one in its payload:
 *
 *     region.start
 *     v
 *     +-------+------+--------+------+------+---------------------------+
 *     | first | live |  free  | live | live |           free            |
 *     +---|---+------+-^----|-+------+------+-^---------------------------+
 *         '------------'    '-----------------'
 *
 * Invariants: the list has every free block, in order; no two free blocks are
 * neighbours; if the region came zeroed, all bytes from fresh on are 0.
 *
 * Allocation takes the first block that is large enough and leaves the rest of
 * it free.  Freeing walks to the block's place in the list and merges it with
 * both neighbours.  Both take time that grows with the number of free blocks.
 */
#include "mm/heap/block_find.h"

#include "lib/assert.h"

struct free_block {
    struct block block;
    struct free_block *next;
};

_Static_assert(sizeof(struct free_block) <= BLOCK_MIN, "the link has room");

struct list {
    struct free_block *first;
    vaddr_t fresh; /* BLOCK_NOWHERE if the region did not come zeroed */
} __attribute__((aligned(HEAP_GRANULE)));

static struct list *list_of(const struct heap *heap)
{
    return heap->region.start;
}

static vaddr_t list_start(const struct heap *heap)
{
    return (vaddr_t)heap->region.start + sizeof(struct list);
}

/* Notes that bytes below this address may be written from now on. */
static void written_below(struct list *list, vaddr_t address)
{
    if (list->fresh < address)
        list->fresh = address;
}

static struct free_block *write_free(struct list *list, vaddr_t at, size_t size,
                                     struct free_block *next)
{
    struct free_block *hole =
        (struct free_block *)block_write(at, size, BLOCK_FREE);

    hole->next = next;
    written_below(list, at + sizeof(*hole));
    return hole;
}

static void list_init(struct heap *heap)
{
    struct list *list = list_of(heap);
    vaddr_t start = list_start(heap);

    list->fresh = heap->region.zeroed ? start : BLOCK_NOWHERE;
    list->first = write_free(list, start, heap_end(heap) - start, NULL);
}

/* The link to the first free block at or above this address. */
static struct free_block **link_at(struct list *list, vaddr_t address)
{
    struct free_block **link = &list->first;

    while (*link && (vaddr_t)*link < address)
        link = &(*link)->next;
    return link;
}

/* The free block that contains this link; NULL for list->first. */
static struct free_block *holder(struct list *list, struct free_block **link)
{
    if (link == &list->first)
        return NULL;
    return (struct free_block *)((vaddr_t)link -
                                 offsetof(struct free_block, next));
}

/* Frees these bytes: adds them to the list and merges them. */
static void insert(struct list *list, vaddr_t at, size_t size)
{
    struct free_block **link = link_at(list, at);
    struct free_block *before = holder(list, link), *next = *link;

    ASSERT(!next || (vaddr_t)next - at >= size,
           "free %p inside the %zu bytes at 0x%lx", (void *)next, size, at);
    if (next && (vaddr_t)next == at + size) {
        size += next->block.size;
        next = next->next;
    }
    if (before && block_end(&before->block) == at) {
        before->block.size += size;
        before->next = next;
    } else {
        *link = write_free(list, at, size, next);
    }
}

/* The free block that ends at the end of the region, or NULL. */
static struct free_block *last_hole(const struct heap *heap)
{
    struct free_block *hole = list_of(heap)->first;

    while (hole && hole->next)
        hole = hole->next;
    return hole && block_end(&hole->block) == heap_end(heap) ? hole : NULL;
}

/* Grows the region, and with it the free block at its end. */
static bool extend(struct heap *heap, size_t bytes)
{
    vaddr_t end = heap_end(heap);

    if (!heap_grow(heap, bytes))
        return false;
    insert(list_of(heap), end, heap_end(heap) - end);
    return true;
}

/* The link to the first free block with room, and memory, for a block, or NULL.
 * Sets *at to where the block would start. */
static struct free_block **first_fit(struct heap *heap, size_t size,
                                     size_t align, vaddr_t *at)
{
    struct free_block **link;

    for (link = &list_of(heap)->first; *link; link = &(*link)->next) {
        struct block *hole = &(*link)->block;

        *at = block_place((vaddr_t)hole, align);
        if (block_fits(*at, size, block_end(hole)) &&
            block_back(heap, hole, *at, size))
            return link;
    }
    return NULL;
}

/* Frees what a block has beyond size bytes. */
static void trim(struct list *list, struct block *block, size_t size)
{
    size_t rest = block->size - size;

    if (rest >= BLOCK_MIN) {
        block->size = size;
        insert(list, block_end(block), rest);
    }
    written_below(list, block_end(block));
}

/* Makes a live block of the free one, from `at` on; what lies below `at` stays
 * free. */
static struct block *cut(struct free_block **link, vaddr_t at)
{
    struct free_block *hole = *link;
    vaddr_t end = block_end(&hole->block);

    if ((vaddr_t)hole == at)
        *link = hole->next;
    else
        hole->block.size = at - (vaddr_t)hole;
    return block_write(at, end - at, BLOCK_LIVE);
}

static bool list_alloc(struct heap *heap, struct layout layout,
                       struct heap_block *description, size_t *dirty)
{
    struct list *list = list_of(heap);
    size_t size = block_size_for(layout.size);
    struct free_block **link;
    vaddr_t at;

    link = first_fit(heap, size, layout.align, &at);
    if (!link) {
        struct free_block *last = last_hole(heap);
        vaddr_t end = heap_end(heap);

        at = block_place(last ? (vaddr_t)last : end, layout.align);
        if (!extend(heap, at - end + size))
            return false;
        link = first_fit(heap, size, layout.align, &at);
        if (!link) /* what was free in front of the end has no memory */
            return false;
    }

    struct block *block = cut(link, at);
    *dirty =
        block_dirty((vaddr_t)block_payload(block), layout.size, list->fresh);
    trim(list, block, size);
    block_note_layout(block, layout);
    block_describe(block, description);
    return true;
}

static enum heap_fault list_find(const struct heap *heap, const void *pointer,
                                 struct heap_block *description)
{
    vaddr_t start = list_start(heap);

    if ((vaddr_t)pointer < start || (vaddr_t)pointer >= heap_end(heap))
        return HEAP_FOREIGN;
    if ((vaddr_t)pointer - start < sizeof(struct block))
        return HEAP_NOT_A_START;
    return block_find(heap, start, heap_end(heap), pointer, description);
}

static void list_dealloc(struct heap *heap, const struct heap_block *found)
{
    struct block *block = block_of(found->start);

    block->mark = block_mark(block, BLOCK_FREE);
    insert(list_of(heap), (vaddr_t)block, block->size);
}

/* Appends the free block behind this one if both together have size bytes.
 * Grows the region for it if they are the last in it. */
static bool absorb(struct heap *heap, struct block *block, size_t size)
{
    vaddr_t end = block_end(block);
    struct free_block *next = *link_at(list_of(heap), end);
    vaddr_t free_end = end;

    if (next && (vaddr_t)next == end)
        free_end = block_end(&next->block);
    if (free_end - (vaddr_t)block < size) {
        size_t missing = size - (free_end - (vaddr_t)block);

        /* a free block that is new must have room for its header */
        if (free_end == end && missing < BLOCK_MIN)
            missing = BLOCK_MIN;
        if (free_end != heap_end(heap) || !extend(heap, missing))
            return false;
    }

    struct free_block **link = link_at(list_of(heap), end);
    if (!block_back(heap, &(*link)->block, end, size - block->size))
        return false;
    block->size += (*link)->block.size;
    *link = (*link)->next;
    return true;
}

static bool list_resize(struct heap *heap, struct heap_block *description,
                        struct layout layout)
{
    struct block *block = block_of(description->start);
    size_t size = block_size_for(layout.size);

    if (size > block->size && !absorb(heap, block, size))
        return false;
    trim(list_of(heap), block, size);
    block_note_layout(block, layout);
    block_describe(block, description);
    return true;
}

static void list_trim(struct heap *heap)
{
    const struct free_block *hole = list_of(heap)->first;

    for (; hole; hole = hole->next)
        block_unback(heap, &hole->block);
}

static struct heap_flaw list_check(const struct heap *heap,
                                   struct heap_totals *totals)
{
    const struct free_block *expected = list_of(heap)->first;
    vaddr_t at = list_start(heap), end = heap_end(heap);
    bool after_free = false;

    while (at < end) {
        const struct block *block = (const struct block *)at;
        const char *what = block_flaw(block, end);

        if (what)
            return (struct heap_flaw){block, what};
        if (block_is(block, BLOCK_FREE)) {
            if ((const void *)block != expected)
                return (struct heap_flaw){block, "a free block not in order "
                                                 "in the list"};
            if (after_free)
                return (struct heap_flaw){block, "two free blocks not merged"};
            expected = expected->next;
        } else {
            block_add_up(block, totals);
        }
        after_free = block_is(block, BLOCK_FREE);
        at = block_end(block);
    }
    if (expected)
        return (struct heap_flaw){expected, "a link to no free block"};
    return (struct heap_flaw){0};
}

const struct heap_backend heap_list = {
    .name = "list",
    .help = "free blocks in a list by address; first fit, neighbours merge",
    .region_min = sizeof(struct list) + BLOCK_MIN,
    .init = list_init,
    .trim = list_trim,
    .alloc = list_alloc,
    .find = list_find,
    .look = block_look,
    .dealloc = list_dealloc,
    .resize = list_resize,
    .check = list_check,
};
