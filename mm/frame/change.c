#include "mm/frame/change.h"

#include <stddef.h>

#include "lib/bits.h"
#include "mm/tree/tree.h"

struct frame_changes frame_changes;

static uint32_t used_entries(void)
{
    /* acquire: the entries are there */
    return __atomic_load_n(&frame_changes.count, __ATOMIC_ACQUIRE);
}

static bool covers(const struct frame_change *change, paddr_t frame)
{
    return change->start <= frame && frame < change->end;
}

bool frame_is_reserved_in_map(paddr_t frame)
{
    const struct memory_range *range = memory_map_find(frame_zones.map, frame);
    bool ours = range != NULL && memory_type_is_free(range->type);
    for (uint32_t i = 0, count = used_entries(); i < count; i++) {
        const struct frame_change *change = &frame_changes.entry[i];
        enum frame_change_kind kind = frame_change_kind(change);
        if (kind == CHANGE_NONE || !covers(change, frame))
            continue;
        if (kind == CHANGE_REMOVED || kind == CHANGE_RETIRED)
            return true;
        if (kind == CHANGE_ADDED)
            ours = frame >= change->usable;
    }
    return !ours;
}

/* Adds what of start..end lies in the 2M at base, or takes it out. */
static void mark(struct set512 *set, paddr_t base, paddr_t start, paddr_t end,
                 bool in)
{
    start = start > base ? start : base;
    end = end < base + SIZE_2M ? end : base + SIZE_2M;
    if (start >= end)
        return;
    struct set512 range;
    set512_clear(&range);
    set512_add_range(&range, (unsigned)((start - base) / SIZE_4K),
                     (unsigned)((end - base) / SIZE_4K));
    for (unsigned w = 0; w < SET512_WORDS; w++)
        if (in)
            set->words[w] |= range.words[w];
        else
            set->words[w] &= ~range.words[w];
}

/* A frame that is to be retired counts as reserved: its free must not stay
 * with a CPU. */
void frame_find_reserved(paddr_t base, struct set512 *reserved)
{
    const struct memory_map *map = frame_zones.map;
    uint32_t count = used_entries();
    set512_fill(reserved);
    for (unsigned i = 0; i < map->count; i++)
        if (memory_type_is_free(map->range[i].type))
            mark(reserved, base, map->range[i].start, map->range[i].end, false);
    for (uint32_t i = 0; i < count; i++) {
        const struct frame_change *change = &frame_changes.entry[i];
        if (frame_change_kind(change) == CHANGE_ADDED)
            mark(reserved, base, change->usable, change->end, false);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct frame_change *change = &frame_changes.entry[i];
        enum frame_change_kind kind = frame_change_kind(change);
        if (kind != CHANGE_NONE && kind != CHANGE_ADDED)
            mark(reserved, base, change->start, change->end, true);
    }
}

struct frame_change *frame_change_find(paddr_t start, paddr_t end,
                                       enum frame_change_kind kind)
{
    for (uint32_t i = 0, count = used_entries(); i < count; i++) {
        struct frame_change *change = &frame_changes.entry[i];
        if (frame_change_kind(change) == kind && change->start == start &&
            change->end == end)
            return change;
    }
    return NULL;
}

unsigned frame_change_count(enum frame_change_kind kind)
{
    unsigned found = 0;
    for (uint32_t i = 0, count = used_entries(); i < count; i++)
        found += frame_change_kind(&frame_changes.entry[i]) == kind;
    return found;
}

void frame_change_set(struct frame_change *change, enum frame_change_kind kind)
{
    if (frame_change_kind(change) == CHANGE_TO_RETIRE)
        __atomic_fetch_sub(&frame_changes.to_retire, 1, __ATOMIC_RELAXED);
    if (kind == CHANGE_TO_RETIRE)
        __atomic_fetch_add(&frame_changes.to_retire, 1, __ATOMIC_RELAXED);
    /* release: with the acquire in frame_change_kind */
    __atomic_store_n(&change->kind, kind, __ATOMIC_RELEASE);
}

bool frame_change_add(paddr_t start, paddr_t end, paddr_t usable,
                      enum frame_change_kind kind)
{
    uint32_t count = used_entries();
    struct frame_change *change = frame_change_find(start, end, CHANGE_NONE);
    if (change == NULL) {
        if (count == FRAME_CHANGES_MAX)
            return false;
        change = &frame_changes.entry[count++];
        *change = (struct frame_change){start, end, usable, CHANGE_NONE};
    }
    frame_change_set(change, kind);
    /* release: with the acquire in used_entries */
    __atomic_store_n(&frame_changes.count, count, __ATOMIC_RELEASE);
    return true;
}

void frame_change_catch_all(struct frame_place place, paddr_t start,
                            uint64_t bytes)
{
    for (uint32_t i = 0, count = used_entries(); i < count; i++) {
        struct frame_change *change = &frame_changes.entry[i];
        if (frame_change_kind(change) != CHANGE_TO_RETIRE ||
            change->start < start || change->start - start >= bytes)
            continue;
        uint32_t n =
            place.number + (uint32_t)((change->start - start) / SIZE_4K);
        frame_tree_reserve(&place.zone->tree, n, FRAME_4K);
        frame_zone_add_free(place.zone, -1);
        place.zone->managed_frames--;
        frame_change_set(change, CHANGE_RETIRED);
    }
}
