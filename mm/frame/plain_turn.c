/* The one lock of the layer plain: a turn has it from its begin to its end. */
#include "mm/cpu/cpu_lock.h"
#include "mm/cpu/cpu_order.h"
#include "mm/frame/turn.h"
#include "mm/platform.h"

static struct cpu_lock lock;

/* As many as frame_init was told; 0: none yet. */
static uint32_t cpus;

/* Where each CPU looks first. */
static struct frame_home homes[PLATFORM_CPUS_MAX];

static bool is_inside(void)
{
    return cpu_lock_is_mine(&lock);
}

enum mm_error frame_turns_init(struct memory_map *map, paddr_t limit)
{
    (void)map;
    (void)limit;
    for (unsigned c = 0; c < platform_cpu_count(); c++)
        homes[c] = frame_zones_home(c);
    lock = (struct cpu_lock){0};
    cpu_order_inside = is_inside;
    return MM_OK;
}

void frame_turns_close(void)
{
    cpus = 0;
}

void frame_turns_open(void)
{
    cpus = platform_cpu_count();
}

enum mm_error frame_turn_begin(struct frame_turn *turn)
{
    uint32_t number = platform_cpu();
    if (number >= cpus)
        return cpus == 0 ? MM_NOT_READY : MM_BAD_ARGUMENT;
    if (!(cpu_order_allows_frames() ? cpu_lock_acquire_soon(&lock)
                                    : cpu_lock_try(&lock)))
        return MM_BUSY;
    *turn = (struct frame_turn){.home = &homes[number]};
    return MM_OK;
}

void frame_turn_end(const struct frame_turn *turn)
{
    (void)turn;
    cpu_lock_release(&lock);
}

/* The turn has the lock of everything. */

bool frame_turn_lock(const struct frame_turn *turn, struct frame_zone *zone)
{
    (void)turn;
    (void)zone;
    return true;
}

void frame_turn_unlock(const struct frame_turn *turn, struct frame_zone *zone)
{
    (void)turn;
    (void)zone;
}

enum frame_gathered frame_turn_gather(struct frame_turn *turn)
{
    (void)turn;
    return FRAME_GATHERED_ALL;
}

void frame_turn_release(struct frame_turn *turn)
{
    (void)turn;
}

void frame_turn_save(struct frame_turn *turn)
{
    (void)turn;
}

bool frame_turn_is_all_in_trees(void)
{
    return true;
}

uint64_t frame_turn_kept(void)
{
    return 0;
}
