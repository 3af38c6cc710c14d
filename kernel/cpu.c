/* CPUID: see kernel/cpu.h. */
#include "kernel/cpu.h"

#include <stddef.h>

#include "kernel/x86.h"
#include "lib/string.h"

enum {
    LEAF_VENDOR = 0,
    LEAF_EXTENDED_MAX = 0x80000000,
    LEAF_EXTENDED_FEATURES = 0x80000001,
    LEAF_BRAND = 0x80000002, /* and the two after it */
    LEAF_ADDRESS_SIZES = 0x80000008,
    EDX_1G_PAGES = 1 << 26,
};

/* What a CPU without LEAF_ADDRESS_SIZES has: AMD64 manual 2, section 5.1. */
#define PADDR_BITS_DEFAULT 36

static uint32_t extended_max(void)
{
    return cpuid(LEAF_EXTENDED_MAX, 0).eax;
}

static void read_name(char *name, size_t size)
{
    memset(name, 0, size);
    if (extended_max() < LEAF_BRAND + 2) {
        struct cpuid r = cpuid(LEAF_VENDOR, 0);
        uint32_t vendor[3] = {r.ebx, r.edx, r.ecx};
        memcpy(name, vendor, sizeof(vendor));
        return;
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid r = cpuid(LEAF_BRAND + i, 0);
        memcpy(name + i * sizeof(r), &r, sizeof(r));
    }
}

static unsigned read_paddr_bits(void)
{
    if (extended_max() < LEAF_ADDRESS_SIZES)
        return PADDR_BITS_DEFAULT;
    return cpuid(LEAF_ADDRESS_SIZES, 0).eax & 0xff;
}

const struct cpu *cpu_get(void)
{
    static struct cpu cpu;
    if (cpu.paddr_bits == 0) {
        read_name(cpu.name, sizeof(cpu.name));
        cpu.pages_1g = cpuid(LEAF_EXTENDED_FEATURES, 0).edx & EDX_1G_PAGES;
        cpu.paddr_bits = read_paddr_bits();
    }
    return &cpu;
}

void cpu_init(void)
{
    write_cr4(read_cr4() | CR4_PGE);
}
