/* The parts of the image, from linker.ld.  Only the addresses of these symbols
 * mean anything. */
#ifndef KERNEL_IMAGE_H
#define KERNEL_IMAGE_H

extern char image_start[], image_end[];
extern char text_start[], text_end[];
extern char rodata_start[], rodata_end[];
extern char data_start[], data_end[];

#endif
