/* The privileged instructions of x86-64, one function each.
 * Names and numbers: AMD64 Architecture Programmer's Manual, volumes 2 and 3.
 */
#ifndef KERNEL_CPU_X86_H
#define KERNEL_CPU_X86_H

#include <stdint.h>

#include "drivers/msr.h"

/* AMD64 manual, volume 2, sections 3.1.1, 3.1.3 and 3.1.7. */
#define CR0_MP      (UINT64_C(1) << 1)
#define CR0_EM      (UINT64_C(1) << 2)
#define CR0_TS      (UINT64_C(1) << 3)
#define CR0_NW      (UINT64_C(1) << 29)
#define CR0_CD      (UINT64_C(1) << 30)
#define CR0_WP      (UINT64_C(1) << 16)
#define CR4_MCE     (UINT64_C(1) << 6)
#define CR4_PGE     (UINT64_C(1) << 7)
#define CR4_OSFXSR  (UINT64_C(1) << 9)
#define CR4_UMIP    (UINT64_C(1) << 11)
#define CR4_SMEP    (UINT64_C(1) << 20)
#define CR4_SMAP    (UINT64_C(1) << 21)
#define MSR_EFER    0xc0000080u
#define MSR_GS_BASE 0xc0000101u
#define EFER_NXE    (UINT64_C(1) << 11)

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t function, uint32_t subfunction)
{
    struct cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(function), "c"(subfunction));
    return r;
}

static inline uint64_t read_cr0(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static inline uint64_t read_cr2(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

static inline uint64_t read_cr3(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

static inline uint64_t read_cr4(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static inline void write_cr0(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline void write_cr3(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline void write_cr4(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

/* Empties this CPU's TLB.  A change of CR4.PGE drops global pages too (volume
 * 2, section 5.5.3).  If PGE is off there are no global pages, and a load of
 * CR3 drops all. */
static inline void tlb_flush_local(void)
{
    uint64_t cr4 = read_cr4();
    if (cr4 & CR4_PGE) {
        write_cr4(cr4 & ~CR4_PGE);
        write_cr4(cr4);
    } else {
        write_cr3(read_cr3());
    }
}

static inline void write_back_and_invalidate(void)
{
    __asm__ volatile("wbinvd" : : : "memory");
}

static inline void invlpg(uintptr_t page)
{
    __asm__ volatile("invlpg (%0)" : : "r"(page) : "memory");
}

/* Turns interrupts off.  Returns the flags for interrupts_restore. */
static inline uint64_t interrupts_save(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; pop %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void interrupts_restore(uint64_t flags)
{
    __asm__ volatile("push %0; popfq" : : "r"(flags) : "memory", "cc");
}

/* For good: with interrupts off only an NMI wakes the CPU, and then it halts
 * again. */
_Noreturn static inline void halt_for_ever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

#endif
