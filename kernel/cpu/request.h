/* What one CPU asks of all others at once, whatever they are doing.
 *
 * A request is a bit in the other CPU's struct percpu, and an NMI that makes
 * that CPU look at it.  So a CPU also answers while its interrupts are off,
 * while it spins for a lock, or while it reports an exception.  A CPU sends the
 * NMI only if it finds no other request there.  So each NMI that was sent finds
 * a request, and an NMI that finds none came from the machine.
 *
 * One round takes place at a time.  All CPUs that are asked do the same, and
 * the CPU that asks waits for all of them, a bounded time.  Idle CPUs are not
 * woken to flush their TLBs: they are told to do so before they go on.  Until
 * then they use no memory whose mapping could have changed (enum percpu_state).
 * But they are asked like all others before tables are freed: what a CPU uses
 * is up to its code, and what it walks ahead of that is not.
 */
#ifndef KERNEL_CPU_REQUEST_H
#define KERNEL_CPU_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/platform.h"

/* Drops these pages from the TLBs, or everything if count is 0: on this CPU and
 * on all others that are up.  If a CPU does not answer, it panics with the
 * number of that CPU, whose view of memory could no longer be trusted.  In any
 * context in which mm/ may wait: not the handler of an NMI or a machine check,
 * nor one that interrupted a request (mm/cpu/cpu_order.h). */
void request_invalidate(const vaddr_t *pages, unsigned count,
                        enum platform_tlb what);

/* See platform_fence_cpus. */
void request_fence(void);

/* For a panic: stops all other CPUs for good.  Waits a bounded time, and
 * returns how many did not answer; *first is the number of one of them. */
unsigned request_stop(unsigned *first);

/* Stops this CPU for good, because another one reports a panic. */
_Noreturn void request_stop_self(void);

/* Called on an NMI.  Returns whether it was a request. */
bool request_answer(void);

/* Called when this CPU begins to wait for work, and when it ends that or was
 * just started.  After request_resume it takes part in rounds; if it missed a
 * flush of its TLB, request_resume does it. */
void request_idle(void);
void request_resume(void);

/* For fault=deaf-cpu: this CPU goes on running, and never answers again. */
_Noreturn void request_be_deaf(void);

/* For fault=stale-tlb: from now on no request to invalidate is sent. */
void request_forget_others(void);

/* Figures about the rounds, for the command `cpus`. */
struct request_stats {
    uint64_t rounds; /* while another CPU was up */
    uint64_t asked;  /* CPUs asked, in all rounds */
    uint64_t left;   /* CPUs not asked: idle or off */
};
void request_stats(struct request_stats *stats);

#endif
