/* What the boot must have left behind. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/x86.h"
#include "kernel/image.h"
#include "kernel/selftest/selftest.h"
#include "kernel/trap/trap.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

SELFTEST(boot, the_low_half_is_gone)
{
    const uint64_t *root = phys_to_virt(read_cr3());
    for (unsigned i = 0; i < 256; i++)
        EXPECT(root[i] == 0, "PML4 entry %u is 0x%lx", i, root[i]);
}

SELFTEST(boot, runs_on_its_own_page_table)
{
    EXPECT(read_cr3() == kernel_space_table()->root, "cr3 0x%lx, root 0x%lx",
           read_cr3(), kernel_space_table()->root);
}

/* The code and tables that led here are free memory, and no longer mapped
 * where they were linked or in the image. */
SELFTEST(boot, boot_only_memory_is_given_back)
{
    const struct memory_map *map = &selftest_boot_info->map;
    paddr_t start = (uintptr_t)image_start - KERNEL_BASE;
    paddr_t end = (uintptr_t)text_start - KERNEL_BASE;
    uint64_t bytes = memory_map_bytes(map, MEMORY_BOOT_ONLY);
    EXPECT(bytes >= end - start - 2 * PAGE_SIZE && bytes <= end - start,
           "%lu bytes of 0x%lx-0x%lx", bytes, start, end);
    for (paddr_t p = start; p < end; p += PAGE_SIZE) {
        paddr_t low = page_translate(kernel_space_table(), p);
        paddr_t high = page_translate(kernel_space_table(), KERNEL_BASE + p);
        EXPECT(low == PADDR_NONE && high == PADDR_NONE, "0x%lx is mapped", p);
    }
}

/* ---- Text and constants ---- */

#define VECTOR_PF 14 /* AMD64 manual 2, section 8.2.15 */

/* A write that may fault, and where to go on then. */
static struct {
    vaddr_t at;
    uint64_t resume;
    bool faulted;
} attempt;

static bool on_fault(struct trap_frame *frame)
{
    if (frame->vector != VECTOR_PF || read_cr2() != attempt.at)
        return false;
    attempt.faulted = true;
    frame->rip = attempt.resume;
    return true;
}

/* Writes what is there already, so that it does no harm where it is allowed. */
static bool can_be_written(volatile uint8_t *at)
{
    uint8_t same = *at;
    attempt.at = (vaddr_t)at;
    attempt.faulted = false;
    trap_set_hook(on_fault);
    __asm__ volatile("lea 1f(%%rip), %%rax\n\t"
                     "mov %%rax, %0\n\t"
                     "movb %b1, (%2)\n"
                     "1:"
                     : "=m"(attempt.resume)
                     : "q"(same), "r"(at)
                     : "rax", "memory");
    trap_set_hook(NULL);
    return !attempt.faulted;
}

/* By no address, neither where they are linked nor in the direct map. */
static void expect_read_only(const char *start, const char *end)
{
    for (vaddr_t page = (vaddr_t)start; page < (vaddr_t)end;
         page += PAGE_SIZE) {
        vaddr_t shown = (vaddr_t)phys_to_virt(page - KERNEL_BASE);
        for (unsigned i = 0; i < PAGE_SIZE; i += PAGE_SIZE - 1) {
            EXPECT(!can_be_written((uint8_t *)page + i), "0x%lx", page + i);
            EXPECT(!can_be_written((uint8_t *)shown + i), "0x%lx", shown + i);
        }
    }
}

SELFTEST(boot, text_is_written_at_no_address)
{
    expect_read_only(text_start, text_end);
}

SELFTEST(boot, constants_are_written_at_no_address)
{
    expect_read_only(rodata_start, rodata_end);
}

SELFTEST(boot, data_can_be_written)
{
    static uint8_t byte;
    uint8_t *shown = phys_to_virt((vaddr_t)&byte - KERNEL_BASE);
    EXPECT(can_be_written(&byte) && can_be_written(shown), "0x%lx, 0x%lx",
           (vaddr_t)&byte, (vaddr_t)shown);
}

SELFTEST(boot, every_protection_of_the_cpu_is_on)
{
    for (unsigned i = 0; i < CPU_PROTECTION_COUNT; i++)
        EXPECT(cpu_protection_is_on(i) == cpu_get()->has[i], "%s: %s, %s",
               cpu_protection_name(i), cpu_get()->has[i] ? "there" : "missing",
               cpu_protection_is_on(i) ? "on" : "off");
    EXPECT(cpu_get()->has[CPU_NX] && cpu_get()->has[CPU_WP],
           "start32.asm lets no CPU without NX pass");
}
