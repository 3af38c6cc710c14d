/* Exceptions: what the CPU tells when an instruction cannot go on. */
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

/* Gives double fault, NMI and machine check the stacks of their own.  Before
 * it every vector is reported as well, but on the stack that is current.
 * After gdt_init. */
void trap_init(void);

/* "page fault (#PF)"; any vector is answered for. */
const char *trap_name(uint64_t vector);

/* What an address is, and the way of the page walk to it, entry by entry; any
 * address. */
void trap_print_address(uint64_t address);

/* Has this function see every trap first, on every CPU: true, and the code goes
 * on.  NULL: no more.  For self-tests, which make traps on purpose. */
void trap_set_hook(bool (*function)(struct trap_frame *frame));

/* Called by kernel/trap/trap_entry.asm; comes back from a breakpoint, and from
 * what CPUs send each other. */
void trap_handle(struct trap_frame *frame);

#endif
