/* A screen of text: EGA text cells, or a linear framebuffer of pixels.
 *
 * Video memory is slow and may not even be readable, so it is only written:
 * what it shows is kept beside it, and only characters that change are drawn,
 * when the screen scrolls too.
 *
 * One caller at a time, in any context; nothing is allocated.
 */
#ifndef DRIVERS_SCREEN_H
#define DRIVERS_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

enum screen_kind {
    SCREEN_EGA_TEXT, /* width and height in characters */
    SCREEN_PIXELS,   /* width and height in pixels */
};

/* The bits of one colour in a pixel. */
struct screen_field {
    uint8_t position, size;
};

struct screen_mode {
    enum screen_kind kind;
    uint32_t pitch; /* bytes from one line to the next */
    uint32_t width, height;
    uint8_t bits_per_pixel; /* 15, 16, 24 or 32 */
    struct screen_field red, green, blue;
};

/* Larger screens are used up to this many characters. */
#define SCREEN_COLUMNS_MAX 240
#define SCREEN_ROWS_MAX    90

/* Clears the screen at that memory, pitch x height bytes of it, and makes it
 * the one that the functions below use; with NULL, nothing is drawn yet. False,
 * and nothing is touched, for a mode that is not one of the above, contradicts
 * itself or has no room for 20 x 2 characters. */
bool screen_init(const struct screen_mode *mode, volatile void *memory);

/* From now on the screen is mapped here.  NULL: nowhere for the moment; what
 * is printed meanwhile appears with the next move. */
void screen_move(volatile void *memory);

/* Prints ASCII, and shows it at once; \n starts a new line, \r, \b and \t move, the rest of what is
 * not visible is left out.  Without a screen it does nothing. */
void screen_put(char c);

/* Lines of text and characters in one that it shows; 0 without a screen.  In
 * the last twelfth of the lines there may be nothing yet. */
unsigned screen_rows(void);
unsigned screen_columns(void);

#endif
