/* Whether a pointer is that of a block (mm/heap/block.h), and whether a header
 * is one that this heap wrote. */
#ifndef MM_HEAP_BLOCK_FIND_H
#define MM_HEAP_BLOCK_FIND_H

#include "mm/heap/block.h"

/* What is wrong with the header of a block that must not reach past end, or
 * NULL. */
static inline const char *block_flaw(const struct block *block, vaddr_t end)
{
    if (!block_is(block, BLOCK_LIVE) && !block_is(block, BLOCK_FREE))
        return "a header that was overwritten";
    if (block->size < BLOCK_MIN || !is_aligned(block->size, HEAP_GRANULE) ||
        !block_fits((vaddr_t)block, block->size, end))
        return "a block of an impossible size";
    /* slack comes from rounding (less than a granule), and from a rest that was
     * too small for a block (a granule) */
    if (block->slack >= BLOCK_MIN ||
        block->slack >= block->size - sizeof(*block))
        return "a block with more slack than rounding makes";
    if (block->align_shift > SHIFT_1G)
        return "a block of an impossible alignment";
    if (block_is(block, BLOCK_LIVE) &&
        !is_aligned((vaddr_t)block_payload(block),
                    (size_t)1 << block->align_shift))
        return "a block off its alignment";
    return NULL;
}

/* Finds the block that starts at pointer among those from first up to end.
 * With a fault, the block that it is about. */
static inline enum heap_fault block_find(const struct heap *heap, vaddr_t first,
                                         vaddr_t end, const void *pointer,
                                         struct heap_block *description)
{
    vaddr_t address = (vaddr_t)pointer;
    const struct block *block = block_of(pointer);

    if (is_aligned(address, HEAP_GRANULE) &&
        heap_has_memory(heap, (vaddr_t)block) && !block_flaw(block, end)) {
        block_describe(block, description);
        if (block_is(block, BLOCK_FREE))
            return HEAP_DOUBLE_FREE;
        block = (const struct block *)block_end(block);
        return (vaddr_t)block == end || !block_flaw(block, end) ? HEAP_NO_FAULT
                                                                : HEAP_OVERRUN;
    }
    for (block = (const struct block *)first;
         (vaddr_t)block < end && !block_flaw(block, end);
         block = (const struct block *)block_end(block))
        if (address < block_end(block)) {
            block_describe(block, description);
            break;
        }
    return HEAP_NOT_A_START;
}

/* The `look` of the back-ends that use these blocks. */
static inline enum heap_fault block_look(const struct heap *heap,
                                         const void *pointer,
                                         struct heap_block *description)
{
    const struct block *block = block_of(pointer);
    vaddr_t offset = (vaddr_t)block - (vaddr_t)heap->region.start;

    if (offset >= heap->region.size)
        return HEAP_FOREIGN;
    if (!is_aligned(offset, HEAP_GRANULE) ||
        !heap_has_memory(heap, (vaddr_t)block))
        return HEAP_NOT_A_START;
    block_describe(block, description);
    if (block_is(block, BLOCK_LIVE))
        return HEAP_NO_FAULT;
    return block_is(block, BLOCK_FREE) ? HEAP_DOUBLE_FREE : HEAP_NOT_A_START;
}

#endif
