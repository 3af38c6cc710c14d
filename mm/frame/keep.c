/* The locks of zones, the CPUs that keep one, and zones that are open.
 *
 * Most zones are used by one CPU: their own.  So a CPU that had the lock of a
 * zone a few times in a row does not give it up at the end: it keeps it, and
 * works in the zone from then on in its section alone, with plain loads and
 * stores.  Who else wants the zone takes it away: asks the keeper's section to
 * stop, has all CPUs pass a fence, and waits until the keeper is out
 * (mm/cpu/cpu_section.h).  That is slow, so a zone that was taken away must be
 * used the longer by one CPU before one keeps it again.
 *
 * Where several CPUs free 4Ks into a zone in any order, its lock would go from
 * the one to the other with each frame.  If nothing else is done there for a
 * while, the zone opens: every CPU frees into it, in its section, by a single
 * compare-and-swap on the word of the leaf, and counts by itself.  The lock is
 * left for the first and the last frame of a word, where summaries may change,
 * and for 2Ms of which something is kept or is not ours to give.
 *
 *   - In an open zone nothing but free 4Ks is done: bits of leaves become 1 and
 *     never 0, and zone->kept does not change.
 *   - A word that has a 1 and another 0 than the one to be freed changes by
 *     compare-and-swap, any other only under the lock: so who has the lock and
 *     comes to such a word, or a leaf of such words, has it alone.
 *   - Who wants anything else closes the zone first: asks all CPUs to stop,
 * waits until they are out of their sections, and adds up what they counted.
 *
 * No CPU waits for another's section while it is in its own, or has the lock of
 * a zone: so there is no circle of CPUs that wait.
 *
 * The states of a zone, by lock.holder and keeper; c and d are CPUs:
 *
 *            holder keeper  who does what in it
 *   free       0      0     nobody anything
 *   locked     c      0     a call of c, anything, in its section or outside
 *   kept       c      c     c, anything, but only in its section
 *   open       0     OPEN   every CPU, in its section: frees as above
 *   edge       c     OPEN   the same, and c in its section with the lock
 *
 * and what leads from one to another:
 *
 *   free   -> locked  c takes the lock, by compare-and-swap
 *   locked -> free    c unlocks
 *   locked -> kept    c in its section
 *   locked -> open    c in its section
 *   kept   -> locked  c in its section, for a call of c outside of it; or d,
 *                     for itself, with `stopping` and while c is stopped
 *   kept   -> free    d, with `stopping` and while c is stopped
 *   open  <-> edge    c takes the lock and unlocks, in its section; outside of
 *                     it only for so long as to see that the zone is open
 *   open   -> free    d, with `stopping` and while all CPUs are stopped
 *
 * So c alone begins to keep a zone, and ends it in its section; d ends it only
 * while c is out of its section and cannot enter.  Whatever d read of a keeper
 * before it had stopped that keeper is a hint: meanwhile the zone may be locked
 * by the same CPU, whose call goes on outside of its section, or kept by a
 * third one.  An open zone ends only with `stopping`: who has that, and saw the
 * zone open, need not look again.
 */
#include "mm/frame/cpu.h"

#include "lib/assert.h"
#include "mm/platform.h"

/* How often in a row a CPU has the lock before it keeps it: at first once, and
 * after each time that it was taken away four times as often. */
#define KEEP_STEP 64u
#define KEEP_MOST 1024u

/* How many 4Ks in a row are freed, and nothing else done, before a zone opens:
 * at first; and at most, as a shift, where it closed again before so many were
 * freed as make that worth its while. */
#define OPEN_STEP       64u
#define OPEN_SHIFT_MOST 10
#define OPEN_WORTH      1024u

struct frame_cpus frame_cpus;

/* Who stops others; taken before any zone's. */
static struct cpu_lock stopping;

static uint32_t keeper_of(const struct frame_zone *zone)
{
    /* acquire: with take_over.  A hint without the lock, and ordered by it with
     * it. */
    return __atomic_load_n(&zone->keeper, __ATOMIC_ACQUIRE);
}

