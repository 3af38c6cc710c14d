/* What the keys of a PC send, and what they mean on a US keyboard.
 *
 * Scan code set 1: a byte when a key goes down, the same byte + 0x80 when it
 * comes up, and 0xe0 before either for the keys that came later than the first
 * PC's.  IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and
 * 102-Key)".
 */
#ifndef DRIVERS_SCAN_CODE_H
#define DRIVERS_SCAN_CODE_H

#include <stdbool.h>
#include <stdint.h>

/* Which keys are down, and what came before; all 0 at first. */
struct scan_code_state {
    bool left_shift, right_shift;
    bool left_control, right_control;
    bool caps_lock;
    bool extended;    /* the last byte was 0xe0 */
    unsigned skipped; /* so many bytes of the Pause key are still to come */
};

/* Takes a byte in; the character that it completes, or -1.  Enter is \n,
 * backspace \b, control with a letter 1 to 26.  Keys that stand for no
 * character (arrows, function keys, Escape) give none.  The keypad gives its
 * digits, whatever Num Lock says: its arrows would give nothing. */
int scan_code_decode(struct scan_code_state *state, uint8_t byte);

#endif
