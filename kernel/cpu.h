/* What the CPU says of itself: CPUID, AMD64 manual, volume 3, appendix E. */
#ifndef KERNEL_CPU_H
#define KERNEL_CPU_H

#include <stdbool.h>

struct cpu {
    char name[49]; /* the brand string, or the vendor's where it has none */
    unsigned paddr_bits;
    bool pages_1g;
};

/* Asks once; any context. */
const struct cpu *cpu_get(void);

/* Turns on what page tables of ours rely on: global pages. */
void cpu_init(void);

#endif
