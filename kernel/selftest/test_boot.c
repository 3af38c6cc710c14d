/* What the boot must have left behind. */
#include <stdint.h>

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

/* AMD64 manual, volume 2, sections 3.1.1, 3.1.7. */
SELFTEST(boot, protections_are_on)
{
    const uint64_t cr0_wp = UINT64_C(1) << 16, efer_nxe = 1 << 11;
    EXPECT(read_cr0() & cr0_wp, "cr0 is 0x%lx", read_cr0());
    EXPECT(read_efer() & efer_nxe, "efer is 0x%lx", read_efer());
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
