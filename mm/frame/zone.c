/* Start-up: which GiBs there are, and whose they are. */
#include "mm/frame/zone.h"

#include <stddef.h>

#include "lib/bits.h"
#include "lib/string.h"
#include "mm/boot_frames.h"
#include "mm/platform.h"

struct frame_zones frame_zones;

/* GiBs and CPUs of each node, and where its zones begin.  The last one is
 * FRAME_NODE_UNCACHED. */
static struct node {
    unsigned gibs, cpus;
    unsigned first_zone, zones;
    unsigned numbered; /* GiBs that have a place by now */
} nodes[FRAME_NODE_UNCACHED + 1];

/* A GiB is of the node that its first frame is of. */
static struct node *node_of(paddr_t address, bool slow)
{
    return &nodes[slow ? FRAME_NODE_UNCACHED
                       : platform_memory_node(address) % PLATFORM_NODES_MAX];
}

/* Calls visit with every GiB that holds frames of ours of that kind, once, in
 * order, and with its node. */
static void for_each_gib_of(const struct memory_map *map, bool slow,
                            void (*visit)(uint64_t gib, struct node *node))
{
    uint64_t next = 0;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (!memory_type_is_free(range->type) ||
            (range->type == MEMORY_UNCACHED) != slow)
            continue;
        uint64_t gib = range->start >> SHIFT_1G;
        uint64_t last = (range->end - 1) >> SHIFT_1G;
        for (gib = gib < next ? next : gib; gib <= last; gib++) {
            paddr_t first = gib << SHIFT_1G;
            visit(gib,
                  node_of(first < range->start ? range->start : first, slow));
        }
        next = last + 1;
    }
}

static void for_each_gib(const struct memory_map *map,
                         void (*visit)(uint64_t gib, struct node *node))
{
    for_each_gib_of(map, false, visit);
    for_each_gib_of(map, true, visit);
}

static void count_gib(uint64_t gib, struct node *node)
{
    node->gibs++;
    frame_zones.gib_count++;
    if (gib >= frame_zones.gib_end)
        frame_zones.gib_end = gib + 1;
}

/* One a CPU; but none without a GiB, and none with more than a tree counts. */
static unsigned zones_for(const struct node *node)
{
    unsigned least = (node->gibs + FRAME_TREE_GIBS - 1) / FRAME_TREE_GIBS;
    unsigned wanted = node->cpus < node->gibs ? node->cpus : node->gibs;
    return wanted > least ? wanted : least;
}

static void count(const struct memory_map *map)
{
    memset(nodes, 0, sizeof(nodes));
    frame_zones.gib_count = 0;
    frame_zones.gib_end = 0;
    for_each_gib(map, count_gib);
    for (unsigned cpu = 0; cpu < platform_cpu_count(); cpu++)
        nodes[platform_cpu_node(cpu) % PLATFORM_NODES_MAX].cpus++;
    frame_zones.count = 0;
    for (unsigned i = 0; i <= FRAME_NODE_UNCACHED; i++) {
        nodes[i].first_zone = frame_zones.count;
        nodes[i].zones = zones_for(&nodes[i]);
        frame_zones.count += nodes[i].zones;
    }
}

/* The first GiB, counted within the node, of its zone number i. */
static unsigned zone_start(const struct node *node, unsigned i)
{
    return (unsigned)((uint64_t)i * node->gibs / node->zones);
}

/* One that has memory of both kinds is numbered twice. */
static void number_gib(uint64_t gib, struct node *node)
{
    unsigned number = node->numbered++;
    unsigned i = (unsigned)((uint64_t)number * node->zones / node->gibs);
    while (i + 1 < node->zones && zone_start(node, i + 1) <= number)
        i++;
    uint16_t zone = (uint16_t)(node->first_zone + i);
    uint16_t local = (uint16_t)(number - zone_start(node, i));
    struct frame_gib *entry = &frame_zones.gib[gib];
    frame_zones.zone[zone].gibs[local] = (uint32_t)gib;
    if (node == &nodes[FRAME_NODE_UNCACHED]) {
        entry->slow_zone = zone;
        entry->slow_number = local;
        frame_zones.twice += entry->zone != FRAME_NO_ZONE;
    }
    if (entry->zone == FRAME_NO_ZONE) {
        entry->zone = zone;
        entry->number = local;
    }
}

void *frame_zones_take(struct memory_map *map, uint64_t bytes, paddr_t limit)
{
    paddr_t block = boot_frames_alloc(map, bytes, PAGE_SIZE, limit);
    if (block == PADDR_NONE)
        return NULL;
    frame_zones.metadata_bytes += align_up(bytes, PAGE_SIZE);
    return phys_to_virt(block);
}

