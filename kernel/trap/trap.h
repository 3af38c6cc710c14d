/* Exceptions and interrupts: events at which the CPU stops the code that it
 * runs and calls the kernel. */
#ifndef KERNEL_TRAP_TRAP_H
#define KERNEL_TRAP_TRAP_H

#include <stdbool.h>
#include <stdint.h>

/* The stack as kernel/trap/trap_entry.asm leaves it: lowest address first. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss; /* AMD64 manual 2, section 8.9.3 */
};

_Static_assert(sizeof(struct trap_frame) == 22 * 8, "as trap_entry.asm pushes");

/* Gives double faults, NMIs and machine checks stacks of their own.  Before
 * this call every vector is reported as well, but on the current stack.  After
 * gdt_init. */
void trap_init(void);

/* The name of a vector, "page fault (#PF)" for example; every number has an
 * answer. */
const char *trap_name(uint64_t vector);

/* Prints what an address is, and the steps of the page walk to it.  Any
 * address. */
void trap_print_address(uint64_t address);

/* Makes every trap on every CPU call this function first; if it returns true,
 * the interrupted code goes on.  NULL: no function.  For self-tests, which
 * cause traps on purpose. */
void trap_set_hook(bool (*function)(struct trap_frame *frame));

/* Waits for an interrupt; with interrupts off, before and afterwards.  One that
 * comes after the call ends it, and so may an NMI: look for the reason, and
 * call again. */
void trap_wait(void);

/* Called by kernel/trap/trap_entry.asm.  Returns if the code can go on: after a
 * breakpoint, a request of another CPU, or a machine check that was handled,
 * and if the hook says so.  True: back without iretq, which lets NMIs in. */
bool trap_handle(struct trap_frame *frame);

#endif
