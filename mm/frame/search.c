/* Searching zone after zone for a frame. */
#include "mm/frame/turn.h"

/* The zone that comes k-th: those of the turn's node from its own on, 4Ks
 * upwards and larger frames downwards, as inside a tree; then all others. */
static struct frame_zone *zone_number(const struct frame_turn *turn,
                                      enum frame_size size, unsigned k)
{
    const struct frame_home *home = turn->home;
    return k >= home->count ? &frame_zones.zone[k - home->count]
                            : frame_home_zone(home, size, k);
}

static bool is_near(const struct frame_turn *turn,
                    const struct frame_zone *zone)
{
    unsigned i = (unsigned)(zone - frame_zones.zone) - turn->home->first;
    return i < turn->home->count;
}

/* What a search of all zones came to. */
struct outcome {
    bool served, refused; /* a lock could not be had */
};

/* Those of uncached memory, or the others. */
static struct outcome search_kind(const struct frame_turn *turn,
                                  enum frame_size size, bool uncached,
                                  frame_attempt *attempt, void *context)
{
    struct outcome found = {false, false};
    unsigned end = turn->home->count + frame_zone_count();
    for (unsigned k = 0; k < end && !found.served; k++) {
        struct frame_zone *zone = zone_number(turn, size, k);
        if ((zone->node == FRAME_NODE_UNCACHED) != uncached ||
            (k >= turn->home->count && is_near(turn, zone)) ||
            frame_zone_free(zone) == 0)
            continue;
        if (!frame_turn_lock(turn, zone)) {
            found.refused = true;
            continue;
        }
        found.served = attempt(zone, context);
        frame_turn_unlock(turn, zone);
    }
    return found;
}

/* Whether no zone has a cached frame, and no CPU keeps one. */
static bool is_cached_used_up(void)
{
    for (unsigned i = 0; i < frame_zone_count(); i++)
        if (frame_zones.zone[i].node != FRAME_NODE_UNCACHED &&
            frame_zone_free(&frame_zones.zone[i]) != 0)
            return false;
    return frame_turn_is_all_in_trees();
}

static bool has_uncached(void)
{
    return frame_zones.zone[frame_zones.boot_count - 1].node ==
           FRAME_NODE_UNCACHED;
}

bool frame_search_trees(const struct frame_turn *turn, enum frame_size size,
                        frame_attempt *attempt, void *context)
{
    return search_kind(turn, size, false, attempt, context).served ||
           (has_uncached() && is_cached_used_up() &&
            search_kind(turn, size, true, attempt, context).served);
}

/* How often anything was given to a tree. */
static uint64_t count_puts(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < frame_zone_count(); i++)
        /* acquire: what is found later is as new as this */
        sum += __atomic_load_n(&frame_zones.zone[i].puts, __ATOMIC_ACQUIRE);
    return sum;
}

/* So often a search is made again because others free meanwhile. */
#define SEARCH_TURNS 8

/* Each zone was found empty at some moment.  If nothing was given to any since
 * the first, all of them were at the last. */
static enum mm_error search_gathered(const struct frame_turn *turn,
                                     enum frame_size size,
                                     frame_attempt *attempt, void *context)
{
    for (unsigned t = 0; t < SEARCH_TURNS; t++) {
        uint64_t before = count_puts();
        struct outcome cached =
            search_kind(turn, size, false, attempt, context);
        if (cached.served)
            return MM_OK;
        struct outcome rest = search_kind(turn, size, true, attempt, context);
        if (rest.served)
            return MM_OK;
        if (cached.refused || rest.refused)
            return MM_BUSY;
        if (count_puts() == before)
            return MM_OUT_OF_MEMORY;
    }
    return MM_BUSY;
}

enum mm_error frame_search(struct frame_turn *turn, enum frame_size size,
                           frame_attempt *attempt, void *context)
{
    if (frame_search_trees(turn, size, attempt, context))
        return MM_OK;
    enum frame_gathered gathered = frame_turn_gather(turn);
    if (gathered == FRAME_GATHERED_NOT)
        return MM_BUSY;
    frame_turn_save(turn);
    enum mm_error error = search_gathered(turn, size, attempt, context);
    frame_turn_release(turn);
    return error == MM_OUT_OF_MEMORY && gathered == FRAME_GATHERED_SOME
               ? MM_BUSY
               : error;
}
