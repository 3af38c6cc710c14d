#include "mm/frame/search.h"

static bool has_uncached(void)
{
    return frame_zones.zone[frame_zones.boot_count - 1].node ==
           FRAME_NODE_UNCACHED;
}

/* Whether no zone has a cached frame, and no CPU keeps anything of one. */
static bool is_cached_used_up(void)
{
    for (unsigned i = 0; i < frame_zone_count(); i++) {
        const struct frame_zone *zone = &frame_zones.zone[i];
        if (zone->node == FRAME_NODE_UNCACHED)
            continue;
        if (frame_may_have(zone))
            return false;
        for (unsigned k = 0; k < FRAME_ZONE_KEPT; k++)
            /* relaxed: as of a moment ago */
            if (__atomic_load_n(&zone->kept[k], __ATOMIC_RELAXED) != 0)
                return false;
    }
    return true;
}

/* What is uncached, without stopping other CPUs. */
static bool search_uncached(struct frame_call call, frame_attempt *attempt,
                            void *context)
{
    bool served = false;
    for (unsigned i = 0; i < frame_zones.boot_count && !served; i++) {
        struct frame_zone *zone = &frame_zones.zone[i];
        if (zone->node != FRAME_NODE_UNCACHED || !frame_lock(call, zone))
            continue;
        served = attempt(zone, context);
        frame_unlock(call, zone);
    }
    return served;
}

bool frame_search(struct frame_call call, enum frame_size size,
                  frame_attempt *attempt, void *context)
{
    for (unsigned k = 0; k < 2 * frame_zone_count(); k++) {
        struct frame_zone *zone = frame_zone_number(call.cpu, size, k);
        if (zone == NULL || !frame_may_have(zone) || !frame_lock(call, zone))
            continue;
        bool served = attempt(zone, context);
        frame_unlock(call, zone);
        if (served)
            return true;
    }
    return has_uncached() && is_cached_used_up() &&
           search_uncached(call, attempt, context);
}

static bool search_locked(struct frame_call call, enum frame_size size,
                          frame_attempt *attempt, void *context)
{
    for (unsigned k = 0; k < 2 * frame_zone_count(); k++) {
        struct frame_zone *zone = frame_zone_number(call.cpu, size, k);
        if (zone != NULL && attempt(zone, context))
            return true;
    }
    for (unsigned i = 0; i < frame_zones.boot_count; i++) {
        struct frame_zone *zone = &frame_zones.zone[i];
        if (zone->node == FRAME_NODE_UNCACHED && attempt(zone, context))
            return true;
    }
    return false;
}

/* What CPUs got ready was in the way: they do without for a while. */
static void pause_ready(void)
{
    /* relaxed: a CPU that did not stop may miss it */
    for (unsigned i = 0; i < frame_cpus.count; i++)
        __atomic_store_n(&frame_cpus.cpu[i].ready_pause, FRAME_READY_PAUSE,
                         __ATOMIC_RELAXED);
}

enum mm_error frame_search_all(struct frame_call call, enum frame_size size,
                               frame_attempt *attempt, void *context)
{
    if (!frame_stop_cpus(call))
        return MM_BUSY;
    bool all = frame_give_all_back(call), served = false;
    pause_ready();
    unsigned count;
    if (frame_lock_all(call, &count)) {
        served = search_locked(call, size, attempt, context);
        frame_unlock_all(call, count);
    } else { /* of what was given back some may be where it can be had */
        all = false;
        served = frame_search(call, size, attempt, context);
    }
    frame_start_cpus(call);
    if (served)
        return MM_OK;
    return all ? MM_OUT_OF_MEMORY : MM_BUSY;
}

enum mm_error frame_no_cpu(void)
{
    return frame_cpus.count == 0 ? MM_NOT_READY : MM_BAD_ARGUMENT;
}

enum mm_error frame_find(enum frame_size size, frame_attempt *attempt,
                         void *context)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return frame_no_cpu();
    struct frame_call call = frame_call_begin(cpu);
    enum mm_error error = MM_OK;
    if (!frame_search(call, size, attempt, context))
        error = frame_search_all(call, size, attempt, context);
    frame_call_end(call);
    return error;
}
