/* Where the kernel's text goes, and where the keys come from.
 *
 * Callable in any context, from the first C instruction on.
 */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

/* Sets up the serial port.  Printing before is safe and does it first. */
void console_init(void);

/* As the C library's, with the conversions of lib/format.h. */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Waits for a key: its byte. */
char console_get(void);

#endif
