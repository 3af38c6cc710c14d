/* Mistakes on purpose, so that their reports can be seen and tested. */
#ifndef KERNEL_SELFTEST_FAULT_H
#define KERNEL_SELFTEST_FAULT_H

/* Makes the mistake of that name, and so does not come back; an unknown name
 * is warned of with the known ones. */
void fault_make(const char *name);

#endif
