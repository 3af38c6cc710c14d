/* What each CPU has of its own, through its GS base. */
#ifndef KERNEL_PERCPU_H
#define KERNEL_PERCPU_H

#include <stdint.h>

struct percpu {
    uint32_t number; /* must be first: platform_cpu reads it */
};

/* Makes this the first CPU, number 0: before anything asks for the number. */
void percpu_init(void);

/* CPUs that were found. */
unsigned percpu_count(void);

#endif
