/* The machine's GiBs, divided among trees.  For the files of mm/frame/ only.
 *
 * Only GiBs that hold RAM are counted.  The GiBs of one node are divided into
 * rows of about the same length, one row for each CPU of the node.  Each row is
 * a zone: a frame tree and its lock.
 *
 *   physical GiB   0   1   2   3   4   5  ...        a hole costs nothing
 *                RAM RAM  -   -  RAM RAM
 *   zone, GiB    0,0 0,1         1,0 1,1             two CPUs
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
#include "mm/frame/mark.h"

#define BLOCKS_PER_GIB (SIZE_1G / SIZE_2M)

struct frame_zone {
    struct cpu_lock lock __attribute__((aligned(64)));

    /* All of this is changed under the lock only.  free_frames is read without
     * it too, as a hint; puts counts what was given to the tree. */
    uint64_t free_frames; /* available in the tree, in 4Ks */
    uint64_t managed_frames;
    uint32_t puts;
    uint32_t retired, to_retire;
    uint32_t run_block; /* the 2M of the last run, as a hint */
    struct frame_tree tree;

    unsigned node;
    uint32_t *gibs; /* the physical number of each GiB of the tree */

    /* Of a zone that was added after the boot: what it was added as, where its
     * own metadata ends, and the marks of its GiBs, which are in a row. */
    paddr_t start, usable, end;
    uint8_t *marks;
};

/* A GiB with RAM: its marks, its leaves in the tree of its zone, this zone, and
 * its number there; and the same for its uncached frames, where it has any. */
struct frame_gib {
    uint8_t *marks;
    struct set512 *leaves;
    uint16_t zone, number;
    uint16_t slow_zone, slow_number;
};

/* The zone of a GiB without RAM. */
#define FRAME_NO_ZONE UINT16_MAX

/* A frame: the zone, its number in the zone's tree, its mark. */
struct frame_place {
    struct frame_zone *zone;
    uint32_t number;
    uint8_t *mark;
};

/* All that is known of memory.  Read-only after frame_init, but for what is in
 * the zones, and the count of those that were added. */
struct frame_zones {
    struct frame_zone *zone;
    unsigned boot_count; /* zones after those were added later */
    unsigned count;
    unsigned gib_count; /* in trees */
    unsigned twice;     /* those of them that are in two trees */

    const struct memory_map *map;
    uint64_t gib_end; /* GiBs that `gib` tells of */
    struct frame_gib *gib;

    uint64_t metadata_bytes;
};

/* So many zones can be added after the boot. */
#define FRAME_ZONES_LATER 4

extern struct frame_zones frame_zones;

/* Makes the zones; nothing in them is available yet.  Errors as in
 * frame_init. */
enum mm_error frame_zones_init(struct memory_map *map, paddr_t limit);

/* Takes memory for good, after frame_zones_init, while frame_init is at work:
 * whole pages, with arbitrary contents; NULL if there are none. */
void *frame_zones_take(struct memory_map *map, uint64_t bytes, paddr_t limit);

/* The zones near a CPU: those of its node.  It looks for 4Ks from `small` up,
 * for larger frames from `large` down: its own share of them first. */
struct frame_home {
    uint16_t first, count;
    uint16_t small, large;
};

/* After frame_zones_init. */
struct frame_home frame_zones_home(unsigned cpu);

/* Its k-th zone, k below count: from its own on, 4Ks upwards and larger frames
 * downwards, as inside a tree. */
static inline struct frame_zone *
frame_home_zone(const struct frame_home *home, enum frame_size size, unsigned k)
{
    unsigned count = home->count;
    unsigned own = size == FRAME_4K ? home->small : home->large;
    unsigned i = own - home->first + (size == FRAME_4K ? k : count - k);
    return &frame_zones.zone[home->first + (i < count ? i : i - count)];
}

/* The zones that there are: only those that were added after the boot change
 * their number. */
static inline unsigned frame_zone_count(void)
{
    /* acquire: a zone that is counted is there */
    return __atomic_load_n(&frame_zones.count, __ATOMIC_ACQUIRE);
}

/* As frame_find, for a GiB that has no entry in frame_zones.gib. */
bool frame_find_added(paddr_t frame, struct frame_place *place);

/* Where a frame is, and its mark; false if its GiB holds no RAM.  A zone that
 * was added can go: see frame_zone_has. */
static inline bool frame_find(paddr_t frame, struct frame_place *place)
{
    uint64_t g = frame >> SHIFT_1G;
    if (g >= frame_zones.gib_end || frame_zones.gib[g].zone == FRAME_NO_ZONE)
        return frame_find_added(frame, place);
    const struct frame_gib *gib = &frame_zones.gib[g];
    uint32_t n = (uint32_t)(frame % SIZE_1G / SIZE_4K);
    uint8_t *mark = &gib->marks[n];
    bool slow = frame_mark_byte(mark) & MARK_UNCACHED;
    uint32_t number = slow ? gib->slow_number : gib->number;
    *place = (struct frame_place){
        &frame_zones.zone[slow ? gib->slow_zone : gib->zone],
        number * FRAMES_PER_1G + n, mark};
    return true;
}

/* The frame is in RAM. */
static inline struct frame_place frame_place_of(paddr_t frame)
{
    struct frame_place place = {NULL, 0, NULL};
    (void)frame_find(frame, &place);
    return place;
}

/* Under the lock of its zone: whether the place is still one. */
static inline bool frame_zone_has(struct frame_place place)
{
    return place.number / FRAMES_PER_1G < place.zone->tree.gib_count;
}

static inline paddr_t frame_address(const struct frame_zone *zone,
                                    uint32_t number)
{
    return ((paddr_t)zone->gibs[number / FRAMES_PER_1G] << SHIFT_1G) +
           number % FRAMES_PER_1G * SIZE_4K;
}

/* Any time; exact under the zone's lock. */
static inline uint64_t frame_zone_free(const struct frame_zone *zone)
{
    return __atomic_load_n(&zone->free_frames, __ATOMIC_RELAXED);
}

/* ---- Zones that come and go: mm/frame/zone_added.c ---- */

/* A zone for the GiBs of a range in which there was no RAM, of at most 512 GiB.
 * Its metadata lies at the beginning of the range.  Nothing in it is available,
 * and nobody finds it before frame_zones_publish.  MM_TOO_SMALL or
 * MM_TABLE_FULL: there is none. */
enum mm_error frame_zones_add(paddr_t start, paddr_t end,
                              struct frame_zone **zone);
void frame_zones_publish(const struct frame_zone *zone);

/* The zone that was added as just this range, or NULL. */
struct frame_zone *frame_zones_added(paddr_t start, paddr_t end);

/* Forgets a zone that was added: under its lock, while no CPU is in its
 * section. */
void frame_zones_remove(struct frame_zone *zone);

#endif
