/* The kernel's heap: chosen on the command line, shown at the prompt. */
#ifndef KERNEL_KERNEL_HEAP_H
#define KERNEL_KERNEL_HEAP_H

/* Makes kmalloc work, with the heap that the options heap=, heapcheck= and
 * failalloc= ask for.  Panics if there is no memory for it.  After
 * kernel_space_use_frames. */
void kernel_heap_build(void);

/* Prints what the heap holds, by size, and what heap_check finds. */
void kernel_heap_print(void);

/* Prints the live blocks by call site. */
void kernel_heap_print_leaks(void);

#endif
