/* What the boot must have left behind. */
#include <stdint.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/x86.h"
#include "kernel/image.h"
#include "kernel/selftest/selftest.h"
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

SELFTEST(boot, every_protection_of_the_cpu_is_on)
{
    for (unsigned i = 0; i < CPU_PROTECTION_COUNT; i++)
        EXPECT(cpu_protection_is_on(i) == cpu_get()->has[i], "%s: %s, %s",
               cpu_protection_name(i), cpu_get()->has[i] ? "there" : "missing",
               cpu_protection_is_on(i) ? "on" : "off");
    EXPECT(cpu_get()->has[CPU_NX] && cpu_get()->has[CPU_WP],
           "start32.asm lets no CPU without NX pass");
}
