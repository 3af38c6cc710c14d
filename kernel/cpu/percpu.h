/* What each CPU has of its own.  Its GS base points there.
 *
 * CPU 0 is the one that booted; its stacks are in the image.  The other CPUs
 * get their stacks, each with a guard page, just before they are started.
 */
#ifndef KERNEL_CPU_PERCPU_H
#define KERNEL_CPU_PERCPU_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/cpu/gdt.h"
#include "kernel/cpu/stacks.h"
#include "mm/error.h"
#include "mm/platform.h"

/* What a CPU is doing, as far as other CPUs must know. */
enum percpu_state {
    PERCPU_OFF,     /* not started, or given up */
    PERCPU_RUNNING, /* it may use any memory */
    /* It waits for work.  It uses only its stacks, this struct and its local
     * APIC, whose mappings never change. */
    PERCPU_IDLE,
    PERCPU_IDLE_STALE, /* idle, and must flush its TLB before it goes on */
};

/* Control registers that must be the same on all CPUs. */
struct percpu_controls {
    uint64_t cr0, cr4, efer, pat;
};

struct percpu {
    uint32_t number; /* must be first: platform_cpu reads it */
    uint32_t apic_id;
    vaddr_t stack_top[STACK_COUNT];
    struct gdt gdt;
    struct percpu_controls controls; /* stored when the CPU is up */
    bool mtrrs_were_set;             /* they differed from CPU 0's */

    _Atomic uint32_t state;    /* enum percpu_state */
    _Atomic uint32_t requests; /* see kernel/cpu/request.h */
    _Atomic uint64_t answered; /* number of the last round that it answered */
    _Atomic bool stopped;      /* by a panic */

    /* work is written before the CPU is woken, and cleared when it has run */
    void (*_Atomic work)(void *argument);
    void *argument;
    _Atomic bool working;
} __attribute__((aligned(64)));

/* Makes the CPU that runs this CPU 0.  Must come before any call that asks for
 * the CPU's number. */
void percpu_init(void);

/* Loads the GDT and the TSS of the CPU that runs this. */
void percpu_load_gdt(void);

/* How many CPUs there will be: at most as many as were found and are wanted.
 * To be set before frame_init, which needs it.  CPUs 1 and on are made later.
 */
void percpu_set_count(unsigned count);
unsigned percpu_count(void);

/* The node of the CPU with this number, which is below the count.  0 until it
 * is set. */
void percpu_set_node(unsigned number, unsigned node);
unsigned percpu_node(unsigned number);

/* Makes the CPU with this number, which is below the count, and its stacks.
 * Errors of kernel_space_alloc_pages; then nothing has changed.  On CPU 0. */
enum mm_error percpu_create(unsigned number, uint32_t apic_id)
    __attribute__((warn_unused_result));

/* percpu_get: the CPU with this number, or NULL if it was not made.
 * percpu_this: the CPU that runs this. */
struct percpu *percpu_get(unsigned number);
struct percpu *percpu_this(void);

/* Loads the GS base on a CPU that was made.  Must come first on that CPU. */
void percpu_enter(struct percpu *percpu);

/* How many CPUs are not PERCPU_OFF. */
unsigned percpu_count_up(void);

/* Whether the 16 bytes at the address lie in a stack of some CPU.  Any context.
 */
bool percpu_is_stack(uint64_t address);

#endif
