/* The machine's GiBs, divided among trees: for the files mm/frame*.c only.
 *
 * Only GiBs that hold RAM are counted.  Those of one node are cut into runs of
 * about the same length, one for each of its CPUs, and each run is a zone: a
 * frame tree, the lock around it, and what all CPUs must know of it.
 *
 *   physical GiB   0   1   2   3   4   5  ...        a hole costs nothing
 *                RAM RAM  -   -  RAM RAM
 *   zone, GiB    0,0 0,1         1,0 1,1             two CPUs, two zones
 *
 * So CPUs that each work in their own zone never meet; any of them may use any
 * zone.
 */
#ifndef MM_FRAME_ZONE_H
#define MM_FRAME_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/address.h"
#include "mm/cpu_lock.h"
#include "mm/error.h"
#include "mm/frame_tree.h"
#include "mm/memory_map.h"

#define BLOCKS_PER_GIB (SIZE_1G / SIZE_2M)

/* Of the 2Ms that CPUs keep something of, how many have a number that is this
 * one modulo 256: so a free need seldom look at what CPUs keep. */
#define FRAME_ZONE_KEPT 256

/* A bit for each 2M of a GiB. */
typedef uint64_t frame_gib_bits[BLOCKS_PER_GIB / 64];

struct frame_zone {
    struct cpu_lock lock __attribute__((aligned(64)));
    unsigned node;

    /* In 4Ks; stored under the lock, and read without it as a hint. */
    uint64_t free_frames;

    /* Under the lock. */
    struct frame_tree tree;
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
    unsigned gib_count; /* that hold RAM */

    const struct memory_map *map;
    uint64_t gib_end;       /* GiBs that place_of_gib tells of */
    uint32_t *place_of_gib; /* zone * FRAME_TREE_GIBS + GiB in it */

    uint64_t managed_frames, metadata_bytes;
};

extern struct frame_zones frame_zones;

/* A GiB that holds no RAM has this in place of its zone. */
#define FRAME_NO_PLACE UINT32_MAX

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

/* Whether that GiB holds RAM. */
static inline bool frame_has_place(paddr_t address)
{
    return address >> SHIFT_1G < frame_zones.gib_end &&
           frame_zones.place_of_gib[address >> SHIFT_1G] != FRAME_NO_PLACE;
}

/* The address's GiB must hold RAM. */
static inline struct frame_place frame_place_of(paddr_t address)
{
    uint32_t place = frame_zones.place_of_gib[address >> SHIFT_1G];
    return (struct frame_place){
        &frame_zones.zone[place / FRAME_TREE_GIBS],
        (uint32_t)(place % FRAME_TREE_GIBS * FRAMES_PER_1G +
                   address % SIZE_1G / SIZE_4K)};
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
    return zone->partly_reserved[block / BLOCKS_PER_GIB]
                                [block % BLOCKS_PER_GIB / 64] >>
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
