/* What a CPU keeps for itself, and how another CPU takes it away.
 *
 * The frame allocator and the heap keep a few frames and blocks with each CPU.
 * That CPU uses them in a section, between cpu_section_enter and
 * cpu_section_leave.  This costs two plain stores and two loads: no lock, no
 * locked instruction, no change of the interrupt flag.  enter returns false
 *
 *   - to an interrupt or NMI handler that came in the middle of a section,
 *   - while another CPU has stopped the section.
 *
 * A caller that gets false does the same work more slowly, under the lock of
 * the memory that all CPUs share.
 *
 * When that shared memory is used up, a CPU stops the sections of all CPUs and
 * takes what they keep:
 *
 *   lock(shared);                         one CPU at a time stops others
 *   for each section:  cpu_section_ask(section);
 *   platform_fence_cpus();
 *   for each section:  if (cpu_section_wait(section)) take what it keeps;
 *                      cpu_section_release(section);
 *   unlock(shared);
 *
 * The owner stores busy and then loads stopped; the stopper stores stopped and
 * then loads busy.  With a full fence between the two steps on both sides, at
 * least one of them sees the other's store.  The owner has no fence in its
 * code: platform_fence_cpus runs one on every CPU, only when a stopper needs
 * it.
 */
#ifndef MM_CPU_CPU_SECTION_H
#define MM_CPU_CPU_SECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/platform.h"

/* All zeros: the section is neither entered nor stopped.  It lies in the cache
 * line of what it guards. */
struct cpu_section {
    uint32_t busy;    /* 1: entered; stored by its own CPU only */
    uint32_t stopped; /* stored under the shared lock */
};

/* How often a stopper looks at busy before it gives up: far longer than any
 * section takes, and far shorter than a person would wait. */
#ifndef CPU_SECTION_PATIENCE
#define CPU_SECTION_PATIENCE 10000000
#endif

/* In place of 1 in `busy`: the owner is in the middle of a call, but leaves
 * what the section guards alone until it has left.  To a stopper it is outside.
 */
#define CPU_SECTION_HANDS_OFF 2

/* Called on the section's own CPU.  False: the caller must do the work under
 * the shared lock. */
static inline bool cpu_section_enter(struct cpu_section *section)
{
    /* relaxed: only this CPU stores it */
    if (__builtin_expect(__atomic_load_n(&section->busy, __ATOMIC_RELAXED), 0))
        return false;
    /* relaxed: a handler on this CPU sees the stores in program order; for
     * other CPUs see the head of this file */
    __atomic_store_n(&section->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    /* acquire: this CPU sees what the last stopper changed */
    if (__builtin_expect(!__atomic_load_n(&section->stopped, __ATOMIC_ACQUIRE),
                         1))
        return true;
    __atomic_store_n(&section->busy, 0, __ATOMIC_RELAXED);
    return false;
}

/* The same without a look at stopped, for data that a stopper can close.  To
 * close it is to change the data so that an owner that enters finds nothing to
 * take and gives up.  The stopper closes it after the first fence and runs a
 * second one:
 *
 *   for each section:  if (cpu_section_wait(section)) close what it guards;
 *   platform_fence_cpus();
 *
 * It opens the data again before cpu_section_release. */
static inline bool cpu_section_enter_closable(struct cpu_section *section)
{
    /* relaxed, twice: as in cpu_section_enter */
    if (__builtin_expect(__atomic_load_n(&section->busy, __ATOMIC_RELAXED), 0))
        return false;
    __atomic_store_n(&section->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return true;
}

static inline void cpu_section_leave(struct cpu_section *section)
{
    /* release: a stopper that sees 0 sees all that was done in the section */
    __atomic_store_n(&section->busy, 0, __ATOMIC_RELEASE);
}

/* The three steps of a stopper.  It holds the lock of the shared memory. */

static inline void cpu_section_ask(struct cpu_section *section)
{
    /* relaxed: platform_fence_cpus orders it */
    __atomic_store_n(&section->stopped, 1, __ATOMIC_RELAXED);
}

/* True: the owner has left its section and stays out until cpu_section_release.
 * False: it did not leave in time.  It may be the code that this very call
 * interrupted, or it waits in a handler. */
static inline bool cpu_section_wait(const struct cpu_section *section)
{
    for (unsigned i = 0; i < CPU_SECTION_PATIENCE; i++) {
        /* acquire: pairs with the release in cpu_section_leave */
        if (__atomic_load_n(&section->busy, __ATOMIC_ACQUIRE) != 1)
            return true;
        platform_relax();
    }
    return false;
}

static inline void cpu_section_release(struct cpu_section *section)
{
    /* release: pairs with the acquire in cpu_section_enter */
    __atomic_store_n(&section->stopped, 0, __ATOMIC_RELEASE);
}

#endif
