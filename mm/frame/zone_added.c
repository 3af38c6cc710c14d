/* Zones for memory that was not there at the boot. */
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/frame/owned.h"
#include "mm/platform.h"

/* The metadata of one GiB. */
#define GIB_BYTES (FRAMES_PER_1G + sizeof(uint32_t))

static uint64_t metadata_bytes(uint64_t gibs)
{
    return align_up(frame_tree_bytes((unsigned)gibs) + gibs * GIB_BYTES,
                    SIZE_4K);
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
                              struct frame_zone **zone)
{
    uint64_t first = start >> SHIFT_1G;
    uint64_t gibs = ((end - 1) >> SHIFT_1G) - first + 1;
    struct frame_zone *fresh = unused_zone();
    if (fresh == NULL || gibs > FRAME_TREE_GIBS)
        return MM_TABLE_FULL;
    uint64_t bytes = metadata_bytes(gibs);
    if (end - start <= bytes)
        return MM_TOO_SMALL;
    char *memory = phys_to_virt(start);
    fresh->node = platform_memory_node(start) % PLATFORM_NODES_MAX;
    fresh->start = start;
    fresh->usable = start + bytes;
    fresh->end = end;
    fresh->marks = (uint8_t *)memory + frame_tree_bytes((unsigned)gibs);
    fresh->gibs = (uint32_t *)(fresh->marks + gibs * FRAMES_PER_1G);
    memset(fresh->marks, MARK_ALIEN, gibs * FRAMES_PER_1G);
    for (uint64_t g = 0; g < gibs; g++)
        fresh->gibs[g] = (uint32_t)(first + g);
    frame_tree_init(&fresh->tree, (struct set512 *)memory, (unsigned)gibs);
    frame_zones.gib_count += (unsigned)gibs;
    frame_zones.metadata_bytes += bytes;
    *zone = fresh;
    return MM_OK;
}

void frame_zones_publish(const struct frame_zone *zone)
{
    unsigned i = (unsigned)(zone - frame_zones.zone);
    if (i == frame_zones.count)
        /* release: with the acquire in frame_zone_count */
        __atomic_store_n(&frame_zones.count, i + 1, __ATOMIC_RELEASE);
}

struct frame_zone *frame_zones_added(paddr_t start, paddr_t end)
{
    for (unsigned i = frame_zones.boot_count; i < frame_zones.count; i++) {
        struct frame_zone *zone = &frame_zones.zone[i];
        if (zone->tree.gib_count != 0 && zone->start == start &&
            zone->end == end)
            return zone;
    }
    return NULL;
}

void frame_zones_remove(struct frame_zone *zone)
{
    unsigned gibs = zone->tree.gib_count;
    frame_zones.gib_count -= gibs;
    frame_zones.metadata_bytes -= metadata_bytes(gibs);
    zone->tree = (struct frame_tree){.gib_count = 0};
    frame_zone_count_taken(zone, zone->free_frames);
    zone->managed_frames = 0;
    zone->retired = 0;
    zone->run_block = 0;
}
