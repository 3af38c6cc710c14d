/* Memory that comes and goes after the boot, and memory that breaks.  All of it
 * is rare: the other CPUs are stopped meanwhile. */
#include "mm/frame.h"

#include <stddef.h>

#include "lib/bits.h"
#include "lib/string.h"
#include "mm/frame/change.h"
#include "mm/frame/search.h"
#include "mm/platform.h"

/* Stops the CPUs, has them give back all they keep, and locks all zones. */
static enum mm_error begin(struct frame_call *call, unsigned *zones)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return frame_no_cpu();
    *call = frame_call_begin(cpu);
    if (!frame_stop_cpus(*call))
        return MM_BUSY;
    if (!frame_give_all_back(*call) || !frame_lock_all(*call, zones)) {
        frame_start_cpus(*call);
        return MM_BUSY;
    }
    return MM_OK;
}

/* A zone that was added meanwhile is not locked. */
static void end(struct frame_call call, unsigned zones)
{
    frame_unlock_all(call, zones);
    frame_start_cpus(call);
    frame_call_end(call);
}

static enum mm_error check_range(paddr_t start, paddr_t range_end)
{
    if (start == range_end)
        return MM_EMPTY_RANGE;
    if (start > range_end)
        return MM_RANGE_WRAPS;
    if (!is_aligned(start, SIZE_4K) || !is_aligned(range_end, SIZE_4K))
        return MM_MISALIGNED;
    return range_end > frame_zones.map->limit ? MM_OUT_OF_RANGE : MM_OK;
}

/* ---- Broken memory ---- */

static void mark_block(paddr_t frame, bool partly)
{
    struct frame_place place = frame_place_of(frame);
    uint32_t i = place.number / FRAMES_PER_2M;
    uint64_t *word =
        &place.zone
             ->partly_reserved[i / BLOCKS_PER_GIB][i % BLOCKS_PER_GIB / 64];
    uint64_t bit = UINT64_C(1) << i % 64;
    /* relaxed: who asks about a frame of it has been told of it since */
    __atomic_store_n(word, partly ? *word | bit : *word & ~bit,
                     __ATOMIC_RELAXED);
}

static enum mm_error retire(paddr_t frame, struct frame_place place)
{
    paddr_t after = frame + SIZE_4K;
    if (frame_is_reserved(place, frame))
        return MM_RESERVED;
    if (frame_change_find(frame, after, CHANGE_TO_RETIRE) != NULL)
        return MM_STILL_HELD;
    bool held =
        frame_tree_state(&place.zone->tree, place.number) != FRAME_AVAILABLE;
    if (!frame_change_add(frame, after, frame,
                          held ? CHANGE_TO_RETIRE : CHANGE_RETIRED))
        return MM_TABLE_FULL;
    mark_block(frame, true);
    if (held)
        return MM_STILL_HELD;
    frame_tree_reserve(&place.zone->tree, place.number, FRAME_4K);
    frame_zone_add_free(place.zone, -1);
    place.zone->managed_frames--;
    return MM_OK;
}

enum mm_error frame_retire(paddr_t frame)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return frame_no_cpu();
    struct frame_place place;
    enum mm_error error = frame_find_place(frame, &place);
    struct frame_call call;
    unsigned zones;
    if (error == MM_OK)
        error = begin(&call, &zones);
    if (error != MM_OK)
        return error;
    error = retire(frame, place);
    end(call, zones);
    return error;
}

/* ---- Ranges, in steps of the largest frames that fit ---- */

static enum frame_size step_at(paddr_t at, paddr_t range_end)
{
    enum frame_size size =
        frame_zones_step(at) == SIZE_1G ? FRAME_1G : FRAME_2M;
    while (!is_aligned(at, frame_bytes(size)) ||
           range_end - at < frame_bytes(size))
        size--;
    return size;
}

/* Makes available again what take_all took of start..end, up to `until`. */
static void give_back(paddr_t start, paddr_t until, paddr_t range_end)
{
    for (paddr_t at = start; at < until;) {
        enum frame_size size = step_at(at, range_end);
        struct frame_place place = frame_place_of(at);
        enum mm_error error = frame_put_locked(place, at);
        ASSERT(error == MM_OK, "0x%lx: %s", at, mm_error_name(error));
        place.zone->managed_frames += UINT64_C(1) << 9 * size;
        at += frame_bytes(size);
    }
}

/* False, and nothing changed, if some of it is held. */
static bool take_all(paddr_t start, paddr_t range_end)
{
    for (paddr_t at = start; at < range_end;) {
        enum frame_size size = step_at(at, range_end);
        struct frame_place place = frame_place_of(at);
        if (!frame_tree_reserve(&place.zone->tree, place.number, size)) {
            give_back(start, at, range_end);
            return false;
        }
        frame_zone_add_free(place.zone, -(INT64_C(1) << 9 * size));
        place.zone->managed_frames -= UINT64_C(1) << 9 * size;
        at += frame_bytes(size);
    }
    return true;
}

/* What the range is made of: whether every GiB of it, or none, has RAM; and
 * whether every frame is ours, or none. */
struct survey {
    bool all_placed, none_placed, all_ours, none_ours;
};

