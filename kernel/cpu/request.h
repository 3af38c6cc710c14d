/* What one CPU asks of the others at once, whatever they are doing.
 *
 * A request is a bit in the other CPU's struct percpu, and an NMI that makes it
 * look: so a CPU with interrupts off, one that spins for a lock, or one that
 * reports an exception answers as well.  The NMI is sent only by who finds
 * no request there yet: each NMI sent finds one, and one that finds none
 * came from the machine.
 *
 * One round at a time: all who are asked do the same, and the CPU that asks
 * waits for all of them, a bounded time.  CPUs that are idle are not woken for
 * a flush of their TLB; they are told to make it when they go on, and use
 * nothing before that whose mapping could have changed (enum percpu_state).
 */
#ifndef KERNEL_CPU_REQUEST_H
#define KERNEL_CPU_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/address.h"

/* Forgets these pages, or all of the TLB if count is 0, on this CPU and on
 * every other one that is up.  Panics, with the number of the CPU, if one does
 * not answer: its memory could not be trusted any more.  Any context but an
 * NMI's or machine check's. */
void request_invalidate(const vaddr_t *pages, unsigned count);

/* See platform_fence_cpus. */
void request_fence(void);

/* Stops all others for good, for a panic: waits a bounded time, and returns how
 * many did not answer; *first is the number of one of them. */
unsigned request_stop(unsigned *first);

/* Stops this CPU for good, because another one reports a panic. */
_Noreturn void request_stop_self(void);

/* Called on an NMI: whether it was a request. */
bool request_answer(void);

/* On a CPU's way into and out of waiting for work.  Out, and when it has just
 * been started: from now on it takes part in rounds; it flushes its TLB if it
 * missed one. */
void request_idle(void);
void request_resume(void);

/* For fault=deaf-cpu: this CPU runs on, and never answers again. */
_Noreturn void request_be_deaf(void);

/* For fault=stale-tlb: requests to invalidate are not sent any more. */
void request_forget_others(void);

/* For a handler that is going to use memory: whether this CPU may ask others,
 * that is, was not interrupted while it did so.  Takes the CPU out of waiting
 * for work, if it was, until the second call, which is given what the first
 * answered. */
struct request_interrupted {
    bool may_ask, was_idle;
};
struct request_interrupted request_interrupt(void);
void request_return(struct request_interrupted interrupted);

/* What the rounds were, for the command `cpus`. */
struct request_stats {
    uint64_t rounds; /* with someone to ask */
    uint64_t asked;  /* CPUs that an NMI was sent to */
    uint64_t left;   /* CPUs that were idle */
};
void request_stats(struct request_stats *stats);

#endif
