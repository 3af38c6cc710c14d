/* Memory that comes and goes after the boot, and memory that breaks.  All of it
 * is rare: what CPUs keep is given back first, and they stay out of their
 * sections meanwhile. */
#include "mm/frame.h"

#include "lib/assert.h"
#include "lib/bits.h"
#include "mm/frame/owned.h"
#include "mm/frame/ways.h"

/* MM_BUSY: not all of it is in the trees. */
static enum mm_error gather(struct frame_turn *turn)
{
    enum frame_gathered gathered = frame_turn_gather(turn);
    if (gathered == FRAME_GATHERED_SOME)
        frame_turn_release(turn);
    return gathered == FRAME_GATHERED_ALL ? MM_OK : MM_BUSY;
}

/* ---- Broken memory ---- */

/* The mark of the held frame that a 4K is, or is a part of. */
static uint8_t *mark_of_held(struct frame_place place)
{
    switch (frame_tree_state(&place.zone->tree, place.number)) {
    case FRAME_HELD_2M:
        return place.mark - place.number % FRAMES_PER_2M;
    case FRAME_HELD_1G:
        return place.mark - place.number % FRAMES_PER_1G;
    default:
        return place.mark;
    }
}

static bool add_flag(uint8_t *mark, uint8_t flag)
{
    uint8_t byte = frame_mark_byte(mark);
    return frame_mark_swap(mark, byte, byte | flag);
}

/* Of a frame that is not available: when its holder frees it. */
static enum mm_error retire_later(struct frame_place place)
{
    uint8_t *whole = mark_of_held(place);
    if (frame_mark_byte(place.mark) & MARK_BROKEN)
        return MM_STILL_HELD;
    /* a handler may just put it aside, or have done so */
    if (frame_mark_get(whole) == MARK_NONE ||
        (whole != place.mark && !add_flag(whole, MARK_PART)) ||
        !add_flag(place.mark, MARK_BROKEN))
        return MM_BUSY;
    place.zone->to_retire++;
    return MM_STILL_HELD;
}

static enum mm_error retire_locked(struct frame_place place)
{
    struct frame_zone *zone = place.zone;
    enum frame_mark mark = frame_mark_get(place.mark);
    if (mark == MARK_ALIEN || mark == MARK_RETIRED)
        return MM_RESERVED;
    if (!frame_tree_reserve(&zone->tree, place.number, FRAME_4K))
        return retire_later(place);
    frame_mark_set(place.mark, MARK_RETIRED);
    frame_zone_count_taken(zone, 1);
    zone->retired++;
    zone->managed_frames--;
    return MM_OK;
}

enum mm_error frame_retire(paddr_t frame)
{
    struct frame_turn turn;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    struct frame_place place;
    error = frame_where(frame, &place);
    if (error == MM_OK)
        error = gather(&turn);
    if (error == MM_OK) {
        error = frame_lock_place(&turn, frame, &place);
        if (error == MM_OK) {
            error = retire_locked(place);
            frame_turn_unlock(&turn, place.zone);
        }
        frame_turn_release(&turn);
    }
    frame_turn_end(&turn);
    return error;
}

/* ---- Ranges: what they are made of ---- */

static enum mm_error check_range(paddr_t start, paddr_t end)
{
    if (start == end)
        return MM_EMPTY_RANGE;
    if (start > end)
        return MM_RANGE_WRAPS;
    if (!is_aligned(start, SIZE_4K) || !is_aligned(end, SIZE_4K))
        return MM_MISALIGNED;
    return end > frame_zones.map->limit ? MM_OUT_OF_RANGE : MM_OK;
}

/* Whether every GiB of it, or none, has RAM; and whether every frame is ours,
 * or none. */
struct survey {
    bool all_placed, none_placed, all_ours, none_ours;
};

static struct survey survey(paddr_t start, paddr_t end)
{
    struct survey found = {true, true, true, true};
    for (paddr_t at = start; at < end;) {
        struct frame_place place;
        bool placed = frame_find(at, &place);
        found.all_placed &= placed;
        found.none_placed &= !placed;
        if (!placed) {
            at = align_down(at, SIZE_1G) + SIZE_1G;
            continue;
        }
        enum frame_mark mark = frame_mark_get(place.mark);
        found.all_ours &= mark != MARK_ALIEN && mark != MARK_RETIRED;
        found.none_ours &= mark == MARK_ALIEN;
        at += SIZE_4K;
    }
    return found;
}

/* ---- Taking a range back ---- */

static enum frame_size step_at(paddr_t at, paddr_t end)
{
    enum frame_size size = FRAME_2M;
    if (!is_aligned(at, SIZE_2M) || end - at < SIZE_2M)
        size = FRAME_4K;
    return size;
}

