#include "mm/frame/owned.h"

#include "lib/assert.h"
#include "mm/tree/blocks.h"

uint32_t frame_zone_take(struct frame_zone *zone, enum frame_size size)
{
    uint32_t n = size == FRAME_4K   ? frame_tree_alloc_4k(&zone->tree)
                 : size == FRAME_2M ? frame_tree_alloc_2m(&zone->tree)
                                    : frame_tree_alloc_1g(&zone->tree);
    if (n != FRAME_NONE)
        frame_zone_count_taken(zone, UINT64_C(1) << 9 * size);
    return n;
}

paddr_t frame_zone_hand_out(struct frame_zone *zone, uint32_t n,
                            enum frame_size size)
{
    paddr_t frame = frame_address(zone, n);
    frame_mark_set(frame_place_of(frame).mark, frame_mark_of(size));
    return frame;
}

void frame_zone_return(struct frame_zone *zone, uint32_t n,
                       enum frame_size size)
{
    enum frame_freed freed = frame_tree_free(&zone->tree, n);
    ASSERT(freed == (enum frame_freed)size, "0x%lx was kept by a CPU: %u",
           frame_address(zone, n), freed);
    frame_zone_count_put(zone, UINT64_C(1) << 9 * size);
}

void frame_zone_return_many(struct frame_zone *zone, uint32_t i,
                            const struct set512 *frames)
{
    frame_tree_put_block(&zone->tree, i, frames);
    frame_zone_count_put(zone, set512_count(frames));
}

/* The mark at the beginning of the large frame that an address lies in. */
static enum frame_mark mark_of_whole(struct frame_place place, paddr_t address,
                                     uint64_t bytes)
{
    return frame_mark_get(place.mark - address % bytes / SIZE_4K);
}

enum frame_state frame_zone_state(struct frame_place place, paddr_t address)
{
    enum frame_mark mark = frame_mark_get(place.mark);
    enum frame_state state = frame_tree_state(&place.zone->tree, place.number);
    bool kept = false; /* by a CPU: so it is free */
    if (state == FRAME_HELD_4K)
        kept = mark == MARK_NONE;
    else if (state == FRAME_HELD_2M)
        kept = mark_of_whole(place, address, SIZE_2M) == MARK_NONE;
    else if (state == FRAME_HELD_1G)
        kept = mark_of_whole(place, address, SIZE_1G) == MARK_NONE;
    return kept ? FRAME_AVAILABLE : state;
}

enum mm_error frame_zone_why_not(struct frame_place place, paddr_t frame)
{
    enum frame_mark mark = frame_mark_get(place.mark);
    if (mark == MARK_ALIEN || mark == MARK_RETIRED)
        return MM_RESERVED;
    enum frame_state state = frame_zone_state(place, frame);
    return state == FRAME_HELD_2M || state == FRAME_HELD_1G ? MM_INSIDE_LARGER
                                                            : MM_NOT_HELD;
}

/* Of frames that are available now: takes out those that are broken. */
static void retire_broken(struct frame_place place, uint32_t frames)
{
    struct frame_zone *zone = place.zone;
    for (uint32_t k = 0; k < frames && zone->to_retire != 0; k++) {
        uint8_t *mark = place.mark + k;
        if (!(frame_mark_byte(mark) & MARK_BROKEN))
            continue;
        frame_tree_reserve(&zone->tree, place.number + k, FRAME_4K);
        frame_mark_set(mark, MARK_RETIRED);
        frame_zone_count_taken(zone, 1);
        zone->to_retire--;
        zone->retired++;
        zone->managed_frames--;
    }
}

enum mm_error frame_zone_put(struct frame_place place, paddr_t frame)
{
    enum frame_mark mark = frame_mark_get(place.mark);
    if (mark != MARK_4K && mark != MARK_2M && mark != MARK_1G)
        return frame_zone_why_not(place, frame);
    enum frame_size size = (enum frame_size)(mark - MARK_4K);
    frame_mark_set(place.mark, MARK_NONE);
    frame_mark_set_part(place.mark, false);
    frame_zone_return(place.zone, place.number, size);
    if (place.zone->to_retire != 0)
        retire_broken(place, UINT32_C(1) << 9 * size);
    return MM_OK;
}

void frame_zone_mark(uint8_t *mark, uint64_t count, enum frame_mark value)
{
    for (uint64_t k = 0; k < count; k++)
        frame_mark_set(&mark[k], value);
}

void frame_zone_give(struct frame_zone *zone, uint32_t n, uint8_t *mark,
                     uint32_t count)
{
    frame_tree_give(&zone->tree, n, count);
    frame_zone_mark(mark, count, MARK_NONE);
    frame_zone_count_put(zone, count);
    zone->managed_frames += count;
}
