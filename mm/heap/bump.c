/* The back-end bump: a pointer that moves on by the size of each block.
 *
 *     region.start           front ->              <- back     region end
 *     v                      v                        v                 v
 *     +------+------+--------+------------------------+--------+--------+
 *     | bump | live |  live  |          gap           |  live  |  live  |
 *     +------+------+--------+------------------------+--------+--------+
 *
 * At both ends there is a row of blocks (mm/heap/block.h).  front moves up for
 * each block.  back moves down for blocks that will live long, so that they do
 * not stay in the way when front moves back.  When the block next to the gap is
 * freed, it joins the gap, together with the free blocks that lie next to it.
 * Any other freed block is only marked, and its bytes stay unused until then.
 * So when the last live block is freed, the whole region is gap and the heap
 * starts over.
 *
 * A region that grows does so at its end.  If the gap lies there, it grows too.
 * Else the old gap becomes a free block, the two rows become one, and the new
 * bytes are the gap: so long-lived blocks should be allocated early.
 *
 * Invariants: the blocks at both sides of the gap are live; the gap is empty or
 * has room for a block; in the front row every block behind a free one is
 * marked so, and the free one repeats its size in its last bytes, so that front
 * can move back over it; bytes from fresh up to fresh_end are 0.
 */
#include "mm/heap/block_find.h"

#include "lib/assert.h"

struct bump {
    vaddr_t front, back;
    vaddr_t fresh, fresh_end;
} __attribute__((aligned(HEAP_GRANULE)));

static struct bump *bump_of(const struct heap *heap)
{
    return heap->region.start;
}

static vaddr_t bump_start(const struct heap *heap)
{
    return (vaddr_t)heap->region.start + sizeof(struct bump);
}

static void bump_init(struct heap *heap)
{
    struct bump *bump = bump_of(heap);

    *bump = (struct bump){
        .front = bump_start(heap),
        .back = heap_end(heap),
        .fresh = bump_start(heap),
        .fresh_end = heap->region.zeroed ? heap_end(heap) : 0,
    };
}

/* The copy of a free block's size in its last bytes; end is the block's end. */
static size_t *size_before(vaddr_t end)
{
    return (size_t *)(end - sizeof(size_t));
}

/* Leaves a free block where it is: writes its size in its last bytes and, in
 * the front row, marks the block behind it.  Both are for retreat. */
static void bury(const struct bump *bump, struct block *block)
{
    *size_before(block_end(block)) = block->size;
    if (block_end(block) < bump->front)
        ((struct block *)block_end(block))->after_free = true;
}

/* Moves front down to the start of this block, and on over free blocks below.
 */
static void retreat(struct bump *bump, const struct block *block)
{
    while (block->after_free)
        block = (const struct block *)((vaddr_t)block -
                                       *size_before((vaddr_t)block));
    bump->front = (vaddr_t)block;
}

/* Moves back up over the free blocks next to the gap. */
static void advance(struct bump *bump, vaddr_t end)
{
    while (bump->back < end &&
           block_is((const struct block *)bump->back, BLOCK_FREE))
        bump->back = block_end((const struct block *)bump->back);
}

/* Makes one front row of both rows and the gap.  It ends behind the last live
 * block below end. */
static void join_rows(struct bump *bump, vaddr_t end)
{
    vaddr_t at = bump->front, live_end = at;

    if (at != bump->back)
        block_write(at, bump->back - at, BLOCK_FREE);
    bump->front = end;
    while (at < end) {
        struct block *block = (struct block *)at;

        at = block_end(block);
        if (block_is(block, BLOCK_FREE))
            bury(bump, block);
        else
            live_end = at;
    }
    bump->front = live_end;
}

/* Grows the region.  Afterwards the gap is at the region's end. */
static bool extend(struct heap *heap, size_t bytes)
{
    struct bump *bump = bump_of(heap);
    vaddr_t end = heap_end(heap);

    /* where join_rows writes into the gap */
    if (bump->front != bump->back &&
        (!heap_back(heap, bump->front, bump->front + sizeof(struct block)) ||
         !heap_back(heap, bump->back - sizeof(size_t), bump->back)))
        return false;
    if (!heap_grow(heap, bytes))
        return false;
    if (bump->back != end)
        join_rows(bump, end);
    bump->back = heap_end(heap);
    if (heap->region.zeroed) {
        if (bump->fresh_end != end)
            bump->fresh = end;
        bump->fresh_end = heap_end(heap);
    }
    return true;
}

/* Grows the region until the gap has room for a block. */
static bool make_room(struct heap *heap, size_t size, size_t align)
{
    const struct bump *bump = bump_of(heap);
    vaddr_t end = heap_end(heap);
    vaddr_t at = block_place(bump->back == end ? bump->front : end, align);

    return extend(heap, at - end + size);
}

