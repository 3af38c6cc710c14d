/* See mm/boot_frames.h. */
#include "mm/boot_frames.h"

#include "lib/bits.h"

/* The highest place for the block in memory of one type, or PADDR_NONE. */
static paddr_t highest_fit(const struct memory_map *map, enum memory_type type,
                           uint64_t bytes, uint64_t alignment, paddr_t limit)
{
    for (unsigned i = map->count; i > 0; i--) {
        const struct memory_range *range = &map->range[i - 1];
        paddr_t end = range->end < limit ? range->end : limit;

        if (range->type != type || end < range->start ||
            end - range->start < bytes)
            continue;
        paddr_t block = align_down(end - bytes, alignment);
        if (block >= range->start)
            return block;
    }
    return PADDR_NONE;
}

paddr_t boot_frames_alloc(struct memory_map *map, uint64_t bytes,
                          uint64_t alignment, paddr_t limit)
{
    if (bytes == 0 || bytes > map->limit || !is_power_of_two(alignment))
        return PADDR_NONE;
    bytes = align_up(bytes, PAGE_SIZE);
    if (alignment < PAGE_SIZE)
        alignment = PAGE_SIZE;

    paddr_t block = highest_fit(map, MEMORY_USABLE, bytes, alignment, limit);
    if (block == PADDR_NONE)
        block = highest_fit(map, MEMORY_BOOT_SERVICES, bytes, alignment, limit);
    if (block == PADDR_NONE)
        block = highest_fit(map, MEMORY_UNCACHED, bytes, alignment, limit);
    if (block != PADDR_NONE &&
        memory_map_add(map, block, bytes, MEMORY_METADATA) != MM_OK)
        return PADDR_NONE;
    return block;
}
