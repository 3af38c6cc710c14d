/* A block with a header in front: the form that the back-ends bump, list and
 * bins use.
 *
 *     0                8        12      13      14      15      16
 *     +----------------+--------+-------+-------+-------+-------+---------//-+
 *     | size           | mark   | slack | align | after |   0   | payload    |
 *     |                |        |       | shift | free  |       |            |
 *     +----------------+--------+-------+-------+-------+-------+---------//-+
 *     ^ a multiple of HEAP_GRANULE                              ^ what the
 *                                                                 owner has
 *
 * Blocks lie one behind another with nothing in between: the next one starts
 * size bytes further on.  So a walk from the first block meets them all.  The
 * bytes that an alignment skips in front of a block are a free block, too.
 *
 * The mark tells whether a header is that of a live or a free block.  It is
 * mixed with the header's own address, so that neither a copy of a header nor
 * chance makes another one.  When a block is freed, its header stays there with
 * the mark of a free block, even if the block merges with a neighbour.  So a
 * second free is noticed until the header is overwritten.
 *
 * heap_trim takes the memory from whole pages inside free blocks.  Of each free
 * block it leaves the first BLOCK_MIN bytes and the last word, where back-ends
 * write.
 */
#ifndef MM_HEAP_BLOCK_H
#define MM_HEAP_BLOCK_H

#include "lib/bits.h"
#include "mm/heap/backend.h"

struct block {
    size_t size;         /* header and payload: a multiple of HEAP_GRANULE */
    uint32_t mark;       /* block_mark of live or free */
    uint8_t slack;       /* bytes of the payload beyond those asked for */
    uint8_t align_shift; /* log2 of the alignment asked for */
    uint8_t after_free;  /* of the block in front: 0 if live (bump, bins) */
    uint8_t unused;
};

_Static_assert(sizeof(struct block) == HEAP_GRANULE,
               "a payload starts on a granule");

/* The smallest block: a header, and room for what a back-end stores in the
 * payload of a free block. */
#define BLOCK_MIN (sizeof(struct block) + HEAP_GRANULE)

/* Not an address: no block fits behind it. */
#define BLOCK_NOWHERE (~(vaddr_t)0)

enum block_kind {
    BLOCK_LIVE = 0x6c697665,
    BLOCK_FREE = 0x66726565,
};

static inline uint32_t block_mark(const struct block *block,
                                  enum block_kind kind)
{
    /* Knuth's multiplicative hash: neighbours get different marks */
    return (uint32_t)((vaddr_t)block / HEAP_GRANULE) * 2654435761u ^
           (uint32_t)kind;
}

static inline bool block_is(const struct block *block, enum block_kind kind)
{
    return block->mark == block_mark(block, kind);
}

static inline void *block_payload(const struct block *block)
{
    return (void *)((vaddr_t)block + sizeof(*block));
}

static inline struct block *block_of(const void *payload)
{
    return (struct block *)((vaddr_t)payload - sizeof(struct block));
}

static inline vaddr_t block_end(const struct block *block)
{
    return (vaddr_t)block + block->size;
}

/* The size of the block for a request.  Sizes are rounded only here. */
static inline size_t block_size_for(size_t requested)
{
    return sizeof(struct block) + align_up(requested, HEAP_GRANULE);
}

/* The lowest address, from this one on, where a block with an aligned payload
 * may start: either here, or with enough room in between for a free block. */
static inline vaddr_t block_place(vaddr_t from, size_t align)
{
    size_t step = align > HEAP_GRANULE ? align : HEAP_GRANULE;
    vaddr_t at =
        align_up(from + sizeof(struct block), step) - sizeof(struct block);

    if (at != from && at - from < BLOCK_MIN)
        at += step;
    /* near the last address the sums may wrap */
    return at >= from && at + sizeof(struct block) > at ? at : BLOCK_NOWHERE;
}

static inline bool block_fits(vaddr_t at, size_t size, vaddr_t end)
{
    return at <= end && end - at >= size;
}

static inline struct block *block_write(vaddr_t at, size_t size,
                                        enum block_kind kind)
{
    struct block *block = (struct block *)at;

    *block = (struct block){.size = size, .mark = block_mark(block, kind)};
    return block;
}

/* Writes the size and the alignment that were asked for into the header. */
static inline void block_note_layout(struct block *block, struct layout layout)
{
    block->slack = (uint8_t)(block->size - sizeof(struct block) - layout.size);
    block->align_shift = (uint8_t)__builtin_ctzll(layout.align);
}

static inline void block_describe(const struct block *block,
                                  struct heap_block *description)
{
    size_t usable = block->size - sizeof(*block);

    *description = (struct heap_block){
        .start = block_payload(block),
        .layout = {usable - block->slack, (size_t)1 << block->align_shift},
        .usable = usable,
        .held = block->size,
    };
}

static inline void block_add_up(const struct block *block,
                                struct heap_totals *totals)
{
    totals->blocks++;
    totals->requested += block->size - sizeof(*block) - block->slack;
    totals->held += block->size;
}

/* Takes the memory from the whole pages inside a free block. */
static inline void block_unback(struct heap *heap, const struct block *block)
{
    heap_unback(heap, (vaddr_t)block + BLOCK_MIN,
                block_end(block) - sizeof(size_t));
}

/* Sees to it that there is memory in a free block where a block of size bytes
 * is to be written at `at`, with what a back-end writes right in front of it
 * and behind it.  False: there is none. */
static inline bool block_back(struct heap *heap, const struct block *hole,
                              vaddr_t at, size_t size)
{
    vaddr_t from = at - sizeof(size_t), start = (vaddr_t)hole + BLOCK_MIN;
    vaddr_t to = at + size + BLOCK_MIN, end = block_end(hole);

    return heap_back(heap, from > start ? from : start, to < end ? to : end);
}

/* For alloc_zeroed: how many of the size bytes at start lie below fresh, from
 * where on nothing was ever written. */
static inline size_t block_dirty(vaddr_t start, size_t size, vaddr_t fresh)
{
    if (fresh <= start)
        return 0;
    return fresh - start < size ? fresh - start : size;
}

#endif
