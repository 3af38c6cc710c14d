/* Start-up: which GiBs there are, whose they are, and what in them is free. */
#include "mm/frame/zone.h"

#include <stddef.h>

#include "lib/bits.h"
#include "lib/string.h"
#include "mm/boot_frames.h"
#include "mm/frame/change.h"
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

/* So many zones a CPU, if it is not alone: where CPUs free what others
 * allocated, each waits the less for a lock. */
#define ZONES_PER_CPU 4

/* But none without a GiB, and none with more than a tree counts. */
static unsigned zones_for(const struct node *node)
{
    unsigned least = (node->gibs + FRAME_TREE_GIBS - 1) / FRAME_TREE_GIBS;
    unsigned wanted = platform_cpu_count() > 1 ? ZONES_PER_CPU * node->cpus : 1;
    wanted = wanted < node->gibs ? wanted : node->gibs;
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
    unsigned zone = node->first_zone + i, local = number - zone_start(node, i);
    uint32_t entry = zone * FRAME_TREE_GIBS + local;
    frame_zones.zone[zone].gibs[local] = (uint32_t)gib;
    if (node != &nodes[FRAME_NODE_UNCACHED]) {
        frame_zones.place_of_gib[gib] = entry;
        return;
    }
    frame_zones.slow_place[gib] = entry;
    if (frame_zones.place_of_gib[gib] == FRAME_NO_PLACE)
        frame_zones.place_of_gib[gib] = entry;
    else
        frame_zones.twice++;
    frame_zones.place_of_gib[gib] |= FRAME_HAS_SLOW;
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
    const uint64_t line = 64;
    uint64_t zones = (all->count + FRAME_ZONES_LATER) * sizeof(*all->zone);
    uint64_t reserved = all->gib_count * sizeof(frame_gib_bits);
    uint64_t gibs = align_up(all->gib_count * sizeof(uint32_t), line);
    uint64_t places = 2 * all->gib_end * sizeof(*all->place_of_gib);
    char *block =
        frame_zones_take(map, zones + reserved + gibs + places, limit);
    if (block == NULL)
        return false;
    all->zone = (struct frame_zone *)block;
    all->place_of_gib = (uint32_t *)(block + zones + reserved + gibs);
    all->slow_place = all->place_of_gib + all->gib_end;
    memset(all->zone, 0, zones);
    memset(block + zones, 0xff, reserved);   /* nothing is ours yet */
    memset(all->place_of_gib, 0xff, places); /* FRAME_NO_PLACE */
    all->zone[0].partly_reserved = (frame_gib_bits *)(block + zones);
    all->zone[0].gibs = (uint32_t *)(block + zones + reserved);
    return true;
}

/* Cuts the tables up among the zones. */
static void cut_tables(void)
{
    frame_gib_bits *reserved = frame_zones.zone[0].partly_reserved;
    uint32_t *gibs = frame_zones.zone[0].gibs;
    for (unsigned n = 0; n <= FRAME_NODE_UNCACHED; n++)
        for (unsigned i = 0; i < nodes[n].zones; i++) {
            struct frame_zone *zone =
                &frame_zones.zone[nodes[n].first_zone + i];
            unsigned start = zone_start(&nodes[n], i);
            zone->node = n;
            zone->tree.gib_count = zone_start(&nodes[n], i + 1) - start;
            zone->partly_reserved = reserved;
            zone->gibs = gibs;
            reserved += zone->tree.gib_count;
            gibs += zone->tree.gib_count;
        }
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

/* A GiB that counts as held as a 1G since the start becomes held 4Ks. */
static void open_gib(struct frame_tree *tree, uint32_t first)
{
    if (frame_tree_state(tree, first) != FRAME_HELD_1G)
        return;
    frame_tree_split(tree, first);
    for (uint32_t i = 0; i < BLOCKS_PER_GIB; i++)
        frame_tree_split(tree, first + i * FRAMES_PER_2M);
}

/* Makes start..end, which lies in one GiB and one zone, available. */
static void give_in_gib(paddr_t start, paddr_t end)
{
    struct frame_place place = frame_place_of(start);
    struct frame_tree *tree = &place.zone->tree;
    uint32_t frames = (uint32_t)((end - start) / SIZE_4K);
    if (frames == FRAMES_PER_1G &&
        frame_tree_state(tree, place.number) == FRAME_HELD_1G) {
        frame_tree_free(tree, place.number);
    } else {
        open_gib(tree, place.number - place.number % FRAMES_PER_1G);
        frame_tree_give(tree, place.number, frames);
    }
    frame_zone_add_free(place.zone, frames);
    place.zone->managed_frames += frames;
}

/* Calls visit for the part of start..end in each of its GiBs, or smaller ones,
 * so that each lies in one zone. */
static void for_each_part(paddr_t start, paddr_t end,
                          void (*visit)(paddr_t start, paddr_t end))
{
    for (paddr_t next; start < end; start = next) {
        uint64_t step = frame_zones_step(start);
        next = align_down(start, step) + step;
        if (next > end)
            next = end;
        visit(start, next);
    }
}

void frame_zones_give_range(paddr_t start, paddr_t end)
{
    for_each_part(start, end, give_in_gib);
}

/* Of the 2Ms that lie wholly in start..end, which lies in one GiB. */
static void clear_partly_reserved(paddr_t start, paddr_t end)
{
    struct frame_place place = frame_place_of(start);
    uint64_t *bits = place.zone->partly_reserved[place.number / FRAMES_PER_1G];
    uint64_t first = align_up(start, SIZE_2M), last = align_down(end, SIZE_2M);
    if (end - start == SIZE_1G)
        memset(bits, 0, sizeof(frame_gib_bits));
    else
        for (; first < last; first += SIZE_2M) {
            uint64_t i = first % SIZE_1G / SIZE_2M;
            bits[i / 64] &= ~(UINT64_C(1) << i % 64);
        }
}

/* GiBs of which nothing was given are held as 4Ks like all that is not ours. */
static void open_the_rest(void)
{
    for (unsigned z = 0; z < frame_zones.count; z++) {
        struct frame_tree *tree = &frame_zones.zone[z].tree;
        for (uint32_t g = 0; g < tree->gib_count; g++)
            open_gib(tree, g * FRAMES_PER_1G);
    }
}

void frame_zones_give(void)
{
    const struct memory_map *map = frame_zones.map;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (!memory_type_is_free(range->type))
            continue;
        frame_zones_give_range(range->start, range->end);
        for_each_part(range->start, range->end, clear_partly_reserved);
    }
    open_the_rest();
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
    if (!take_trees(map, limit))
        return MM_OUT_OF_MEMORY;
    return MM_OK;
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
    return (struct frame_home){(uint16_t)(first + small),
                               (uint16_t)(first + large)};
}

