/* Memory, and other hardware, that reports that it is broken.
 *
 *   corrected    found by machine_check_poll and reported; the third time the
 *                frame is taken out of use
 *   deferred     found by machine_check_poll; the frame is taken out of use
 *   uncorrected  a machine check (#MC) notes it, and the interrupted code goes
 *                on; machine_check_poll takes the frame out of use
 *   fatal        a machine check; the kernel panics
 *
 * frame_retire takes a frame out of use: at once if it is free, else when it is
 * freed.  It stops the other CPUs, so the exception does not call it: that may
 * have come inside the handler of an NMI, whose sender waits for this CPU.
 */
#ifndef KERNEL_TRAP_MACHINE_CHECK_H
#define KERNEL_TRAP_MACHINE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/trap/trap.h"

/* Makes all banks of this CPU report all that they can.  Errors from before
 * stay there for the first poll.  To be called on each CPU; cpu_init sets
 * CR4.MCE. */
void machine_check_init(void);

/* Handles a machine check.  Returns whether the interrupted code can go on. */
bool machine_check_handle(void);

/* For the report of a fatal machine check: prints a line for each bank with an
 * error. */
void machine_check_explain(const struct trap_frame *frame);

/* Reads the banks of all CPUs, and reports what was found since the last time.
 * On CPU 0, where smp_run_on_all may be called. */
void machine_check_poll(void);

/* The same, but only if some seconds have passed since the last time: for loops
 * that wait. */
void machine_check_poll_now_and_then(void);

#endif