/* Makes a live block of these bytes, which were in the gap. */
static void hand_out(struct bump *bump, vaddr_t at, vaddr_t end,
                     struct layout layout, struct heap_block *description,
                     size_t *dirty)
{
    struct block *block = block_write(at, end - at, BLOCK_LIVE);

    *dirty = block_dirty((vaddr_t)block_payload(block), layout.size,
                         end <= bump->fresh_end ? bump->fresh : BLOCK_NOWHERE);
    block_note_layout(block, layout);
    block_describe(block, description);
}

/* Where a block should end that could end at `end`: at the end of the gap, if
 * the rest of the gap would be too small for a block. */
static vaddr_t leave_no_scrap(vaddr_t end, vaddr_t gap_end)
{
    return gap_end - end < BLOCK_MIN ? gap_end : end;
}

static bool bump_alloc(struct heap *heap, struct layout layout,
                       struct heap_block *description, size_t *dirty)
{
    struct bump *bump = bump_of(heap);
    size_t size = block_size_for(layout.size);
    vaddr_t at = block_place(bump->front, layout.align);

    if (!block_fits(at, size, bump->back)) {
        if (!make_room(heap, size, layout.align))
            return false;
        at = block_place(bump->front, layout.align);
    }

    vaddr_t padding = bump->front, end = leave_no_scrap(at + size, bump->back);
    if (!heap_back(heap, padding, end))
        return false;
    bump->front = end;
    hand_out(bump, at, end, layout, description, dirty);
    if (padding != at)
        bury(bump, block_write(padding, at - padding, BLOCK_FREE));
    if (bump->fresh < bump->front)
        bump->fresh = bump->front;
    return true;
}

/* The highest address in the gap where a block may start, or BLOCK_NOWHERE. */
static vaddr_t place_back(const struct bump *bump, size_t size, size_t align)
{
    size_t payload_size = size - sizeof(struct block);

    if (bump->back - bump->front < size)
        return BLOCK_NOWHERE;

    vaddr_t payload = align_down(bump->back - payload_size, align);
    if (payload < bump->front + sizeof(struct block))
        return BLOCK_NOWHERE;

    vaddr_t at = payload - sizeof(struct block);
    if (at - bump->front == 0 || at - bump->front >= BLOCK_MIN)
        return at;
    return align <= HEAP_GRANULE ? bump->front : BLOCK_NOWHERE;
}

static bool bump_alloc_back(struct heap *heap, struct layout layout,
                            struct heap_block *description, size_t *dirty)
{
    struct bump *bump = bump_of(heap);
    size_t size = block_size_for(layout.size);
    size_t align = layout.align > HEAP_GRANULE ? layout.align : HEAP_GRANULE;
    vaddr_t at = place_back(bump, size, align);

    if (at == BLOCK_NOWHERE) {
        if (!make_room(heap, size, align))
            return false;
        at = place_back(bump, size, align);
        ASSERT(at != BLOCK_NOWHERE, "no room for %zu bytes after growing",
               size);
    }

    vaddr_t end = leave_no_scrap(at + size, bump->back);
    if (!heap_back(heap, at, bump->back))
        return false;
    hand_out(bump, at, end, layout, description, dirty);
    if (end != bump->back)
        block_write(end, bump->back - end, BLOCK_FREE);
    bump->back = at;
    if (bump->fresh_end > at)
        bump->fresh_end = at;
    return true;
}

static enum heap_fault bump_find(const struct heap *heap, const void *pointer,
                                 struct heap_block *description)
{
    const struct bump *bump = bump_of(heap);
    vaddr_t start = bump_start(heap), end = heap_end(heap);
    vaddr_t address = (vaddr_t)pointer;

    if (address < start || address >= end)
        return HEAP_FOREIGN;
    if (address - start < sizeof(struct block))
        return HEAP_NOT_A_START;

    const struct block *block = block_of(pointer);
    if ((vaddr_t)block < bump->front)
        return block_find(heap, start, bump->front, pointer, description);
    if ((vaddr_t)block >= bump->back)
        return block_find(heap, bump->back, end, pointer, description);
    /* no block in the gap is live, but the headers of freed blocks may still be
     * there */
    if (!is_aligned(address, HEAP_GRANULE) ||
        !heap_has_memory(heap, (vaddr_t)block) ||
        !block_is(block, BLOCK_FREE) || block_flaw(block, end))
        return HEAP_NOT_A_START;
    block_describe(block, description);
    return HEAP_DOUBLE_FREE;
}

static void bump_dealloc(struct heap *heap, const struct heap_block *found)
{
    struct bump *bump = bump_of(heap);
    struct block *block = block_of(found->start);

    block->mark = block_mark(block, BLOCK_FREE);
    if (block_end(block) == bump->front)
        retreat(bump, block);
    else if ((vaddr_t)block == bump->back)
        advance(bump, heap_end(heap));
    else
        bury(bump, block);
}