/* Of the part of start..end in one 2M, which has RAM. */
static void survey_block(struct survey *found, paddr_t start, paddr_t block_end)
{
    paddr_t base = align_down(start, SIZE_2M);
    struct set512 reserved, range;
    frame_find_reserved(base, &reserved);
    set512_clear(&range);
    set512_add_range(&range, (unsigned)((start - base) / SIZE_4K),
                     (unsigned)((block_end - base) / SIZE_4K));
    for (unsigned w = 0; w < SET512_WORDS; w++) {
        found->all_ours &= (range.words[w] & reserved.words[w]) == 0;
        found->none_ours &= (range.words[w] & ~reserved.words[w]) == 0;
    }
}

static struct survey survey(paddr_t start, paddr_t range_end)
{
    struct survey found = {true, true, true, true};
    for (paddr_t at = start, next; at < range_end; at = next) {
        struct frame_place place;
        bool placed = frame_find_zone(at, &place);
        found.all_placed &= placed;
        found.none_placed &= !placed;
        uint64_t step = placed ? SIZE_2M : SIZE_1G;
        next = align_down(at, step) + step;
        if (placed)
            survey_block(&found, at, next < range_end ? next : range_end);
    }
    return found;
}

static void mark_blocks(paddr_t start, paddr_t range_end)
{
    for (paddr_t base = align_down(start, SIZE_2M); base < range_end;
         base += SIZE_2M) {
        struct set512 reserved;
        frame_find_reserved(base, &reserved);
        mark_block(base, !set512_is_empty(&reserved));
    }
}

/* ---- Taking a range back ---- */

/* An added range that brought its own metadata goes with its zone. */
static enum mm_error remove_zone(struct frame_change *added)
{
    if (!take_all(added->usable, added->end))
        return MM_NOT_FREE;
    struct frame_zone *zone = frame_place_of(added->usable).zone;
    frame_zones_remove(zone);
    frame_change_set(added, CHANGE_NONE);
    return MM_OK;
}

static enum mm_error remove_range(paddr_t start, paddr_t range_end)
{
    struct frame_change *added =
        frame_change_find(start, range_end, CHANGE_ADDED);
    if (added != NULL && added->usable != start)
        return remove_zone(added);
    struct survey found = survey(start, range_end);
    if (!found.all_placed)
        return MM_OUT_OF_RANGE;
    if (!found.all_ours)
        return MM_RESERVED;
    if (frame_changes.count == FRAME_CHANGES_MAX &&
        frame_change_find(start, range_end, CHANGE_NONE) == NULL)
        return MM_TABLE_FULL;
    if (!take_all(start, range_end))
        return MM_NOT_FREE;
    frame_change_add(start, range_end, start, CHANGE_REMOVED);
    mark_blocks(start, range_end);
    return MM_OK;
}

enum mm_error frame_remove_range(paddr_t start, paddr_t range_end)
{
    struct frame_call call;
    unsigned zones;
    enum mm_error error = begin(&call, &zones);
    if (error != MM_OK)
        return error;
    error = check_range(start, range_end);
    if (error == MM_OK)
        error = remove_range(start, range_end);
    end(call, zones);
    return error;
}

/* ---- Giving one ---- */

/* In GiBs that are counted already: as 4Ks, which merge. */
static enum mm_error add_here(paddr_t start, paddr_t range_end)
{
    if (!frame_change_add(start, range_end, start, CHANGE_ADDED))
        return MM_TABLE_FULL;
    frame_zones_give_range(start, range_end);
    mark_blocks(start, range_end);
    return MM_OK;
}

/* In GiBs that are not: the zone is found only when all of it is there. */
static enum mm_error add_zone(paddr_t start, paddr_t range_end)
{
    struct frame_zone *zone;
    paddr_t usable;
    if (frame_changes.count == FRAME_CHANGES_MAX &&
        frame_change_find(start, range_end, CHANGE_NONE) == NULL)
        return MM_TABLE_FULL;
    enum mm_error error = frame_zones_add(start, range_end, &zone, &usable);
    if (error != MM_OK)
        return error;
    frame_tree_give(
        &zone->tree,
        (uint32_t)(usable / SIZE_4K - zone->first_gib * FRAMES_PER_1G),
        (uint32_t)((range_end - usable) / SIZE_4K));
    frame_zone_add_free(zone, (int64_t)((range_end - usable) / SIZE_4K));
    zone->managed_frames = (range_end - usable) / SIZE_4K;
    frame_change_add(start, range_end, usable, CHANGE_ADDED);
    frame_zones_publish(zone);
    mark_blocks(usable, range_end);
    return MM_OK;
}

static enum mm_error add_range(paddr_t start, paddr_t range_end)
{
    struct frame_change *removed =
        frame_change_find(start, range_end, CHANGE_REMOVED);
    if (removed != NULL) {
        frame_change_set(removed, CHANGE_NONE);
        mark_blocks(start, range_end);
        give_back(start, range_end, range_end);
        return MM_OK;
    }
    struct survey found = survey(start, range_end);
    if (!found.none_ours)
        return MM_OVERLAP;
    if (found.all_placed)
        return add_here(start, range_end);
    return found.none_placed ? add_zone(start, range_end) : MM_OVERLAP;
}

enum mm_error frame_add_range(paddr_t start, paddr_t range_end)
{
    struct frame_call call;
    unsigned zones;
    enum mm_error error = begin(&call, &zones);
    if (error != MM_OK)
        return error;
    error = check_range(start, range_end);
    if (error == MM_OK)
        error = add_range(start, range_end);
    end(call, zones);
    return error;
}
