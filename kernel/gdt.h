/* Segments: what is left of them in long mode, and the task state segment.
 *
 * The TSS gives double fault, NMI and machine check a stack of their own each,
 * so that they are reported even when the kernel's stack is what is broken.
 */
#ifndef KERNEL_GDT_H
#define KERNEL_GDT_H

enum {
    SELECTOR_CODE = 0x08, /* both as in boot/layout.inc */
    SELECTOR_DATA = 0x10,
    SELECTOR_TSS = 0x18,
};

/* Loads the GDT and the TSS, once, on the CPU it runs on. */
void gdt_init(void);

#endif
