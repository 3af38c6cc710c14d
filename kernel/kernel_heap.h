/* The kernel's heap: chosen on the command line, shown at the prompt. */
#ifndef KERNEL_KERNEL_HEAP_H
#define KERNEL_KERNEL_HEAP_H

/* Makes kmalloc work, with what heap=, heapcheck= and failalloc= say; panics
 * where there is no memory for it.  After build_frame_trees. */
void kernel_heap_build(void);

/* What the heap holds, by sizes, and what a walk over it finds. */
void kernel_heap_print(void);

/* The live blocks by call site. */
void kernel_heap_print_leaks(void);

#endif
