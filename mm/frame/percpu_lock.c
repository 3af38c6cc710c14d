/* The locks of zones in the layer percpu. */
#include "mm/frame/percpu.h"

struct frame_cpus frame_cpus;

bool frame_turn_lock(const struct frame_turn *turn, struct frame_zone *zone)
{
    return turn->may_wait ? cpu_lock_acquire_soon(&zone->lock)
                          : cpu_lock_try(&zone->lock);
}

void frame_turn_unlock(const struct frame_turn *turn, struct frame_zone *zone)
{
    (void)turn;
    cpu_lock_release(&zone->lock);
}
