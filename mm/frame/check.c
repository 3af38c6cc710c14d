/* The audit: trees, marks, and that nothing is lost between them. */
#include "mm/frame.h"

#include "lib/string.h"
#include "mm/frame/owned.h"
#include "mm/frame/ways.h"
#include "mm/platform.h"

static bool complain(const struct frame_zone *zone, uint32_t n,
                     const char *rule)
{
    platform_log("frame tree %u is broken at 0x%lx: %s",
                 (unsigned)(zone - frame_zones.zone), frame_address(zone, n),
                 rule);
    return false;
}

static bool check_tree(const struct frame_zone *zone)
{
    struct frame_tree_fault fault;
    if (!frame_tree_check(&zone->tree, &fault))
        return complain(zone, fault.frame, fault.rule);
    struct frame_tree_count count = frame_tree_count(&zone->tree);
    if (zone->free_frames != (uint64_t)count.whole_1g * FRAMES_PER_1G +
                                 (uint64_t)count.whole_2m * FRAMES_PER_2M +
                                 frame_tree_count_4k(&zone->tree))
        return complain(zone, 0, "its count of free frames is wrong");
    return true;
}

/* NULL, or the rule that is broken.  If all is in the trees, no 4K is held
 * without a mark. */
static const char *check_mark(enum frame_mark mark, enum frame_state state,
                              bool begins_2m, bool begins_1g, bool all)
{
    switch (mark) {
    case MARK_NONE:
        return state == FRAME_HELD_4K && all ? "a frame is lost" : NULL;
    case MARK_2M:
        return state == FRAME_HELD_2M && begins_2m
                   ? NULL
                   : "a mark says 2M, and the tree does not";
    case MARK_1G:
        return state == FRAME_HELD_1G && begins_1g
                   ? NULL
                   : "a mark says 1G, and the tree does not";
    case MARK_ALIEN:
    case MARK_4K:
    case MARK_RETIRED:
        return state == FRAME_HELD_4K ? NULL
                                      : "a frame with a mark is not held";
    }
    return "a mark is none";
}

/* Eight marks at once. */
static uint64_t eight_marks(const uint8_t *mark)
{
    uint64_t eight;
    memcpy(&eight, mark, sizeof(eight));
    return eight & ~(UINT64_C(0x0101010101010101) * MARK_FLAGS);
}

/* Whether all 512 marks are this one. */
static bool all_are(const uint8_t *mark, enum frame_mark value)
{
    for (unsigned k = 0; k < FRAMES_PER_2M; k += sizeof(uint64_t))
        if (eight_marks(mark + k) != UINT64_C(0x0101010101010101) * value)
            return false;
    return true;
}

/* Whether a 2M that callers have nothing of, or that never was ours, is as it
 * should be: most are, and this is quick. */
static bool is_plain(const struct frame_zone *zone, uint32_t i,
                     const uint8_t *mark)
{
    const struct set512 *leaf = &zone->tree.free_4k[i];
    return (set512_is_empty(leaf) && all_are(mark, MARK_ALIEN)) ||
           (set512_is_full(leaf) && all_are(mark, MARK_NONE) &&
            frame_tree_state(&zone->tree, i * FRAMES_PER_2M) ==
                FRAME_AVAILABLE);
}

static bool check_2m(const struct frame_zone *zone, uint32_t i, bool all)
{
    uint32_t first = i * FRAMES_PER_2M;
    const uint8_t *mark = frame_place_of(frame_address(zone, first)).mark;
    if (is_plain(zone, i, mark))
        return true;
    for (uint32_t n = first; n < first + FRAMES_PER_2M; n++) {
        uint8_t byte = frame_mark_byte(&mark[n - first]);
        if (((byte & MARK_UNCACHED) != 0) !=
            (zone->node == FRAME_NODE_UNCACHED))
            continue; /* of the other zone of this GiB */
        const char *rule = check_mark((enum frame_mark)(byte & ~MARK_FLAGS),
                                      frame_tree_state(&zone->tree, n),
                                      n == first, n % FRAMES_PER_1G == 0, all);
        if (rule != NULL)
            return complain(zone, n, rule);
    }
    return true;
}

static bool check_zone(const struct frame_zone *zone, bool all)
{
    if (!check_tree(zone))
        return false;
    for (uint32_t i = 0; i < zone->tree.gib_count * BLOCKS_PER_GIB; i++)
        if (!check_2m(zone, i, all))
            return false;
    return true;
}

bool frame_check(void)
{
    struct frame_turn turn;
    if (frame_turn_begin(&turn) != MM_OK)
        return true;
    enum frame_gathered gathered = frame_turn_gather(&turn);
    bool sound = gathered != FRAME_GATHERED_NOT;
    if (!sound)
        platform_log("frames cannot be audited in the middle of a call");
    for (unsigned i = 0; sound && i < frame_zone_count(); i++) {
        struct frame_zone *zone = &frame_zones.zone[i];
        if (!frame_turn_lock(&turn, zone)) {
            platform_log("frame tree %u cannot be audited: a CPU has it", i);
            sound = false;
            break;
        }
        sound = check_zone(zone, gathered == FRAME_GATHERED_ALL);
        frame_turn_unlock(&turn, zone);
    }
    if (gathered != FRAME_GATHERED_NOT)
        frame_turn_release(&turn);
    frame_turn_end(&turn);
    return sound;
}
