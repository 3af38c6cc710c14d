/* What the boot must have left behind. */
#include <stdint.h>

#include "kernel/cpu.h"
#include "kernel/image.h"
#include "kernel/selftest.h"
#include "kernel/x86.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

extern char early_pml4[];

SELFTEST(boot, the_low_half_is_gone)
{
    const uint64_t *root = phys_to_virt(read_cr3());
    for (unsigned i = 0; i < 256; i++)
        EXPECT(root[i] == 0, "PML4 entry %u is 0x%lx", i, root[i]);
}

SELFTEST(boot, runs_on_its_own_page_table)
{
    paddr_t early = (uintptr_t)early_pml4 - KERNEL_BASE;
    EXPECT(read_cr3() != early, "cr3 is still the early 0x%lx", early);
    EXPECT(read_cr3() == kernel_space_table()->root, "cr3 0x%lx, root 0x%lx",
           read_cr3(), kernel_space_table()->root);
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

SELFTEST(boot, the_assembly_has_the_same_layout)
{
    /* start32.asm's tables lie where both sides must agree on KERNEL_BASE and
     * DIRECT_MAP_BASE for these to be the entries in use. */
    const uint64_t *root =
        phys_to_virt((uintptr_t)early_pml4 - KERNEL_BASE);
    EXPECT(root[page_index(DIRECT_MAP_BASE, LEVEL_PML4)] == root[0],
           "the direct map's entry is not the low one's");
    EXPECT(root[page_index(KERNEL_BASE, LEVEL_PML4)] != 0,
           "the image has no entry");
}
