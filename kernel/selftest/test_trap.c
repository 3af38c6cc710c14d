/* Into the kernel by an exception, and back. */
#include <stddef.h>
#include <stdint.h>

#include "drivers/lapic.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/request.h"
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

enum { VECTOR_NMI = 2, VECTOR_BP = 3 };

static bool take(struct trap_frame *frame)
{
    return frame->vector == VECTOR_NMI;
}

extern const char trap_wait_hlt[];

/* As if an NMI came between sti and hlt: what came with it would be slept over.
 */
SELFTEST(trap, a_wait_that_has_not_begun_is_over)
{
    const uint64_t hlt = (uint64_t)trap_wait_hlt;
    struct trap_frame frame = {.vector = VECTOR_NMI, .rip = hlt};
    EXPECT(*(const uint8_t *)hlt == 0xf4, "0x%x", *(const uint8_t *)hlt);
    trap_set_hook(take);
    (void)trap_handle(&frame);
    EXPECT(frame.rip == hlt + 1, "goes on at hlt%+ld", (long)(frame.rip - hlt));
    frame.rip = hlt + 1; /* it had begun */
    (void)trap_handle(&frame);
    trap_set_hook(NULL);
    EXPECT(frame.rip == hlt + 1, "goes on at hlt%+ld", (long)(frame.rip - hlt));
}

/* How many handlers of NMIs are at work on CPU 0, and have been. */
static struct {
    unsigned now, most, all, breakpoints;
} nmis;

static bool send_to_self(void)
{
    return lapic_send_nmi(percpu_this()->apic_id);
}

static void give_it_time(void)
{
    for (volatile unsigned i = 0; i < 100000; i++)
        ;
}

/* The first NMI has a breakpoint in its middle, and then sends a second one. */
static bool break_in_nmi(struct trap_frame *frame)
{
    if (percpu_this()->number != 0)
        return false;
    nmis.breakpoints += frame->vector == VECTOR_BP;
    if (frame->vector != VECTOR_NMI)
        return frame->vector == VECTOR_BP;
    if (++nmis.now > nmis.most)
        nmis.most = nmis.now;
    if (nmis.all++ == 0) {
        uint64_t flags;
        __asm__ volatile("stc; int3; pushfq; pop %0"
                         : "=r"(flags)::"memory", "cc");
        nmis.breakpoints += flags & 1 ? 0 : 100;
        (void)send_to_self();
        give_it_time();
    }
    request_answer();
    nmis.now--;
    return true;
}

SELFTEST(trap, what_an_nmi_is_interrupted_by_lets_no_other_in)
{
    if (percpu_count_up() == 1)
        return; /* there is no local APIC to send it */
    nmis.now = nmis.most = nmis.all = nmis.breakpoints = 0;
    trap_set_hook(break_in_nmi);
    bool sent = send_to_self();
    for (unsigned i = 0; i < 100 && nmis.all < 2; i++)
        give_it_time();
    trap_set_hook(NULL);
    EXPECT(sent && nmis.all == 2 && nmis.breakpoints == 1,
           "%u NMIs, %u breakpoints", nmis.all, nmis.breakpoints);
    EXPECT(nmis.most == 1, "%u NMIs in each other", nmis.most);
}