/* In the tree alien memory is held as 4Ks. */
static enum mm_error take_step(const struct frame_turn *turn, paddr_t at,
                               enum frame_size size)
{
    struct frame_place place;
    enum mm_error error = frame_lock_place(turn, at, &place);
    if (error != MM_OK)
        return error;
    uint32_t frames = UINT32_C(1) << 9 * size;
    if (frame_tree_reserve(&place.zone->tree, place.number, size)) {
        if (size == FRAME_2M)
            frame_tree_split(&place.zone->tree, place.number);
        frame_zone_mark(place.mark, frames, MARK_ALIEN);
        frame_zone_count_taken(place.zone, frames);
        place.zone->managed_frames -= frames;
    } else {
        error = MM_NOT_FREE;
    }
    frame_turn_unlock(turn, place.zone);
    return error;
}

/* Makes alien memory available, GiB by GiB. */
static enum mm_error give(const struct frame_turn *turn, paddr_t start,
                          paddr_t end)
{
    for (paddr_t at = start, next; at < end; at = next) {
        /* by 2Ms, for a GiB may have uncached memory beside other */
        next = align_down(at, SIZE_2M) + SIZE_2M;
        if (next > end)
            next = end;
        struct frame_place place;
        enum mm_error error = frame_lock_place(turn, at, &place);
        if (error != MM_OK)
            return error;
        frame_zone_give(place.zone, place.number, place.mark,
                        (uint32_t)((next - at) / SIZE_4K));
        frame_turn_unlock(turn, place.zone);
    }
    return MM_OK;
}

/* Nothing changed unless the answer is MM_OK. */
static enum mm_error take_all(const struct frame_turn *turn, paddr_t start,
                              paddr_t end)
{
    for (paddr_t at = start; at < end;) {
        enum frame_size size = step_at(at, end);
        enum mm_error error = take_step(turn, at, size);
        if (error != MM_OK) {
            enum mm_error undone = give(turn, start, at);
            ASSERT(undone == MM_OK, "0x%lx: %s", start, mm_error_name(undone));
            return error;
        }
        at += frame_bytes(size);
    }
    return MM_OK;
}

/* A range that brought its own metadata goes with its zone: if all of it is
 * free, and nothing was added to its GiBs since. */
static enum mm_error remove_zone(const struct frame_turn *turn,
                                 struct frame_zone *zone)
{
    if (!frame_turn_lock(turn, zone))
        return MM_BUSY;
    uint64_t frames = (zone->end - zone->usable) / SIZE_4K;
    bool all = zone->free_frames == zone->managed_frames &&
               zone->managed_frames + zone->retired == frames;
    if (all)
        frame_zones_remove(zone);
    frame_turn_unlock(turn, zone);
    return all ? MM_OK : MM_NOT_FREE;
}

static enum mm_error remove_range(const struct frame_turn *turn, paddr_t start,
                                  paddr_t end)
{
    struct frame_zone *added = frame_zones_added(start, end);
    if (added != NULL)
        return remove_zone(turn, added);
    struct survey found = survey(start, end);
    if (!found.all_placed)
        return MM_OUT_OF_RANGE;
    return found.all_ours ? take_all(turn, start, end) : MM_RESERVED;
}

/* ---- Giving one ---- */

/* In GiBs that are not counted already: the zone is found only when all of it
 * is there. */
static enum mm_error add_zone(const struct frame_turn *turn, paddr_t start,
                              paddr_t end)
{
    struct frame_zone *zone;
    enum mm_error error = frame_zones_add(start, end, &zone);
    if (error != MM_OK)
        return error;
    frame_zones_publish(zone);
    return give(turn, zone->usable, end);
}

static enum mm_error add_range(const struct frame_turn *turn, paddr_t start,
                               paddr_t end)
{
    struct survey found = survey(start, end);
    if (found.none_placed)
        return add_zone(turn, start, end);
    return found.all_placed && found.none_ours ? give(turn, start, end)
                                               : MM_OVERLAP;
}

/* ---- Both ---- */

typedef enum mm_error change(const struct frame_turn *turn, paddr_t start,
                             paddr_t end);

static enum mm_error change_range(change *what, paddr_t start, paddr_t end)
{
    struct frame_turn turn;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    error = check_range(start, end);
    if (error == MM_OK)
        error = gather(&turn);
    if (error == MM_OK) {
        error = what(&turn, start, end);
        frame_turn_release(&turn);
    }
    frame_turn_end(&turn);
    return error;
}

enum mm_error frame_remove_range(paddr_t start, paddr_t end)
{
    return change_range(remove_range, start, end);
}

enum mm_error frame_add_range(paddr_t start, paddr_t end)
{
    return change_range(add_range, start, end);
}
