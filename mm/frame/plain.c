/* The frame layer FRAMES=plain: the trees behind one lock, and nothing else.
 *
 * A turn has the lock from its begin to its end, so all that it does to the
 * trees is done at one moment.  A handler that interrupted a turn on its CPU, or
 * that may not wait, hears MM_BUSY where another turn has the lock: for a free,
 * too.  So does everyone if a CPU keeps the lock for too long.
 *
 * All calls of mm/frame.h are served; what CPUs keep is nothing. */
#include "mm/cpu/cpu_lock.h"
#include "mm/cpu/cpu_order.h"
#include "mm/frame/owned.h"
#include "mm/frame/ways.h"
#include "mm/platform.h"

static struct cpu_lock lock;

/* As many as frame_init was told; 0: none yet. */
static uint32_t cpus;

/* Where each CPU looks first. */
static struct frame_home homes[PLATFORM_CPUS_MAX];

/* ---- Turns ---- */

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
    *turn = (struct frame_turn){.small = homes[number].small,
                                .large = homes[number].large,
                                .first = homes[number].first,
                                .count = homes[number].count};
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

bool frame_turn_is_all_in_trees(void)
{
    return true;
}

uint64_t frame_turn_kept(void)
{
    return 0;
}

/* ---- The two calls ---- */

enum mm_error frame_try_alloc(enum frame_size size, paddr_t *frame)
{
    struct frame_turn turn;
    *frame = PADDR_NONE;
    if (size > FRAME_1G)
        return MM_BAD_ARGUMENT;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    error = frame_take(&turn, size, frame);
    frame_turn_end(&turn);
    return error;
}

enum mm_error frame_free(paddr_t frame)
{
    struct frame_turn turn;
    struct frame_place place;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    error = frame_put(&turn, frame, &place);
    frame_turn_end(&turn);
    return error;
}
