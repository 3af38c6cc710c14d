/* Addresses, trees and the lock around them. */
#include "mm/frame.h"

#include <stddef.h>

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "mm/boot_frames.h"
#include "mm/platform.h"

#define FRAMES_PER_GIB (SIZE_1G / SIZE_4K)
#define BLOCKS_PER_GIB (SIZE_1G / SIZE_2M)

/* A GiB that holds no RAM has this in place of its node. */
#define NODE_NONE UINT16_MAX

/* All that is known of frames.  The tables are read-only after frame_init;
 * the trees are under the lock. */
static struct {
    struct spinlock lock;
    bool ready;

    const struct memory_map *map;
    uint64_t gib_end;      /* GiBs that node_of_gib tells of */
    uint16_t *node_of_gib; /* by physical GiB */
    uint32_t *gib_of_node; /* and back */
    unsigned node_count;

    /* A bit for each 2M of a node: some part of it is not ours to give, so
     * the map is asked before a frame in it is freed. */
    uint64_t (*partly_reserved)[BLOCKS_PER_GIB / 64];

    struct frame_tree *trees;
    unsigned tree_count;

    uint64_t managed_frames, metadata_bytes;
} frames;

/* A frame by its tree and its number there. */
struct frame_place {
    struct frame_tree *tree;
    uint32_t number;
};

/* The address's GiB must have a node. */
static struct frame_place place_of(paddr_t address)
{
    unsigned node = frames.node_of_gib[address >> SHIFT_1G];
    return (struct frame_place){
        &frames.trees[node / FRAME_TREE_GIBS],
        (uint32_t)(node % FRAME_TREE_GIBS * FRAMES_PER_GIB +
                   address % SIZE_1G / SIZE_4K)};
}

static paddr_t address_of(const struct frame_tree *tree, uint32_t number)
{
    size_t node = (size_t)(tree - frames.trees) * FRAME_TREE_GIBS +
                  number / FRAMES_PER_GIB;
    return ((paddr_t)frames.gib_of_node[node] << SHIFT_1G) +
           number % FRAMES_PER_GIB * SIZE_4K;
}

/* ---- Start-up ---- */

/* Calls visit with every GiB that holds frames of ours, once, in order. */
static void for_each_gib(const struct memory_map *map,
                         void (*visit)(uint64_t gib))
{
    uint64_t next = 0;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (!memory_type_is_free(range->type))
            continue;
        uint64_t first = range->start >> SHIFT_1G;
        uint64_t last = (range->end - 1) >> SHIFT_1G;
        for (uint64_t gib = first < next ? next : first; gib <= last; gib++)
            visit(gib);
        next = last + 1;
    }
}

static void count_gib(uint64_t gib)
{
    frames.node_count++;
    frames.gib_end = gib + 1;
}

static void number_gib(uint64_t gib)
{
    unsigned node = frames.node_count++;
    frames.node_of_gib[gib] = (uint16_t)node;
    frames.gib_of_node[node] = (uint32_t)gib;
}

/* GiBs of tree number i: 512, or what is left for the last one. */
static unsigned tree_gibs(unsigned i)
{
    unsigned left = frames.node_count - i * FRAME_TREE_GIBS;
    return left < FRAME_TREE_GIBS ? left : FRAME_TREE_GIBS;
}

static unsigned trees_for(unsigned node_count)
{
    return (node_count + FRAME_TREE_GIBS - 1) / FRAME_TREE_GIBS;
}

static void *take(struct memory_map *map, uint64_t bytes, paddr_t limit)
{
    paddr_t block = boot_frames_alloc(map, bytes, PAGE_SIZE, limit);
    if (block == PADDR_NONE)
        return NULL;
    frames.metadata_bytes += align_up(bytes, PAGE_SIZE);
    return phys_to_virt(block);
}