static void set_keeper(struct frame_zone *zone, uint32_t keeper)
{
    __atomic_store_n(&zone->keeper, keeper, __ATOMIC_RELAXED);
}

/* ---- Taking a zone away ---- */

/* While its keeper is stopped: the lock is this CPU's. */
static void take_over(struct frame_zone *zone)
{
    /* relaxed: what the keeper wrote came with cpu_section_wait.  In this order
     * the keeper never sees a lock that is his, and that he does not keep;
     * release, for that. */
    __atomic_store_n(&zone->lock.holder, platform_cpu() + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&zone->keeper, 0, __ATOMIC_RELEASE);
}

/* NOT_TAKEN: a CPU does not come out of its section.  LOOK_AGAIN: that CPU does
 * not keep the zone any more, or the zone is not open any more. */
enum taken { TAKEN, NOT_TAKEN, LOOK_AGAIN };

/* The longer must one CPU use the zone before it is kept again. */
static void want_longer(struct frame_zone *zone)
{
    zone->wanted = zone->wanted < KEEP_MOST / 4 ? 4 * zone->wanted : KEEP_MOST;
    if (zone->wanted < KEEP_STEP)
        zone->wanted = KEEP_STEP;
}

/* With `stopping`: makes the lock this CPU's in place of the keeper's, if that
 * one still keeps it when it has stopped. */
static enum taken take_from(struct frame_zone *zone, struct frame_cpu *keeper)
{
    enum taken taken = NOT_TAKEN;
    cpu_section_ask(&keeper->section);
    platform_fence_cpus();
    if (cpu_section_wait(&keeper->section)) {
        taken = frame_keeps(keeper, zone) ? TAKEN : LOOK_AGAIN;
        if (taken == TAKEN) {
            take_over(zone);
            want_longer(zone);
        }
    }
    cpu_section_release(&keeper->section);
    return taken;
}

/* While all CPUs are stopped: nobody frees into it, with its lock or without.
 */
static void close_zone(struct frame_zone *zone)
{
    uint64_t freed = 0;
    for (unsigned i = 0; i < frame_cpus.count; i++) {
        uint32_t *of_cpu = &frame_cpus.cpu[i].freed[zone - frame_zones.zone];
        freed += *of_cpu;
        *of_cpu = 0;
    }
    frame_zone_add_free(zone, (int64_t)freed);
    zone->put_streak = 0;
    if (freed >= OPEN_WORTH)
        zone->open_shift = 0;
    else if (zone->open_shift < OPEN_SHIFT_MOST)
        zone->open_shift += 2;
    /* release: with keeper_of */
    __atomic_store_n(&zone->keeper, 0, __ATOMIC_RELEASE);
}

/* With `stopping`: an open zone. */
static enum taken stop_and_close(struct frame_zone *zone)
{
    bool out = true;
    for (unsigned i = 0; i < frame_cpus.count; i++)
        cpu_section_ask(&frame_cpus.cpu[i].section);
    platform_fence_cpus();
    for (unsigned i = 0; i < frame_cpus.count; i++)
        out = out && cpu_section_wait(&frame_cpus.cpu[i].section);
    if (out)
        close_zone(zone);
    for (unsigned i = 0; i < frame_cpus.count; i++)
        cpu_section_release(&frame_cpus.cpu[i].section);
    return out ? LOOK_AGAIN : NOT_TAKEN;
}

void frame_close_all(void)
{
    for (unsigned i = 0; i < frame_zone_count(); i++)
        if (frame_is_open(&frame_zones.zone[i]))
            close_zone(&frame_zones.zone[i]);
}

static enum taken take_away(struct frame_zone *zone)
{
    if (!cpu_lock_acquire(&stopping))
        return NOT_TAKEN;
    uint32_t keeper = keeper_of(zone);
    enum taken taken = LOOK_AGAIN;
    if (keeper == FRAME_OPEN)
        taken = stop_and_close(zone);
    else if (keeper != 0)
        taken = take_from(zone, &frame_cpus.cpu[keeper - 1]);
    cpu_lock_release(&stopping);
    return taken;
}

