/* Segments, as far as long mode still uses them, and the task state segment.
 *
 * The TSS gives double faults, NMIs and machine checks a stack of their own
 * each.  So they are reported even if the kernel's stack is broken.  Each CPU
 * has its own GDT and TSS.
 */
#ifndef KERNEL_CPU_GDT_H
#define KERNEL_CPU_GDT_H

#include <stdint.h>

#include "kernel/cpu/stacks.h"
#include "mm/address.h"

enum {
    SELECTOR_CODE = 0x08, /* both as in boot/layout.inc */
    SELECTOR_DATA = 0x10,
    SELECTOR_TSS = 0x18,
};

/* AMD64 manual, volume 2, section 12.2.5. */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map_base;
} __attribute__((packed));

_Static_assert(sizeof(struct tss) == 104, "as the manual draws it");

struct gdt {
    uint64_t entry[SELECTOR_TSS / 8 + 2]; /* the TSS takes two entries */
    struct tss tss;
};

/* Fills in the GDT and its TSS, with these stacks (their upper ends), and loads
 * both on the CPU that runs this.  *gdt must stay. */
void gdt_init(struct gdt *gdt, const vaddr_t stack_top[STACK_COUNT]);

#endif
