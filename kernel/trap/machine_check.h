/* Memory, and other hardware, that reports itself broken.
 *
 *   corrected    found by looking at the banks now and then; told, and the
 *                frame is taken the third time
 *   deferred     found in the same way; the frame is taken
 *   uncorrected  a machine check (#MC); the frame is taken, and what was
 *                interrupted goes on
 *   fatal        a machine check; the kernel panics
 *
 * A frame is taken out of the allocator at once if it is free, and else when it
 * is freed (frame_retire).  What was found in an exception is told in full by
 * machine_check_poll, when the page tables may be walked.
 */
#ifndef KERNEL_TRAP_MACHINE_CHECK_H
#define KERNEL_TRAP_MACHINE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/trap/trap.h"

/* Has this CPU's banks report all that they can.  Errors that are there from
 * before stay for the first poll.  On each CPU; CR4.MCE is set by cpu_init. */
void machine_check_init(void);

/* On a machine check: whether the interrupted code can go on. */
bool machine_check_handle(void);

/* For the report of one that is fatal: a line for each bank with an error. */
void machine_check_explain(const struct trap_frame *frame);

/* Looks at the banks of all CPUs, and tells what was found since the last time.
 * On CPU 0, where smp_run_on_all may be called. */
void machine_check_poll(void);

/* The same, if it was not done for some seconds: for loops that wait. */
void machine_check_poll_now_and_then(void);

#endif
