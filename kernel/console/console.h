/* Where the kernel's text goes, serial port and screen, and where the keys come
 * from.
 *
 * Callable in any context, from the first C instruction on.
 */
#ifndef KERNEL_CONSOLE_CONSOLE_H
#define KERNEL_CONSOLE_CONSOLE_H

/* Sets up the serial port.  Printing before is safe and does it first. */
void console_init(void);

/* Adds the loader's screen, if it set one up that can be drawn on: for as long
 * as the early page tables stand.  After the boot information was read. */
struct boot_framebuffer;
void console_add_screen(const struct boot_framebuffer *framebuffer);

/* Takes the screen away from memory that will not be mapped any more, and puts
 * it back, write-combining; what was printed between appears then.  Around
 * kernel_space_init and frame_init. */
void console_hide_screen(void);
void console_map_screen(const struct boot_framebuffer *framebuffer);

/* Adds the keyboard, if there is one, and says in the log what there is. */
void console_add_keyboard(void);

/* As the C library's, with the conversions of lib/format.h.  From any CPU: what
 * one call prints is not mixed with another's. */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From now on printf waits for nobody: for a panic, when the other CPUs have
 * been stopped wherever they were. */
void console_break_lock(void);

/* Waits for a key, of the serial port or the keyboard: its byte.  Calls
 * `meanwhile` again and again until there is one. */
char console_get(void (*meanwhile)(void));

#endif
