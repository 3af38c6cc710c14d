/* CPUID and control registers: see kernel/cpu/cpu.h. */
#include "kernel/cpu/cpu.h"

#include "kernel/cpu/x86.h"
#include "lib/string.h"
#include "mm/page_table.h"

enum {
    LEAF_VENDOR = 0,
    LEAF_FEATURES = 1,
    LEAF_STRUCTURED_FEATURES = 7,
};

enum {
    LEAF_EXTENDED_MAX = INT32_MIN, /* 0x80000000 */
    LEAF_EXTENDED_FEATURES,
    LEAF_BRAND, /* and the two after it */
    LEAF_ADDRESS_SIZES = LEAF_EXTENDED_MAX + 8,
};

/* Bits of LEAF_FEATURES, edx. */
#define FEATURE_MCE (1u << 7)
#define FEATURE_PGE (1u << 13)
#define FEATURE_PAT (1u << 16)

/* Bits of LEAF_STRUCTURED_FEATURES. */
#define EBX_SMEP (1u << 7)
#define EBX_SMAP (1u << 20)
#define ECX_UMIP (1u << 2)
#define EDX_FSRM (1u << 4)

/* Bits of its subleaf 1, eax. */
#define EAX_FSRS (1u << 11)

/* Bits of LEAF_EXTENDED_FEATURES, edx. */
#define EXTENDED_NX       (1u << 20)
#define EXTENDED_1G_PAGES (1u << 26)

/* What a CPU without LEAF_ADDRESS_SIZES has: AMD64 manual 2, section 5.1. */
#define PADDR_BITS_DEFAULT 36

static struct cpuid leaf(int number)
{
    return cpuid((uint32_t)number, 0);
}

/* All zeros where the CPU does not know the leaf. */
static struct cpuid basic_leaf(uint32_t number)
{
    if (leaf(LEAF_VENDOR).eax < number)
        return (struct cpuid){0};
    return cpuid(number, 0);
}

static struct cpuid extended_leaf(int number)
{
    if (leaf(LEAF_EXTENDED_MAX).eax < (uint32_t)number)
        return (struct cpuid){0};
    return leaf(number);
}

static void read_name(char *name, size_t size)
{
    memset(name, 0, size);
    if (leaf(LEAF_EXTENDED_MAX).eax < (uint32_t)LEAF_BRAND + 2) {
        struct cpuid r = leaf(LEAF_VENDOR);
        uint32_t vendor[3] = {r.ebx, r.edx, r.ecx};
        memcpy(name, vendor, sizeof(vendor));
        return;
    }
    for (int i = 0; i < 3; i++) {
        struct cpuid r = leaf(LEAF_BRAND + i);
        memcpy(name + (size_t)i * sizeof(r), &r, sizeof(r));
    }
}

static void read_protections(bool *has)
{
    struct cpuid features = basic_leaf(LEAF_FEATURES);
    struct cpuid structured = basic_leaf(LEAF_STRUCTURED_FEATURES);
    has[CPU_NX] = extended_leaf(LEAF_EXTENDED_FEATURES).edx & EXTENDED_NX;
    has[CPU_WP] = true; /* every CPU with long mode */
    has[CPU_MCE] = features.edx & FEATURE_MCE;
    has[CPU_PGE] = features.edx & FEATURE_PGE;
    has[CPU_PAT] = features.edx & FEATURE_PAT;
    has[CPU_SMEP] = structured.ebx & EBX_SMEP;
    has[CPU_SMAP] = structured.ebx & EBX_SMAP;
    has[CPU_UMIP] = structured.ecx & ECX_UMIP;
}

static void tune_strings(void)
{
    struct cpuid structured = basic_leaf(LEAF_STRUCTURED_FEATURES);
    uint32_t more = structured.eax >= 1 /* subleaves */
                        ? cpuid(LEAF_STRUCTURED_FEATURES, 1).eax
                        : 0;
    string_tune(structured.edx & EDX_FSRM, more & EAX_FSRS);
}

const struct cpu *cpu_get(void)
{
    static struct cpu cpu;
    if (cpu.paddr_bits == 0) {
        read_name(cpu.name, sizeof(cpu.name));
        read_protections(cpu.has);
        cpu.pages_1g =
            extended_leaf(LEAF_EXTENDED_FEATURES).edx & EXTENDED_1G_PAGES;
        unsigned bits = extended_leaf(LEAF_ADDRESS_SIZES).eax & 0xff;
        cpu.paddr_bits = bits != 0 ? bits : PADDR_BITS_DEFAULT;
        tune_strings();
    }
    return &cpu;
}

/* The bits of CR4 that turn protections on. */
static const uint64_t cr4_bits[CPU_PROTECTION_COUNT] = {
    [CPU_PGE] = CR4_PGE,   [CPU_SMEP] = CR4_SMEP, [CPU_SMAP] = CR4_SMAP,
    [CPU_UMIP] = CR4_UMIP, [CPU_MCE] = CR4_MCE,
};

void cpu_init(void)
{
    const struct cpu *cpu = cpu_get();
    uint64_t cr4 = read_cr4();
    for (unsigned i = 0; i < CPU_PROTECTION_COUNT; i++)
        if (cpu->has[i])
            cr4 |= cr4_bits[i];
    write_cr4(cr4);
    if (cpu->has[CPU_PAT])
        write_msr(PAGE_PAT_MSR, PAGE_PAT_LAYOUT);
}

bool cpu_protection_is_on(enum cpu_protection protection)
{
    switch (protection) {
    case CPU_NX:
        return read_msr(MSR_EFER) & EFER_NXE;
    case CPU_WP:
        return read_cr0() & CR0_WP;
    case CPU_PAT:
        return cpu_get()->has[CPU_PAT] &&
               read_msr(PAGE_PAT_MSR) == PAGE_PAT_LAYOUT;
    default:
        return read_cr4() & cr4_bits[protection];
    }
}

const char *cpu_protection_name(enum cpu_protection protection)
{
    static const char *const names[] = {
#define CPU_PROTECTION_NAME(name, text) text,
        CPU_PROTECTIONS(CPU_PROTECTION_NAME)
#undef CPU_PROTECTION_NAME
    };
    return names[protection];
}