/* ---- Locking ---- */

/* One look at the lock.  With an open zone's nothing can be done. */
static bool try(struct frame_zone *zone)
{
    if (!cpu_lock_try(&zone->lock))
        return false;
    if (keeper_of(zone) == FRAME_OPEN) {
        cpu_lock_release(&zone->lock);
        return false;
    }
    zone->put_streak = 0;
    return true;
}

static bool acquire(struct frame_call call, struct frame_zone *zone)
{
    while (!try(zone)) {
        if (!call.may_wait)
            return false;
        if (keeper_of(zone) == 0) {
            ASSERT(!cpu_lock_is_mine(&zone->lock),
                   "CPU %u has the lock, and nobody said so", platform_cpu());
            platform_relax();
            continue;
        }
        if (frame_is_inside(call.cpu))
            return false;
        enum taken taken = take_away(zone);
        if (taken != LOOK_AGAIN)
            return taken == TAKEN;
    }
    return true;
}

/* Outside of the section: the lock stays this CPU's, but it is not kept.
 * False: another CPU is about to take it away, or has just done so. */
static bool keep_no_longer(struct frame_cpu *cpu, struct frame_zone *zone)
{
    if (!cpu_section_enter(&cpu->section))
        return false;
    bool mine = frame_keeps(cpu, zone);
    if (mine)
        set_keeper(zone, 0);
    cpu_section_leave(&cpu->section);
    return mine;
}

/* A zone that this CPU keeps.  In a section, of this call or of the one that it
 * interrupted, nobody takes it away; and of calls in the middle of each other
 * only the outermost uses it. */
static bool use_kept(struct frame_call call, struct frame_zone *zone)
{
    if (!call.may_wait)
        return false;
    if (frame_is_inside(call.cpu))
        /* acquire: as in cpu_section_enter, whose answer a handler does not
         * know if it came in the middle of it */
        return !__atomic_load_n(&call.cpu->section.stopped, __ATOMIC_ACQUIRE);
    while (frame_keeps(call.cpu, zone)) {
        if (keep_no_longer(call.cpu, zone))
            return true;
        platform_relax();
    }
    return acquire(call, zone);
}

bool frame_lock(struct frame_call call, struct frame_zone *zone)
{
    frame_deepen(call.cpu);
    if (frame_keeps(call.cpu, zone) ? use_kept(call, zone)
                                    : acquire(call, zone))
        return true;
    frame_surface(call.cpu);
    return false;
}

/* ---- Steps ---- */

/* How often a step looks whether the lock is free.  Who has it for longer than
 * that is not in a step. */
#define STEP_PATIENCE 1000

bool frame_step_lock(struct frame_cpu *cpu, struct frame_zone *zone)
{
    for (unsigned i = 0; i < STEP_PATIENCE && keeper_of(zone) == 0; i++) {
        if (try(zone))
            return true;
        if (cpu_lock_is_mine(&zone->lock))
            break;
        platform_relax();
    }
    __atomic_store_n(&cpu->section.busy, 1, __ATOMIC_RELAXED);
    return false;
}

bool frame_put_lock(struct frame_cpu *cpu, struct frame_zone *zone)
{
    for (unsigned i = 0; i < STEP_PATIENCE; i++) {
        uint32_t keeper = keeper_of(zone);
        if ((keeper != 0 && keeper != FRAME_OPEN) ||
            cpu_lock_is_mine(&zone->lock))
            break;
        if (cpu_lock_try(&zone->lock))
            return true;
        platform_relax();
    }
    __atomic_store_n(&cpu->section.busy, 1, __ATOMIC_RELAXED);
    return false;
}

/* Under the lock: counts how often in a row this CPU has had it. */
static void count_turn(struct frame_zone *zone, const struct frame_cpu *cpu)
{
    zone->streak = zone->last == cpu->self ? zone->streak + 1 : 1;
    zone->last = cpu->self;
}

