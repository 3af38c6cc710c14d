/* What happened to memory after the boot.  For the files of mm/frame/ only.
 *
 * The memory map does not change any more.  A short list adds to it what was
 * added, removed, or found broken since.  A 2M that an entry of the list
 * touches is marked as partly reserved (mm/frame/zone.h), and the list is read
 * only for such a 2M.
 */
#ifndef MM_FRAME_CHANGE_H
#define MM_FRAME_CHANGE_H

#include "mm/frame/zone.h"

/* The limit: a machine with more broken frames than this needs repair. */
#define FRAME_CHANGES_MAX 64

enum frame_change_kind {
    CHANGE_NONE,
    CHANGE_ADDED,
    CHANGE_REMOVED,
    CHANGE_RETIRED,
    CHANGE_TO_RETIRE, /* held now; RETIRED when it is freed */
};

/* Entries are written by one CPU at a time, which has stopped the others, and
 * published by their kind; start and end of one that is in use stay. */
struct frame_change {
    paddr_t start, end;
    paddr_t usable; /* of ADDED: what lies before is metadata */
    uint32_t kind;
};

struct frame_changes {
    struct frame_change entry[FRAME_CHANGES_MAX];
    uint32_t count;     /* that were ever used */
    uint32_t to_retire; /* of that kind, as a hint */
};

extern struct frame_changes frame_changes;

static inline enum frame_change_kind
frame_change_kind(const struct frame_change *change)
{
    /* acquire: its start and end are there */
    return (enum frame_change_kind)__atomic_load_n(&change->kind,
                                                   __ATOMIC_ACQUIRE);
}

/* The entry of exactly this range and kind, or NULL. */
struct frame_change *frame_change_find(paddr_t start, paddr_t end,
                                       enum frame_change_kind kind);

/* How many entries are of that kind. */
unsigned frame_change_count(enum frame_change_kind kind);

/* A new entry; false if there is no room. */
bool frame_change_add(paddr_t start, paddr_t end, paddr_t usable,
                      enum frame_change_kind kind);

void frame_change_set(struct frame_change *change, enum frame_change_kind kind);

void frame_change_catch_all(struct frame_place place, paddr_t start,
                            uint64_t bytes);

/* Under the lock of the zone, after bytes from there on became available in its
 * tree: takes out what was to be retired. */
static inline void frame_change_catch(struct frame_place place, paddr_t start,
                                      uint64_t bytes)
{
    /* relaxed: an entry of a frame that was held is older than its free */
    if (__builtin_expect(
            __atomic_load_n(&frame_changes.to_retire, __ATOMIC_RELAXED) != 0,
            0))
        frame_change_catch_all(place, start, bytes);
}

/* ---- Zones for it: mm/frame/zone.c ---- */

/* A zone for the GiBs of a range in which there was no RAM, of at most 512 GiB.
 * Its metadata lies at the beginning of the range, *usable is what is left.
 * Nothing in it is available, and nobody finds it before frame_zones_publish.
 * MM_TOO_SMALL or MM_TABLE_FULL: there is none. */
enum mm_error frame_zones_add(paddr_t start, paddr_t end,
                              struct frame_zone **zone, paddr_t *usable);
void frame_zones_publish(const struct frame_zone *zone);

/* Forgets a zone that was added: all of it is held. */
void frame_zones_remove(struct frame_zone *zone);

/* Makes start..end, which has RAM, available: under the locks of the zones. */
void frame_zones_give_range(paddr_t start, paddr_t end);

/* Aligned memory of so many bytes around the address, which has RAM, lies in
 * one zone: SIZE_1G, or SIZE_2M where a GiB has memory of both kinds. */
uint64_t frame_zones_step(paddr_t address);

#endif