/* The tables beside the trees share one block, each on a line of its own. */
static bool take_tables(struct memory_map *map, paddr_t limit)
{
    const uint64_t line = 64;
    uint64_t trees = align_up(frames.tree_count * sizeof(*frames.trees), line);
    uint64_t reserved = frames.node_count * sizeof(*frames.partly_reserved);
    uint64_t nodes =
        align_up(frames.node_count * sizeof(*frames.gib_of_node), line);
    uint64_t gibs = frames.gib_end * sizeof(*frames.node_of_gib);
    char *block = take(map, trees + reserved + nodes + gibs, limit);
    if (block == NULL)
        return false;
    frames.trees = (struct frame_tree *)block;
    frames.partly_reserved = (void *)(block + trees);
    frames.gib_of_node = (uint32_t *)(block + trees + reserved);
    frames.node_of_gib = (uint16_t *)(block + trees + reserved + nodes);
    memset(frames.partly_reserved, 0xff, reserved);
    memset(frames.node_of_gib, 0xff, gibs); /* NODE_NONE */
    return true;
}

static bool take_trees(struct memory_map *map, paddr_t limit)
{
    for (unsigned i = 0; i < frames.tree_count; i++) {
        struct set512 *levels =
            take(map, frame_tree_bytes(tree_gibs(i)), limit);
        if (levels == NULL)
            return false;
        frame_tree_init(&frames.trees[i], levels, tree_gibs(i));
    }
    return true;
}

/* Makes start..end, which lies in one GiB, available. */
static void give(paddr_t start, paddr_t end)
{
    struct frame_place place = place_of(start);
    uint32_t count = (uint32_t)((end - start) / SIZE_4K);
    frame_tree_give(place.tree, place.number, count);
    frames.managed_frames += count;

    unsigned node = frames.node_of_gib[start >> SHIFT_1G];
    for (paddr_t block = align_up(start, SIZE_2M); block + SIZE_2M <= end;
         block += SIZE_2M) {
        uint64_t i = block % SIZE_1G / SIZE_2M;
        frames.partly_reserved[node][i / 64] &= ~(UINT64_C(1) << i % 64);
    }
}

static void give_all(const struct memory_map *map)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (!memory_type_is_free(range->type))
            continue;
        for (paddr_t start = range->start, end; start < range->end;
             start = end) {
            end = align_down(start, SIZE_1G) + SIZE_1G;
            if (end > range->end)
                end = range->end;
            give(start, end);
        }
    }
}

enum mm_error frame_init(struct memory_map *map, paddr_t limit)
{
    memset(&frames, 0, sizeof(frames));
    frames.map = map;
    for_each_gib(map, count_gib);
    if (frames.node_count == 0)
        return MM_OUT_OF_MEMORY;
    if (frames.node_count >= NODE_NONE)
        return MM_TABLE_FULL;
    frames.tree_count = trees_for(frames.node_count);
    if (!take_tables(map, limit))
        return MM_OUT_OF_MEMORY;

    /* The tables may have used up a GiB, but no new one appeared: there are
     * as many nodes as were counted, or fewer. */
    frames.node_count = 0;
    for_each_gib(map, number_gib);
    frames.tree_count = trees_for(frames.node_count);
    if (!take_trees(map, limit))
        return MM_OUT_OF_MEMORY;
    give_all(map);
    frames.ready = true;
    return MM_OK;
}

/* ---- Use ---- */

static uint32_t alloc_in(struct frame_tree *tree, enum frame_size size)
{
    switch (size) {
    case FRAME_4K:
        return frame_tree_alloc_4k(tree);
    case FRAME_2M:
        return frame_tree_alloc_2m(tree);
    case FRAME_1G:
        return frame_tree_alloc_1g(tree);
    }
    return FRAME_NONE;
}

/* As inside a tree: small frames from the bottom of memory, large ones from
 * its top. */
static paddr_t alloc_locked(enum frame_size size)
{
    for (unsigned i = 0; i < frames.tree_count; i++) {
        struct frame_tree *tree =
            &frames.trees[size == FRAME_4K ? i : frames.tree_count - 1 - i];
        uint32_t number = alloc_in(tree, size);
        if (number != FRAME_NONE)
            return address_of(tree, number);
    }
    return PADDR_NONE;
}

