/* See drivers/scan_code.h. */
#include "drivers/scan_code.h"

enum {
    EXTENDED = 0xe0,
    PAUSE = 0xe1,
    PAUSE_REST = 5, /* e1 1d 45 e1 9d c5: it has no code for coming up */
    RELEASED = 0x80,

    LEFT_CONTROL = 0x1d, /* the right one after EXTENDED */
    LEFT_SHIFT = 0x2a,
    RIGHT_SHIFT = 0x36,
    CAPS_LOCK = 0x3a,
    ENTER = 0x1c, /* these two on the keypad after EXTENDED */
    SLASH = 0x35,
};

/* From code 0x00 on; keys without a character are 0. */
static const char plain[] = "\0\0"
                            "1234567890-=\b\t"
                            "qwertyuiop[]\n\0"
                            "asdfghjkl;'`\0\\"
                            "zxcvbnm,./\0*\0 "
                            "\0\0\0\0\0\0\0\0\0\0\0\0\0"
                            "789-456+1230.";
static const char shifted[] = "\0\0"
                              "!@#$%^&*()_+\b\t"
                              "QWERTYUIOP{}\n\0"
                              "ASDFGHJKL:\"~\0|"
                              "ZXCVBNM<>?\0*\0 "
                              "\0\0\0\0\0\0\0\0\0\0\0\0\0"
                              "789-456+1230.";

_Static_assert(sizeof plain == 0x53 + 2 && sizeof shifted == sizeof plain,
               "the last is the keypad's dot");

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static int character(const struct scan_code_state *state, uint8_t code)
{
    if (code >= sizeof plain - 1)
        return -1;
    bool shift = state->left_shift || state->right_shift;
    bool control = state->left_control || state->right_control;
    char c = plain[code];
    if (control)
        return is_letter(c) ? c - 'a' + 1 : -1;
    if (state->caps_lock && is_letter(c))
        shift = !shift;
    if (shift)
        c = shifted[code];
    return c != '\0' ? c : -1;
}

/* A key after 0xe0.  Around some of these keys the keyboard sends shifts that
 * nobody pressed: they too come after 0xe0. */
static int decode_extended(struct scan_code_state *state, uint8_t code,
                           bool down)
{
    if (code == LEFT_CONTROL)
        state->right_control = down;
    if (down && (code == ENTER || code == SLASH))
        return character(&(struct scan_code_state){0}, code);
    return -1;
}

int scan_code_decode(struct scan_code_state *state, uint8_t byte)
{
    if (state->skipped > 0) {
        state->skipped--;
        return -1;
    }
    if (byte == PAUSE) {
        state->skipped = PAUSE_REST;
        state->extended = false;
        return -1;
    }
    if (byte == EXTENDED) {
        state->extended = true;
        return -1;
    }

    uint8_t code = byte & (uint8_t)~RELEASED;
    bool down = (byte & RELEASED) == 0;
    if (state->extended) {
        state->extended = false;
        return decode_extended(state, code, down);
    }
    switch (code) {
    case LEFT_SHIFT:
        state->left_shift = down;
        return -1;
    case RIGHT_SHIFT:
        state->right_shift = down;
        return -1;
    case LEFT_CONTROL:
        state->left_control = down;
        return -1;
    case CAPS_LOCK:
        state->caps_lock ^= down;
        return -1;
    default:
        return down ? character(state, code) : -1;
    }
}