/* Changes the size of the last block of the front row, and moves front. */
static bool resize_last(struct heap *heap, struct block *block, size_t size)
{
    struct bump *bump = bump_of(heap);
    vaddr_t at = (vaddr_t)block, end = heap_end(heap);

    if (!block_fits(at, size, bump->back) &&
        (bump->back != end || !extend(heap, at + size - end)))
        return false;

    vaddr_t front = leave_no_scrap(at + size, bump->back);
    if (front > bump->front && !heap_back(heap, bump->front, front))
        return false;
    bump->front = front;
    block->size = bump->front - at;
    if (bump->fresh < bump->front)
        bump->fresh = bump->front;
    return true;
}

static bool bump_resize(struct heap *heap, struct heap_block *description,
                        struct layout layout)
{
    struct bump *bump = bump_of(heap);
    struct block *block = block_of(description->start);
    size_t size = block_size_for(layout.size);

    if (block_end(block) == bump->front) {
        if (!resize_last(heap, block, size))
            return false;
    } else if (size > block->size) {
        return false;
    } else if (block->size - size >= BLOCK_MIN) {
        size_t rest = block->size - size;

        block->size = size;
        bury(bump, block_write(block_end(block), rest, BLOCK_FREE));
    }
    block_note_layout(block, layout);
    block_describe(block, description);
    return true;
}

/* Makes one block of free ones that lie side by side, so that only its own ends
 * keep their memory. */
static void trim_row(struct heap *heap, vaddr_t at, vaddr_t end)
{
    while (at < end) {
        struct block *block = (struct block *)at;
        const struct block *next;

        at = block_end(block);
        if (!block_is(block, BLOCK_FREE))
            continue;
        for (; at < end; at = block_end(next)) {
            next = (const struct block *)at;
            if (!block_is(next, BLOCK_FREE))
                break;
            block->size += next->size;
        }
        bury(bump_of(heap), block);
        block_unback(heap, block);
    }
}

static void bump_trim(struct heap *heap)
{
    const struct bump *bump = bump_of(heap);

    trim_row(heap, bump_start(heap), bump->front);
    heap_unback(heap, bump->front, bump->back);
    trim_row(heap, bump->back, heap_end(heap));
}

/* Checks one row; *after_free becomes whether its last block is free. */
static struct heap_flaw check_row(vaddr_t at, vaddr_t end, bool front_row,
                                  struct heap_totals *totals, bool *after_free)
{
    *after_free = false;
    while (at < end) {
        const struct block *block = (const struct block *)at;
        const char *what = block_flaw(block, end);

        if (what)
            return (struct heap_flaw){block, what};
        if (front_row && block->after_free != *after_free)
            return (struct heap_flaw){
                block,
                "a block that is wrong about whether the one in front is free"};
        *after_free = block_is(block, BLOCK_FREE);
        at = block_end(block);
        if (*after_free) {
            if (front_row && *size_before(at) != block->size)
                return (struct heap_flaw){block, "a free block whose end "
                                                 "tells another size"};
        } else {
            block_add_up(block, totals);
        }
    }
    return (struct heap_flaw){0};
}

static struct heap_flaw bump_check(const struct heap *heap,
                                   struct heap_totals *totals)
{
    const struct bump *bump = bump_of(heap);
    vaddr_t start = bump_start(heap), end = heap_end(heap);
    struct heap_flaw flaw;
    bool free_at_gap;

    if (bump->front < start || bump->back > end ||
        !is_aligned(bump->front | bump->back, HEAP_GRANULE) ||
        (bump->front != bump->back &&
         !block_fits(bump->front, BLOCK_MIN, bump->back)))
        return (struct heap_flaw){bump, "a gap with an end that cannot be"};

    flaw = check_row(start, bump->front, true, totals, &free_at_gap);
    if (!flaw.place && free_at_gap)
        flaw = (struct heap_flaw){(void *)bump->front,
                                  "a free block that front did not take back"};
    if (flaw.place)
        return flaw;

    if (bump->back < end &&
        block_is((const struct block *)bump->back, BLOCK_FREE))
        return (struct heap_flaw){(void *)bump->back,
                                  "a free block that back did not take back"};
    return check_row(bump->back, end, false, totals, &free_at_gap);
}

const struct heap_backend heap_bump = {
    .name = "bump",
    .help = "a pointer that moves up; only the last block can be freed, or all "
            "at once",
    .region_min = sizeof(struct bump) + BLOCK_MIN,
    .init = bump_init,
    .trim = bump_trim,
    .alloc = bump_alloc,
    .alloc_back = bump_alloc_back,
    .find = bump_find,
    .look = block_look,
    .dealloc = bump_dealloc,
    .resize = bump_resize,
    .check = bump_check,
};
