/* GDT and TSS.  Layouts: AMD64 manual, volume 2, sections 4.8 and 12.2.5. */
#include "kernel/gdt.h"

#include <stdint.h>

#include "kernel/stacks.h"

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map_base;
} __attribute__((packed));

_Static_assert(sizeof(struct tss) == 104, "as the manual draws it");

static struct tss tss;

/* Present and accessed already, so that the CPU never writes to them. */
static uint64_t gdt[] = {
    [SELECTOR_CODE / 8] = 0x00af9b000000ffff,
    [SELECTOR_DATA / 8] = 0x00cf93000000ffff,
    [SELECTOR_TSS / 8] = 0, /* two entries: filled in by gdt_init */
    [SELECTOR_TSS / 8 + 1] = 0,
};

static void describe_tss(void)
{
    uint64_t base = (uint64_t)&tss, limit = sizeof(tss) - 1;
    const uint64_t present_available_tss = 0x89;
    gdt[SELECTOR_TSS / 8] = limit | (base & 0xffffff) << 16 |
                            present_available_tss << 40 |
                            (base >> 24 & 0xff) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
}

void gdt_init(void)
{
    for (unsigned i = STACK_DOUBLE_FAULT; i < STACK_COUNT; i++)
        tss.ist[i - 1] = (uint64_t)(stacks[i].bytes + STACK_BYTES);
    tss.io_map_base = sizeof(tss); /* past the limit: no I/O map */
    describe_tss();

    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(gdt) - 1, (uint64_t)gdt};
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movw %w2, %%ds\n\t"
                     "movw %w2, %%es\n\t"
                     "movw %w2, %%ss\n\t"
                     "ltr %w3"
                     :
                     : "m"(pointer), "i"(SELECTOR_CODE), "r"(SELECTOR_DATA),
                       "r"(SELECTOR_TSS)
                     : "rax", "memory");
}