/* Keeps the zone from now on if it was this CPU's for long enough. */
static bool keep(const struct frame_cpu *cpu, struct frame_zone *zone)
{
    if (zone->streak < zone->wanted)
        return false;
    set_keeper(zone, cpu->self);
    return true;
}

void frame_step_unlock(struct frame_cpu *cpu, struct frame_zone *zone)
{
    count_turn(zone, cpu);
    if (!keep(cpu, zone))
        cpu_lock_release(&zone->lock);
}

void frame_put_unlock(struct frame_cpu *cpu, struct frame_zone *zone)
{
    if (!frame_is_open(zone)) {
        count_turn(zone, cpu);
        if (keep(cpu, zone))
            return;
        /* of one CPU alone it would be kept soon */
        if (++zone->put_streak >= OPEN_STEP << zone->open_shift &&
            zone->put_streak > zone->streak)
            /* release: with frame_is_open */
            __atomic_store_n(&zone->keeper, FRAME_OPEN, __ATOMIC_RELEASE);
    }
    cpu_lock_release(&zone->lock);
}

void frame_unlock(struct frame_call call, struct frame_zone *zone)
{
    if (keeper_of(zone) == 0) {
        count_turn(zone, call.cpu);
        cpu_lock_release(&zone->lock);
    }
    frame_surface(call.cpu);
}

void frame_unlock_or_keep(struct frame_call call, struct frame_zone *zone)
{
    if (keeper_of(zone) == 0 && call.may_wait)
        (void)keep(call.cpu, zone);
    frame_unlock(call, zone);
}

void frame_let_go(const struct frame_cpu *cpu)
{
    for (unsigned i = 0; i < frame_zone_count(); i++) {
        struct frame_zone *zone = &frame_zones.zone[i];
        if (!frame_keeps(cpu, zone))
            continue;
        take_over(zone);
        cpu_lock_release(&zone->lock);
    }
}

bool frame_lock_all(struct frame_call call, unsigned *count)
{
    *count = frame_zone_count();
    for (unsigned i = 0; i < *count; i++)
        if (!frame_lock(call, &frame_zones.zone[i])) {
            frame_unlock_all(call, i);
            return false;
        }
    return true;
}

void frame_unlock_all(struct frame_call call, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        frame_unlock(call, &frame_zones.zone[i]);
}

/* ---- Stopping the other CPUs ---- */

/* Whether the call came in the middle of that CPU's section, its own: then the
 * section does not end before the call does.  It is not asked to stop, so that
 * the call may use what its CPU keeps, as always in the middle of a section:
 * nobody else can take it away meanwhile. */
static bool is_interrupted(struct frame_call call, const struct frame_cpu *cpu)
{
    return cpu == call.cpu && frame_is_inside(cpu);
}

/* A handler in the middle of its own CPU's section must not wait here: who has
 * the lock may wait for that section. */
bool frame_stop_cpus(struct frame_call call)
{
    if (!call.may_wait)
        return false;
    frame_deepen(call.cpu);
    if (!(frame_is_inside(call.cpu) ? cpu_lock_try(&stopping)
                                    : cpu_lock_acquire(&stopping))) {
        frame_surface(call.cpu);
        return false;
    }
    for (unsigned i = 0; i < frame_cpus.count; i++)
        if (!is_interrupted(call, &frame_cpus.cpu[i]))
            cpu_section_ask(&frame_cpus.cpu[i].section);
    if (frame_cpus.count > 1)
        platform_fence_cpus();
    return true;
}

bool frame_has_stopped(struct frame_call call, const struct frame_cpu *cpu)
{
    return !is_interrupted(call, cpu) && cpu_section_wait(&cpu->section);
}

void frame_start_cpus(struct frame_call call)
{
    for (unsigned i = 0; i < frame_cpus.count; i++)
        cpu_section_release(&frame_cpus.cpu[i].section);
    cpu_lock_release(&stopping);
    frame_surface(call.cpu);
}
