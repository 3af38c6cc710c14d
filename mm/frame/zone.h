/* The machine's GiBs, divided among trees.  For the files of mm/frame/ only.
 *
 * Only GiBs that hold RAM are counted.  The GiBs of one node are divided into
 * rows of about the same length, up to four rows for each CPU of the node (one,
 * if there is only one CPU).  Each row is a zone: a frame tree, its lock, and
 * what all CPUs must know about it.
 *
 *   physical GiB   0   1   2   3   4   5  ...        a hole costs nothing
 *                RAM RAM  -   -  RAM RAM
 *   zone, GiB    0,0 1,0         2,0 3,0             two CPUs, a zone a GiB
 *
 * CPUs that work in zones of their own do not disturb each other, but every CPU
 * may use every zone.
 */
#ifndef MM_FRAME_ZONE_H
#define MM_FRAME_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/cpu/cpu_lock.h"
#include "mm/frame.h"

#define BLOCKS_PER_GIB (SIZE_1G / SIZE_2M)

/* Each 2M that a CPU keeps something of is counted under its number modulo 256.
 * A free looks at the count of its 2M first: where it is 0, no CPU keeps
 * anything there, and the free need not look at what the CPUs keep. */
#define FRAME_ZONE_KEPT 256

/* A bit for each 2M of a GiB. */
typedef uint64_t frame_gib_bits[BLOCKS_PER_GIB / 64];

/* Stands in `keeper` for an open zone: every CPU may free 4Ks into it without
 * its lock (see mm/frame/keep.c), and no CPU may do anything else there. */
#define FRAME_OPEN UINT32_MAX

struct frame_zone {
    struct cpu_lock lock __attribute__((aligned(64)));

    /* Under the lock, for mm/frame/keep.c: the number + 1 of the CPU that keeps
     * the lock between its calls, or 0, or FRAME_OPEN; and who has had it last,
     * how often in a row, and how often that must be before it keeps it. */
    uint32_t keeper;
    uint32_t last, streak, wanted;
    /* how many 4Ks were freed in a row, and how long that must last before the
     * zone opens: 64 times 2 to the power of this */
    uint32_t put_streak, open_shift;
    unsigned node;

    /* In 4Ks; stored under the lock.  The free ones in the tree are read
     * without it too, as a hint. */
    uint64_t free_frames;
    uint64_t managed_frames;

    uint64_t first_gib; /* of a zone that was added: they are in a row */

    /* Under the lock. */
    struct frame_tree tree;
    uint32_t run_block; /* the 2M of the last run, as a hint */
    uint16_t kept[FRAME_ZONE_KEPT];

    /* Of each GiB of the tree: its physical number, and which of its 2Ms are
     * partly or wholly not ours to give: there the map is asked before a frame
     * is freed. */
    uint32_t *gibs;
    frame_gib_bits *partly_reserved;
};

/* A frame by its zone and its number in the zone's tree. */
struct frame_place {
    struct frame_zone *zone;
    uint32_t number;
};

/* All that is known of memory.  Read-only after frame_init, but for what is in
 * the zones. */
struct frame_zones {
    struct frame_zone *zone;
    unsigned count;
    unsigned gib_count; /* in trees */
    unsigned twice;     /* those of them that are in two trees */

    const struct memory_map *map;
    uint64_t gib_end;       /* GiBs that place_of_gib tells of */
    uint32_t *place_of_gib; /* zone * FRAME_TREE_GIBS + GiB in it */
    uint32_t *slow_place;   /* the same for what is uncached */

    uint64_t metadata_bytes;
    unsigned boot_count; /* zones after those were added later */
};

/* So many zones can be added after the boot. */
#define FRAME_ZONES_LATER 4

extern struct frame_zones frame_zones;

/* A GiB that holds no RAM has this in place of its zone. */
#define FRAME_NO_PLACE UINT32_MAX

/* Memory that is not cached (MEMORY_UNCACHED) has zones of its own, as if it
 * were of a node FRAME_NODE_UNCACHED: the last of the boot.  They are searched
 * where no other zone has a frame and no CPU keeps one (mm/frame/search.c).
 * A GiB that has such memory has this bit in its entry of place_of_gib: which
 * zone an address belongs to depends on the map then.  So the fast paths do not
 * find it, and no CPU keeps any of it to give out. */
#define FRAME_HAS_SLOW (UINT32_C(1) << 31)

/* Makes the zones; nothing in them is available yet.  Errors as in
 * frame_init. */
