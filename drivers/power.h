/* Off. */
#ifndef DRIVERS_POWER_H
#define DRIVERS_POWER_H

/* Tries what is known, in order: QEMU's debug exit with the status of success,
 * then the power-off ports of QEMU's and Bochs's machines.  Comes back if the
 * machine is still on. */
void power_off(void);

#endif
