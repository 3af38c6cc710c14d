/* Into the kernel by an exception, and back. */
#include <stdint.h>

#include "kernel/selftest/selftest.h"
#include "kernel/trap/trap.h"
#include "lib/string.h"

/* A breakpoint, with a value of its own in each register but rsp, which the
 * code needs.  What is in them afterwards goes to `after`. */
static void break_with_values(uint64_t after[15])
{
    __asm__ volatile("push %%rbp\n\t"
                     "push %%rdi\n\t"
                     "mov $1, %%eax\n\t"
                     "mov $2, %%ebx\n\t"
                     "mov $3, %%ecx\n\t"
                     "mov $4, %%edx\n\t"
                     "mov $5, %%esi\n\t"
                     "mov $6, %%edi\n\t"
                     "mov $7, %%ebp\n\t"
                     "mov $8, %%r8d\n\t"
                     "mov $9, %%r9d\n\t"
                     "mov $10, %%r10d\n\t"
                     "mov $11, %%r11d\n\t"
                     "mov $12, %%r12d\n\t"
                     "mov $13, %%r13d\n\t"
                     "mov $14, %%r14d\n\t"
                     "mov $15, %%r15d\n\t"
                     "int3\n\t"
                     "xchg %%rdi, (%%rsp)\n\t"
                     "mov %%rax, 0(%%rdi)\n\t"
                     "mov %%rbx, 8(%%rdi)\n\t"
                     "mov %%rcx, 16(%%rdi)\n\t"
                     "mov %%rdx, 24(%%rdi)\n\t"
                     "mov %%rsi, 32(%%rdi)\n\t"
                     "pop 40(%%rdi)\n\t"
                     "mov %%rbp, 48(%%rdi)\n\t"
                     "mov %%r8, 56(%%rdi)\n\t"
                     "mov %%r9, 64(%%rdi)\n\t"
                     "mov %%r10, 72(%%rdi)\n\t"
                     "mov %%r11, 80(%%rdi)\n\t"
                     "mov %%r12, 88(%%rdi)\n\t"
                     "mov %%r13, 96(%%rdi)\n\t"
                     "mov %%r14, 104(%%rdi)\n\t"
                     "mov %%r15, 112(%%rdi)\n\t"
                     "pop %%rbp"
                     : "+D"(after)
                     :
                     : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10",
                       "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

SELFTEST(trap, a_breakpoint_changes_no_register)
{
    static uint64_t after[15];
    memset(after, 0, sizeof(after));
    break_with_values(after);
    for (unsigned i = 0; i < 15; i++)
        EXPECT(after[i] == i + 1, "register %u holds %lu", i + 1, after[i]);
}

SELFTEST(trap, every_vector_has_a_name)
{
    for (uint64_t vector = 0; vector < 300; vector++)
        EXPECT(trap_name(vector) != (const char *)0 &&
                   strlen(trap_name(vector)) > 8,
               "vector %lu", vector);
}
