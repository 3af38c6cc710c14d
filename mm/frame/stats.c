/* Figures. */
#include "mm/frame.h"

#include "lib/string.h"
#include "mm/frame/owned.h"
#include "mm/frame/ways.h"

/* Without the lock the count and the tree may not fit: then the tree tells. */
static void add_zone(struct frame_stats *stats, const struct frame_zone *zone,
                     bool locked)
{
    struct frame_tree_count count = frame_tree_count(&zone->tree);
    stats->free[FRAME_1G] += count.whole_1g;
    stats->free[FRAME_2M] += count.whole_2m;
    stats->free[FRAME_4K] +=
        !locked ? frame_tree_count_4k(&zone->tree)
                : zone->free_frames - (uint64_t)count.whole_1g * FRAMES_PER_1G -
                      (uint64_t)count.whole_2m * FRAMES_PER_2M;
    stats->managed_bytes += zone->managed_frames * SIZE_4K;
    stats->gibs += zone->tree.gib_count;
    stats->trees += zone->tree.gib_count != 0;
    stats->retired += zone->retired;
    stats->to_retire += zone->to_retire;
}

static void sum_up(struct frame_stats *stats)
{
    for (unsigned size = FRAME_4K; size <= FRAME_1G; size++)
        stats->free_bytes += stats->free[size] * frame_bytes(size);
    uint64_t in_1g = stats->free[FRAME_1G] * SIZE_1G;
    uint64_t in_2m = stats->free[FRAME_2M] * SIZE_2M;
    stats->unusable_bytes[FRAME_2M] = stats->free_bytes - in_1g - in_2m;
    stats->unusable_bytes[FRAME_1G] = stats->free_bytes - in_1g;
}

#define ALL_NODES UINT32_MAX

/* False: no turn could begin. */
static bool count(unsigned node, struct frame_stats *stats)
{
    struct frame_turn turn;
    memset(stats, 0, sizeof(*stats));
    if (frame_turn_begin(&turn) != MM_OK)
        return false;
    enum frame_gathered gathered = frame_turn_gather(&turn);
    for (unsigned i = 0; i < frame_zone_count(); i++) {
        struct frame_zone *zone = &frame_zones.zone[i];
        if (node != ALL_NODES && node != zone->node)
            continue;
        bool locked = frame_turn_lock(&turn, zone);
        add_zone(stats, zone, locked);
        if (locked)
            frame_turn_unlock(&turn, zone);
    }
    if (gathered != FRAME_GATHERED_NOT)
        frame_turn_release(&turn);
    else if (node == ALL_NODES)
        stats->free[FRAME_4K] += frame_turn_kept();
    sum_up(stats);
    frame_turn_end(&turn);
    return true;
}

void frame_stats(struct frame_stats *stats)
{
    if (!count(ALL_NODES, stats))
        return;
    stats->gibs -= frame_zones.twice;
    stats->metadata_bytes = frame_zones.metadata_bytes;
}

void frame_node_stats(unsigned node, struct frame_stats *stats)
{
    count(node, stats);
    stats->retired = stats->to_retire = 0;
}

static void add_2m(struct frame_gib_stats *stats, const struct frame_zone *zone,
                   uint32_t i)
{
    const struct frame_tree *tree = &zone->tree;
    if (set512_has(&tree->free_2m[i / BLOCKS_PER_GIB], i % BLOCKS_PER_GIB)) {
        stats->free_2m++;
        return;
    }
    unsigned free = set512_count(&tree->free_4k[i]);
    if (free == FRAMES_PER_2M) {
        stats->held_2m++;
        return;
    }
    stats->split_2m++;
    stats->by_fill[(FRAMES_PER_2M - free) * 8 / (FRAMES_PER_2M + 1)]++;
    stats->free_4k += free;
}

/* A GiB that is held as a whole looks free from below. */
static void add_gib(struct frame_gib_stats *stats,
                    const struct frame_zone *zone, uint32_t g)
{
    if (frame_tree_state(&zone->tree, g * FRAMES_PER_1G) == FRAME_HELD_1G) {
        stats->held_2m = BLOCKS_PER_GIB;
        return;
    }
    stats->whole = set512_has(&zone->tree.free_1g, g);
    for (uint32_t i = 0; i < SET512_MEMBERS; i++)
        add_2m(stats, zone, g * SET512_MEMBERS + i);
}

static void fill_gib(const struct frame_turn *turn, struct frame_zone *zone,
                     unsigned index, struct frame_gib_stats *stats)
{
    bool locked = frame_turn_lock(turn, zone);
    stats->start = (paddr_t)zone->gibs[index] << SHIFT_1G;
    stats->node = zone->node;
    add_gib(stats, zone, index);
    if (locked)
        frame_turn_unlock(turn, zone);
}

bool frame_gib_stats(unsigned index, struct frame_gib_stats *stats)
{
    struct frame_turn turn;
    memset(stats, 0, sizeof(*stats));
    if (frame_turn_begin(&turn) != MM_OK)
        return false;
    unsigned i = 0;
    while (i < frame_zone_count() &&
           index >= frame_zones.zone[i].tree.gib_count)
        index -= frame_zones.zone[i++].tree.gib_count;
    bool found = i < frame_zone_count();
    if (found)
        fill_gib(&turn, &frame_zones.zone[i], index, stats);
    frame_turn_end(&turn);
    return found;
}

/* Where the lock cannot be had, it is as of a moment ago. */
enum frame_state frame_state(paddr_t address)
{
    struct frame_turn turn;
    struct frame_place place;
    enum mm_error error = frame_turn_begin(&turn);
    if (error == MM_NOT_READY || error == MM_BAD_ARGUMENT)
        return FRAME_OUTSIDE;
    enum frame_state state = FRAME_OUTSIDE;
    if (frame_find(address, &place)) {
        bool locked = error == MM_OK && frame_turn_lock(&turn, place.zone);
        state = frame_zone_state(place, address);
        if (locked)
            frame_turn_unlock(&turn, place.zone);
    }
    if (error == MM_OK)
        frame_turn_end(&turn);
    return state;
}