/* ---- Zones that come and go after the boot ---- */

static bool find_added(paddr_t address, struct frame_place *place)
{
    uint64_t gib = address >> SHIFT_1G;
    for (unsigned i = frame_zones.boot_count; i < frame_zone_count(); i++) {
        struct frame_zone *zone = &frame_zones.zone[i];
        if (gib < zone->first_gib ||
            gib - zone->first_gib >= zone->tree.gib_count)
            continue;
        place->zone = zone;
        place->number = (uint32_t)((gib - zone->first_gib) * FRAMES_PER_1G +
                                   address % SIZE_1G / SIZE_4K);
        return true;
    }
    return false;
}

/* ---- Where an address is, the slow way ---- */

bool frame_find_rare(paddr_t address, struct frame_place *place)
{
    uint64_t gib = address >> SHIFT_1G;
    if (gib >= frame_zones.gib_end ||
        frame_zones.place_of_gib[gib] == FRAME_NO_PLACE)
        return find_added(address, place);
    const struct memory_range *range =
        memory_map_find(frame_zones.map, address);
    bool slow = range != NULL && range->type == MEMORY_UNCACHED;
    *place =
        frame_place_in(slow ? frame_zones.slow_place[gib]
                            : frame_zones.place_of_gib[gib] & ~FRAME_HAS_SLOW,
                       address);
    return true;
}

uint64_t frame_zones_step(paddr_t address)
{
    uint64_t gib = address >> SHIFT_1G;
    uint32_t entry = gib < frame_zones.gib_end ? frame_zones.place_of_gib[gib]
                                               : FRAME_NO_PLACE;
    return entry == FRAME_NO_PLACE || !(entry & FRAME_HAS_SLOW) ||
                   (entry & ~FRAME_HAS_SLOW) == frame_zones.slow_place[gib]
               ? SIZE_1G
               : SIZE_2M;
}

/* One that was removed, or the next. */
static struct frame_zone *unused_zone(void)
{
    unsigned i = frame_zones.boot_count;
    while (i < frame_zones.count && frame_zones.zone[i].tree.gib_count != 0)
        i++;
    return i < frame_zones.boot_count + FRAME_ZONES_LATER ? &frame_zones.zone[i]
                                                          : NULL;
}

enum mm_error frame_zones_add(paddr_t start, paddr_t end,
                              struct frame_zone **zone, paddr_t *usable)
{
    uint64_t first = start >> SHIFT_1G;
    uint64_t gibs = ((end - 1) >> SHIFT_1G) - first + 1;
    struct frame_zone *fresh = unused_zone();
    if (fresh == NULL || gibs > FRAME_TREE_GIBS)
        return MM_TABLE_FULL;
    uint64_t tree = frame_tree_bytes((unsigned)gibs);
    uint64_t reserved = gibs * sizeof(frame_gib_bits);
    uint64_t bytes =
        align_up(tree + reserved + gibs * sizeof(uint32_t), SIZE_4K);
    if (end - start <= bytes)
        return MM_TOO_SMALL;
    char *memory = phys_to_virt(start);
    fresh->node = platform_memory_node(start) % PLATFORM_NODES_MAX;
    fresh->first_gib = first;
    fresh->partly_reserved = (frame_gib_bits *)(memory + tree);
    fresh->gibs = (uint32_t *)(memory + tree + reserved);
    memset(fresh->partly_reserved, 0xff, reserved);
    for (uint64_t g = 0; g < gibs; g++)
        fresh->gibs[g] = (uint32_t)(first + g);
    frame_tree_init(&fresh->tree, (struct set512 *)memory, (unsigned)gibs);
    frame_zones.gib_count += (unsigned)gibs;
    frame_zones.metadata_bytes += bytes;
    *zone = fresh;
    *usable = start + bytes;
    return MM_OK;
}

void frame_zones_publish(const struct frame_zone *zone)
{
    unsigned i = (unsigned)(zone - frame_zones.zone);
    if (i == frame_zones.count)
        /* release: with the acquire in frame_zone_count */
        __atomic_store_n(&frame_zones.count, i + 1, __ATOMIC_RELEASE);
}

void frame_zones_remove(struct frame_zone *zone)
{
    unsigned gibs = zone->tree.gib_count;
    frame_zones.gib_count -= gibs;
    frame_zones.metadata_bytes -=
        align_up(frame_tree_bytes(gibs) +
                     gibs * (sizeof(frame_gib_bits) + sizeof(uint32_t)),
                 SIZE_4K);
    zone->tree.gib_count = 0;
    zone->managed_frames = 0;
    zone->run_block = 0;
}
