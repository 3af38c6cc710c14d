/* The PS/2 keyboard, polled: also what most firmware makes of a USB keyboard
 * until an operating system takes it over.
 *
 * One caller at a time, in any context; every wait is bounded.
 */
#ifndef DRIVERS_KEYBOARD_H
#define DRIVERS_KEYBOARD_H

enum keyboard_state {
    KEYBOARD_READY,
    KEYBOARD_NO_CONTROLLER, /* its status reads as all ones */
    KEYBOARD_MUTE,          /* the controller does not answer */
    KEYBOARD_UNPLUGGED,     /* the controller does, the keyboard does not */
};

/* Sets up the controller: translation to scan code set 1, no interrupts, no
 * mouse.  Throws away what was typed before.  Without an answer of the
 * controller, keyboard_get leaves it alone from then on; a keyboard that does
 * not answer may still be plugged in. */
enum keyboard_state keyboard_init(void);

/* "no keyboard controller", for a message. */
const char *keyboard_state_text(enum keyboard_state state);

/* The next character (see drivers/scan_code.h), or -1 if there is none. */
int keyboard_get(void);

#endif
