/* Where linker.ld put the parts of the image: symbols, only their addresses
 * mean anything. */
#ifndef KERNEL_IMAGE_H
#define KERNEL_IMAGE_H

extern char image_start[], image_end[];
extern char text_start[], text_end[];
extern char rodata_start[], rodata_end[];
extern char data_start[], data_end[];

#endif