paddr_t frame_alloc(enum frame_size size)
{
    if (!frames.ready)
        return PADDR_NONE;
    spinlock_lock(&frames.lock);
    paddr_t frame = alloc_locked(size);
    spinlock_unlock(&frames.lock);
    return frame;
}

/* The trees count what is reserved as held, so that it is never handed out;
 * here the two are told apart. */
static bool is_reserved(paddr_t frame)
{
    unsigned node = frames.node_of_gib[frame >> SHIFT_1G];
    uint64_t i = frame % SIZE_1G / SIZE_2M;
    if (!(frames.partly_reserved[node][i / 64] >> i % 64 & 1))
        return false;
    const struct memory_range *range = memory_map_find(frames.map, frame);
    return range == NULL || !memory_type_is_free(range->type);
}

static enum mm_error check_address(paddr_t frame)
{
    if (!frames.ready)
        return MM_NOT_READY;
    if (!is_aligned(frame, SIZE_4K))
        return MM_MISALIGNED;
    if (frame >> SHIFT_1G >= frames.gib_end ||
        frames.node_of_gib[frame >> SHIFT_1G] == NODE_NONE)
        return MM_OUT_OF_RANGE;
    return is_reserved(frame) ? MM_RESERVED : MM_OK;
}

enum mm_error frame_free(paddr_t frame)
{
    enum mm_error error = check_address(frame);
    if (error != MM_OK)
        return error;
    struct frame_place place = place_of(frame);
    spinlock_lock(&frames.lock);
    enum frame_freed freed = frame_tree_free(place.tree, place.number);
    spinlock_unlock(&frames.lock);
    switch (freed) {
    case FRAME_FREED_4K:
    case FRAME_FREED_2M:
    case FRAME_FREED_1G:
        return MM_OK;
    case FRAME_NOT_HELD:
        return MM_NOT_HELD;
    case FRAME_INSIDE_2M:
    case FRAME_INSIDE_1G:
        return MM_INSIDE_LARGER;
    case FRAME_OUT_OF_RANGE:
        break;
    }
    return MM_OUT_OF_RANGE;
}

uint64_t frame_bytes(enum frame_size size)
{
    return SIZE_4K << (9 * size);
}

enum frame_state frame_state(paddr_t address)
{
    uint64_t gib = address >> SHIFT_1G;
    if (!frames.ready || gib >= frames.gib_end ||
        frames.node_of_gib[gib] == NODE_NONE)
        return FRAME_OUTSIDE;
    struct frame_place place = place_of(address);
    spinlock_lock(&frames.lock);
    enum frame_state state = frame_tree_state(place.tree, place.number);
    spinlock_unlock(&frames.lock);
    return state;
}

void frame_stats(struct frame_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    if (!frames.ready)
        return;
    stats->managed_bytes = frames.managed_frames * SIZE_4K;
    stats->gibs = frames.node_count;
    stats->trees = frames.tree_count;
    stats->metadata_bytes = frames.metadata_bytes;
    spinlock_lock(&frames.lock);
    for (unsigned i = 0; i < frames.tree_count; i++) {
        struct frame_tree_count count = frame_tree_count(&frames.trees[i]);
        stats->free[FRAME_4K] += frame_tree_count_4k(&frames.trees[i]);
        stats->free[FRAME_2M] += count.whole_2m;
        stats->free[FRAME_1G] += count.whole_1g;
    }
    spinlock_unlock(&frames.lock);
    for (unsigned size = FRAME_4K; size <= FRAME_1G; size++)
        stats->free_bytes += stats->free[size] * frame_bytes(size);
}

bool frame_check(void)
{
    bool sound = true;
    spinlock_lock(&frames.lock);
    for (unsigned i = 0; sound && i < frames.tree_count; i++) {
        const struct frame_tree *tree = &frames.trees[i];
        struct frame_tree_fault fault;
        sound = frame_tree_check(tree, &fault);
        if (!sound)
            platform_log("frame tree %u is broken at 0x%lx: %s", i,
                         address_of(tree, fault.frame), fault.rule);
    }
    spinlock_unlock(&frames.lock);
    return sound;
}
