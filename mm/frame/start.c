/* Start-up: all that is free in the map is given to the trees. */
#include "mm/frame.h"

#include "lib/bits.h"
#include "lib/string.h"
#include "mm/frame/low.h"
#include "mm/frame/owned.h"
#include "mm/frame/turn.h"

/* A GiB that counts as held as a 1G since the start becomes held 4Ks. */
static void open_gib(struct frame_tree *tree, uint32_t first)
{
    if (frame_tree_state(tree, first) != FRAME_HELD_1G)
        return;
    frame_tree_split(tree, first);
    for (uint32_t i = 0; i < BLOCKS_PER_GIB; i++)
        frame_tree_split(tree, first + i * FRAMES_PER_2M);
}

/* Makes start..end, which lies in one GiB, available. */
static void give_in_gib(paddr_t start, paddr_t end, bool uncached)
{
    uint32_t frames = (uint32_t)((end - start) / SIZE_4K);
    uint8_t *mark = frame_place_of(start).mark;
    if (uncached)
        memset(mark, MARK_ALIEN | MARK_UNCACHED, frames);
    struct frame_place place = frame_place_of(start);
    struct frame_tree *tree = &place.zone->tree;
    if (frames == FRAMES_PER_1G) {
        frame_tree_free(tree, place.number);
        memset(mark, uncached ? MARK_NONE | MARK_UNCACHED : MARK_NONE, frames);
        frame_zone_count_put(place.zone, frames);
        place.zone->managed_frames += frames;
    } else {
        open_gib(tree, place.number - place.number % FRAMES_PER_1G);
        frame_zone_give(place.zone, place.number, mark, frames);
    }
}

static void give_range(const struct memory_range *range)
{
    bool uncached = range->type == MEMORY_UNCACHED;
    for (paddr_t at = range->start, next; at < range->end; at = next) {
        next = align_down(at, SIZE_1G) + SIZE_1G;
        if (next > range->end)
            next = range->end;
        give_in_gib(at, next, uncached);
    }
}

/* GiBs of which nothing was given are held as 4Ks like all that is alien. */
static void open_the_rest(void)
{
    for (unsigned z = 0; z < frame_zones.count; z++) {
        struct frame_tree *tree = &frame_zones.zone[z].tree;
        for (uint32_t g = 0; g < tree->gib_count; g++)
            open_gib(tree, g * FRAMES_PER_1G);
    }
}

static void give_all(void)
{
    const struct memory_map *map = frame_zones.map;
    for (unsigned i = 0; i < map->count; i++)
        if (memory_type_is_free(map->range[i].type))
            give_range(&map->range[i]);
    open_the_rest();
}

enum mm_error frame_init(struct memory_map *map, paddr_t limit)
{
    frame_turns_close();
    enum mm_error error = frame_zones_init(map, limit);
    if (error == MM_OK)
        error = frame_turns_init(map, limit);
    if (error != MM_OK)
        return error;
    frame_low_init(map);
    give_all(); /* what the map still has now */
    frame_turns_open();
    return MM_OK;
}