enum mm_error frame_zones_init(struct memory_map *map, paddr_t limit);

/* Takes memory for good, after frame_zones_init and before frame_zones_give:
 * whole pages, with arbitrary contents; NULL if there are none. */
void *frame_zones_take(struct memory_map *map, uint64_t bytes, paddr_t limit);

/* Makes all memory available that is free in the map. */
void frame_zones_give(void);

/* Where a CPU looks first, for 4Ks and for larger frames: the lowest and the
 * highest of its share of its node's zones. */
struct frame_home {
    uint16_t small, large;
};

/* After frame_zones_init. */
struct frame_home frame_zones_home(unsigned cpu);

/* The zones that there are: only those that were added after the boot change
 * their number. */
static inline unsigned frame_zone_count(void)
{
    /* acquire: a zone that is counted is there */
    return __atomic_load_n(&frame_zones.count, __ATOMIC_ACQUIRE);
}

/* In a GiB with uncached memory, or one that was added after the boot. */
bool frame_find_rare(paddr_t address, struct frame_place *place);

/* By the entry of its GiB. */
static inline struct frame_place frame_place_in(uint32_t entry, paddr_t address)
{
    return (struct frame_place){
        &frame_zones.zone[entry / FRAME_TREE_GIBS],
        (uint32_t)(entry % FRAME_TREE_GIBS * FRAMES_PER_1G +
                   address % SIZE_1G / SIZE_4K)};
}

/* Where an address is; zone is NULL if its GiB held no RAM at the boot, or
 * holds uncached memory. */
static inline struct frame_place frame_find_boot_zone(paddr_t address)
{
    uint64_t gib = address >> SHIFT_1G;
    uint32_t entry = __builtin_expect(gib < frame_zones.gib_end, 1)
                         ? frame_zones.place_of_gib[gib]
                         : FRAME_NO_PLACE;
    if (__builtin_expect(entry >= FRAME_HAS_SLOW, 0))
        return (struct frame_place){NULL, 0};
    return frame_place_in(entry, address);
}

/* Where an address is; false if its GiB holds no RAM. */
static inline bool frame_find_zone(paddr_t address, struct frame_place *place)
{
    *place = frame_find_boot_zone(address);
    return __builtin_expect(place->zone != NULL, 1) ||
           frame_find_rare(address, place);
}

/* The address's GiB must hold RAM. */
static inline struct frame_place frame_place_of(paddr_t address)
{
    struct frame_place place = {NULL, 0};
    (void)frame_find_zone(address, &place);
    return place;
}

static inline paddr_t frame_address(const struct frame_zone *zone,
                                    uint32_t number)
{
    return ((paddr_t)zone->gibs[number / FRAMES_PER_1G] << SHIFT_1G) +
           number % FRAMES_PER_1G * SIZE_4K;
}

/* Whether some of that 2M is not ours to give. */
static inline bool frame_is_partly_reserved(const struct frame_zone *zone,
                                            uint32_t block)
{
    const uint64_t *bits = zone->partly_reserved[block / BLOCKS_PER_GIB];
    /* relaxed: who asks about a frame has been told of it since */
    return __atomic_load_n(&bits[block % BLOCKS_PER_GIB / 64],
                           __ATOMIC_RELAXED) >>
               block % 64 &
           1;
}

/* What the map says, of a frame in such a 2M. */
bool frame_is_reserved_in_map(paddr_t frame);

/* The trees count what is reserved as held, so that it is never handed out;
 * here the two are told apart. */
static inline bool frame_is_reserved(struct frame_place place, paddr_t frame)
{
    return __builtin_expect(
        frame_is_partly_reserved(place.zone, place.number / FRAMES_PER_2M) &&
            frame_is_reserved_in_map(frame),
        0);
}

/* Which frames of the 2M at that address are not ours to give. */
void frame_find_reserved(paddr_t base, struct set512 *reserved);

/* Only under the zone's lock. */
static inline void frame_zone_add_free(struct frame_zone *zone, int64_t frames)
{
    /* relaxed: the lock orders those who count; others take it as a hint */
    __atomic_store_n(&zone->free_frames, zone->free_frames + (uint64_t)frames,
                     __ATOMIC_RELAXED);
}

/* Any time; exact under the zone's lock. */
static inline uint64_t frame_zone_free(const struct frame_zone *zone)
{
    return __atomic_load_n(&zone->free_frames, __ATOMIC_RELAXED);
}

#endif
