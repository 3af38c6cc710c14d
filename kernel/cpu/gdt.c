/* GDT and TSS.  Layouts: AMD64 manual, volume 2, sections 4.8 and 12.2.5. */
#include "kernel/cpu/gdt.h"

/* Marked as present and accessed, so that the CPU never writes to them. */
#define CODE_64 UINT64_C(0x00af9b000000ffff)
#define DATA    UINT64_C(0x00cf93000000ffff)

static void describe_tss(struct gdt *gdt)
{
    uint64_t base = (uint64_t)&gdt->tss, limit = sizeof(gdt->tss) - 1;
    const uint64_t present_available_tss = 0x89;
    gdt->entry[SELECTOR_TSS / 8] = limit | (base & 0xffffff) << 16 |
                                   present_available_tss << 40 |
                                   (base >> 24 & 0xff) << 56;
    gdt->entry[SELECTOR_TSS / 8 + 1] = base >> 32;
}

void gdt_init(struct gdt *gdt, const vaddr_t stack_top[STACK_COUNT])
{
    *gdt = (struct gdt){
        .entry = {[SELECTOR_CODE / 8] = CODE_64, [SELECTOR_DATA / 8] = DATA},
        .tss = {.io_map_base = sizeof(gdt->tss)}, /* past the limit: there is
                                                   * none */
    };
    for (unsigned i = STACK_DOUBLE_FAULT; i < STACK_COUNT; i++)
        gdt->tss.ist[i - 1] = stack_top[i];
    describe_tss(gdt);

    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed))
    pointer = {sizeof(gdt->entry) - 1, (uint64_t)gdt->entry};
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
