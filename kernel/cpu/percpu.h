/* What each CPU has of its own, through its GS base.
 *
 * CPU 0 is the one that booted; it has the stacks of the image.  The others get
 * theirs, each with a guard page, when they are about to be started.
 */
#ifndef KERNEL_CPU_PERCPU_H
#define KERNEL_CPU_PERCPU_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/cpu/gdt.h"
#include "kernel/cpu/stacks.h"
#include "mm/error.h"
#include "mm/platform.h"

/* What a CPU is doing, as far as others must know. */
enum percpu_state {
    PERCPU_OFF,     /* not started, or given up */
    PERCPU_RUNNING, /* it may use any memory */
    /* It waits for work, and uses nothing but its stacks, this struct and its
     * local APIC, whose mappings never change. */
    PERCPU_IDLE,
    PERCPU_IDLE_STALE, /* and has to flush its TLB before it goes on */
};

/* Control registers that all CPUs have to agree on. */
struct percpu_controls {
    uint64_t cr0, cr4, efer, pat;
};

struct percpu {
    uint32_t number; /* must be first: platform_cpu reads it */
    uint32_t apic_id;
    vaddr_t stack_top[STACK_COUNT];
    struct gdt gdt;
    struct percpu_controls controls; /* once it is up */
    bool mtrrs_were_set;             /* they had been others than CPU 0's */

    _Atomic uint32_t state;    /* enum percpu_state */
    _Atomic uint32_t requests; /* see kernel/cpu/request.h */
    _Atomic uint64_t answered; /* the last round that it answered */
    _Atomic bool stopped;      /* by a panic */

    /* work: the function is written before, and cleared after it has run */
    void (*_Atomic work)(void *argument);
    void *argument;
    _Atomic bool working;
} __attribute__((aligned(64)));

/* Makes this the first CPU, number 0: before anything asks for the number. */
void percpu_init(void);

/* Loads the GDT and the TSS of the CPU that runs this. */
void percpu_load_gdt(void);

/* How many CPUs there are: of those that were found, as many as are wanted.
 * Before frame_init, which wants to know; numbers 1 and on are made later. */
void percpu_set_count(unsigned count);
unsigned percpu_count(void);

/* The node of the CPU of this number, below the count; 0 if it was not set. */
void percpu_set_node(unsigned number, unsigned node);
unsigned percpu_node(unsigned number);

/* Makes the CPU of this number, below the count, with its stacks.  The errors
 * of kernel_space_alloc_pages, and then nothing has changed.  On CPU 0. */
enum mm_error percpu_create(unsigned number, uint32_t apic_id)
    __attribute__((warn_unused_result));

/* The CPU of this number, or NULL if it was not made; and this one. */
struct percpu *percpu_get(unsigned number);
struct percpu *percpu_this(void);

/* Loads the GS base of a CPU that was made: first thing on that CPU. */
void percpu_enter(struct percpu *percpu);

/* CPUs that are up: not PERCPU_OFF. */
unsigned percpu_count_up(void);

/* Whether 16 bytes at the address lie in a stack of some CPU.  Any context. */
bool percpu_is_stack(uint64_t address);

#endif
