/* What the CPU says of itself, and the protections that it has to offer.
 * CPUID: AMD64 manual, volume 3, appendix E. */
#ifndef KERNEL_CPU_CPU_H
#define KERNEL_CPU_CPU_H

#include <stdbool.h>
#include <stddef.h>

/* name, what a report says of it */
#define CPU_PROTECTIONS(X)                                                     \
    X(CPU_NX, "NX")     /* data is not executed */                             \
    X(CPU_WP, "WP")     /* the kernel too obeys read-only pages */             \
    X(CPU_PGE, "PGE")   /* global pages survive a change of cr3 */             \
    X(CPU_PAT, "PAT")   /* write-combining pages */                            \
    X(CPU_SMEP, "SMEP") /* the kernel never executes user pages */             \
    X(CPU_SMAP, "SMAP") /* nor touches them */                                 \
    X(CPU_UMIP, "UMIP") /* user code cannot read descriptor tables */          \
    X(CPU_MCE, "MCE")   /* a broken memory is reported, not a shutdown */

enum cpu_protection {
#define CPU_PROTECTION_ENUM(name, text) name,
    CPU_PROTECTIONS(CPU_PROTECTION_ENUM)
#undef CPU_PROTECTION_ENUM
        CPU_PROTECTION_COUNT
};

struct cpu {
    char name[49]; /* the brand string, or the vendor's where it has none */
    unsigned paddr_bits;
    bool pages_1g;
    bool has[CPU_PROTECTION_COUNT];
};

/* Asks once; any context. */
const struct cpu *cpu_get(void);

/* Turns on every protection that this CPU has, on this CPU.  NX and WP are on
 * since boot/start32.asm. */
void cpu_init(void);

/* Whether it is on now, as the control registers say. */
bool cpu_protection_is_on(enum cpu_protection protection);

const char *cpu_protection_name(enum cpu_protection protection);

#endif