/* The tables beside the trees share one block, each on a line of its own. */
static bool take_tables(struct memory_map *map, paddr_t limit)
{
    struct frame_zones *all = &frame_zones;
    uint64_t zones = (all->count + FRAME_ZONES_LATER) * sizeof(*all->zone);
    uint64_t gibs = all->gib_end * sizeof(*all->gib);
    char *block = frame_zones_take(
        map, zones + gibs + all->gib_count * sizeof(uint32_t), limit);
    if (block == NULL)
        return false;
    all->zone = (struct frame_zone *)block;
    all->gib = (struct frame_gib *)(block + zones);
    memset(all->zone, 0, zones);
    memset(all->gib, 0, gibs);
    for (uint64_t g = 0; g < all->gib_end; g++)
        all->gib[g].zone = FRAME_NO_ZONE;
    all->zone[0].gibs = (uint32_t *)(block + zones + gibs);
    return true;
}

/* Cuts the row of numbers up among the zones. */
static void cut_tables(void)
{
    uint32_t *gibs = frame_zones.zone[0].gibs;
    for (unsigned n = 0; n <= FRAME_NODE_UNCACHED; n++)
        for (unsigned i = 0; i < nodes[n].zones; i++) {
            struct frame_zone *zone =
                &frame_zones.zone[nodes[n].first_zone + i];
            unsigned start = zone_start(&nodes[n], i);
            zone->node = n;
            zone->tree.gib_count = zone_start(&nodes[n], i + 1) - start;
            zone->gibs = gibs;
            gibs += zone->tree.gib_count;
        }
}

/* After the trees.  All frames are alien at first. */
static bool take_marks(struct memory_map *map, paddr_t limit)
{
    for (uint64_t g = 0; g < frame_zones.gib_end; g++) {
        struct frame_gib *entry = &frame_zones.gib[g];
        if (entry->zone == FRAME_NO_ZONE)
            continue;
        entry->marks = frame_zones_take(map, FRAMES_PER_1G, limit);
        if (entry->marks == NULL)
            return false;
        memset(entry->marks, MARK_ALIEN, FRAMES_PER_1G);
        entry->leaves = frame_zones.zone[entry->zone].tree.free_4k +
                        entry->number * BLOCKS_PER_GIB;
    }
    return true;
}

static bool take_trees(struct memory_map *map, paddr_t limit)
{
    for (unsigned i = 0; i < frame_zones.count; i++) {
        struct frame_tree *tree = &frame_zones.zone[i].tree;
        struct set512 *levels =
            frame_zones_take(map, frame_tree_bytes(tree->gib_count), limit);
        if (levels == NULL)
            return false;
        frame_tree_init_held_1g(tree, levels, tree->gib_count);
    }
    return true;
}

enum mm_error frame_zones_init(struct memory_map *map, paddr_t limit)
{
    memset(&frame_zones, 0, sizeof(frame_zones));
    frame_zones.map = map;
    count(map);
    if (frame_zones.count == 0)
        return MM_OUT_OF_MEMORY;
    if (!take_tables(map, limit))
        return MM_OUT_OF_MEMORY;

    /* The tables may have used up a GiB, but no new one appeared: there are
     * as many GiBs and zones as were counted, or fewer. */
    count(map);
    frame_zones.boot_count = frame_zones.count;
    cut_tables();
    for_each_gib(map, number_gib);
    return take_trees(map, limit) && take_marks(map, limit) ? MM_OK
                                                            : MM_OUT_OF_MEMORY;
}

struct frame_home frame_zones_home(unsigned cpu)
{
    const struct node *node =
        &nodes[platform_cpu_node(cpu) % PLATFORM_NODES_MAX];
    unsigned rank = 0, cpus = node->cpus;
    unsigned first = node->first_zone, zones = node->zones;
    for (unsigned i = 0; i < cpu; i++)
        rank += platform_cpu_node(i) == platform_cpu_node(cpu);
    if (zones == 0) { /* a node of CPUs alone: all memory is equally far */
        first = 0;
        zones = frame_zones.count - nodes[FRAME_NODE_UNCACHED].zones;
    }
    unsigned small = rank * zones / cpus, end = (rank + 1) * zones / cpus;
    unsigned large = end > small ? end - 1 : small;
    return (struct frame_home){(uint16_t)first, (uint16_t)zones,
                               (uint16_t)(first + small),
                               (uint16_t)(first + large)};
}

bool frame_find_added(paddr_t frame, struct frame_place *place)
{
    uint64_t g = frame >> SHIFT_1G;
    for (unsigned i = frame_zones.boot_count; i < frame_zone_count(); i++) {
        struct frame_zone *zone = &frame_zones.zone[i];
        uint64_t first = zone->start >> SHIFT_1G;
        /* acquire: what is counted is there */
        if (g < first || g - first >= __atomic_load_n(&zone->tree.gib_count,
                                                      __ATOMIC_ACQUIRE))
            continue;
        uint32_t n =
            (uint32_t)((g - first) * FRAMES_PER_1G + frame % SIZE_1G / SIZE_4K);
        *place = (struct frame_place){zone, n, &zone->marks[n]};
        return true;
    }
    return false;
}
