/* The console: text goes to the serial port and the screen; keys come from the
 * serial port and the keyboard.
 *
 * Callable in any context, from the first C instruction on.
 */
#ifndef KERNEL_CONSOLE_CONSOLE_H
#define KERNEL_CONSOLE_CONSOLE_H

/* Sets up the serial port.  A printf before this does it first. */
void console_init(void);

/* Adds the screen that the loader set up, if it can be drawn on.  It works
 * while the early page tables are loaded.  After the boot information was read.
 */
struct boot_framebuffer;
void console_add_screen(const struct boot_framebuffer *framebuffer);

/* hide stops drawing, before kernel_space_init unmaps the screen's memory.  map
 * maps that memory again, write-combining, and draws what was printed
 * meanwhile; after kernel_space_use_frames. */
void console_hide_screen(void);
void console_map_screen(const struct boot_framebuffer *framebuffer);

/* Adds the keyboard, if there is one, and logs what was found. */
void console_add_keyboard(void);

/* As the C library's, with the conversions of lib/format.h.  From any CPU: the
 * output of calls on different CPUs is not mixed. */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For a panic, after the other CPUs were stopped, maybe in a printf: from now
 * on printf does not wait for the lock. */
void console_break_lock(void);

/* Waits for a key of the serial port or the keyboard, and returns its byte.
 * Calls `meanwhile` again and again until then. */
char console_get(void (*meanwhile)(void));

#endif
