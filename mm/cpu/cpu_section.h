/* What a CPU keeps for itself, and how another takes it away.
 *
 * The frame allocator and the heap keep a few frames and blocks with each CPU.
 * Its own CPU gets at them between cpu_section_enter and cpu_section_leave:
 * two plain stores and two loads, no lock, no locked instruction, no change of
 * the interrupt flag.  enter answers no
 *
 *   - to an interrupt or NMI handler that came in the middle of a section,
 *   - while another CPU has the section stopped;
 *
 * whoever hears no does the same work the slow way, under the lock of what is
 * shared.
 *
 * Memory that is all used up but for what CPUs keep is found by stopping them:
 *
 *   lock(shared);                         one CPU at a time stops others
 *   for each section:  cpu_section_ask(section);
 *   platform_fence_cpus();
 *   for each section:  if (cpu_section_wait(section)) take what it keeps;
 *                      cpu_section_release(section);
 *   unlock(shared);
 *
 * The owner stores busy and then loads stopped, and this CPU stores stopped and
 * then loads busy: with a full fence on both sides one of them would see the
 * other.  The owner has none; platform_fence_cpus is its fence, run on every
 * CPU when it is needed and not at each call.
 */
#ifndef MM_CPU_CPU_SECTION_H
#define MM_CPU_CPU_SECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/platform.h"

/* All zeros: nobody is in, nobody is stopped.  Lives on the line of what it
 * guards. */
struct cpu_section {
    uint32_t busy;    /* stored by its own CPU only */
    uint32_t stopped; /* stored under the lock of what is shared */
};

/* How often a stopper looks before it gives up: far longer than a section, and
 * far shorter than a person's patience. */
#define CPU_SECTION_PATIENCE 10000000

/* On the section's own CPU; false: not now, take the slow way. */
static inline bool cpu_section_enter(struct cpu_section *section)
{
    /* relaxed: only this CPU stores it */
    if (__builtin_expect(__atomic_load_n(&section->busy, __ATOMIC_RELAXED), 0))
        return false;
    /* relaxed: an interrupt of this CPU sees its stores in program order; for
     * other CPUs see the head of this file */
    __atomic_store_n(&section->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    /* acquire: what the last stopper changed is seen */
    if (__builtin_expect(!__atomic_load_n(&section->stopped, __ATOMIC_ACQUIRE),
                         1))
        return true;
    __atomic_store_n(&section->busy, 0, __ATOMIC_RELAXED);
    return false;
}

/* The same for an owner that can be closed: the stopper changes, in what the
 * owner is to use, something that makes it give up at once.  Then nothing asks
 * here whether it is stopped, and the stopper does this, between the two lines
 * of its own:
 *
 *   for each section:  if (cpu_section_wait(section)) close what it guards;
 *   platform_fence_cpus();
 *
 * and opens it again before cpu_section_release. */
static inline bool cpu_section_enter_closable(struct cpu_section *section)
{
    /* relaxed, twice: as above */
    if (__builtin_expect(__atomic_load_n(&section->busy, __ATOMIC_RELAXED), 0))
        return false;
    __atomic_store_n(&section->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return true;
}

static inline void cpu_section_leave(struct cpu_section *section)
{
    /* release: a stopper that sees it sees all that was done inside */
    __atomic_store_n(&section->busy, 0, __ATOMIC_RELEASE);
}

/* The three steps of a stopper, which holds the lock of what is shared. */

static inline void cpu_section_ask(struct cpu_section *section)
{
    /* relaxed: platform_fence_cpus comes after it */
    __atomic_store_n(&section->stopped, 1, __ATOMIC_RELAXED);
}

/* True: the owner is out and stays out until cpu_section_release.  False: it
 * did not get out in time; it is one that this very call interrupted, or one
 * that waits in a handler. */
static inline bool cpu_section_wait(const struct cpu_section *section)
{
    for (unsigned i = 0; i < CPU_SECTION_PATIENCE; i++) {
        /* acquire: with the release in cpu_section_leave */
        if (!__atomic_load_n(&section->busy, __ATOMIC_ACQUIRE))
            return true;
        platform_relax();
    }
    return false;
}

static inline void cpu_section_release(struct cpu_section *section)
{
    /* release: with the acquire in cpu_section_enter */
    __atomic_store_n(&section->stopped, 0, __ATOMIC_RELEASE);
}

#endif
