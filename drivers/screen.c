/* Text on a screen: see drivers/screen.h.
 *
 *   text[]    what should be seen, a ring of rows: text[top] is the first
 *   shown[]   what video memory shows, row by row of the screen
 */
#include "drivers/screen.h"

#include <stddef.h>

#include "drivers/font.h"

#define COLUMNS_MIN 20
#define ROWS_MIN    2

/* The text moves up by this part of the rows at once, so that as many lines as
 * the screen has cost it to be drawn so many times, not once for each. */
#define SCROLLS_A_SCREEN 12

#define EGA_GREY_ON_BLACK 0x0700

static struct {
    struct screen_mode mode;
    volatile uint8_t *memory; /* NULL: not mapped */
    unsigned columns, rows;   /* 0: there is no screen */
    unsigned top;             /* row of text[] that is the screen's first */
    unsigned column, row;     /* of the screen, where the next character goes */
    uint32_t white;
    uint64_t four[16][2]; /* see prepare_four */
    unsigned pixel_bytes;
    char text[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
    char shown[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
} screen;

/* ---- One character in video memory ---- */

/* At whatever address the pitch leads to. */
typedef uint64_t pixel_word __attribute__((aligned(1), may_alias));

/* Of a glyph's line, eight pixels in two halves, each is copied in words of 64
 * bits: two for pixels of 32 bits, one for pixels of 16. */
static void draw_glyph_32(volatile uint8_t *at, const uint8_t *glyph)
{
    const uint32_t pitch = screen.mode.pitch;
    for (unsigned y = 0; y < FONT_HEIGHT; y++, at += pitch) {
        volatile pixel_word *words = (volatile pixel_word *)at;
        const uint64_t *left = screen.four[glyph[y] >> 4];
        const uint64_t *right = screen.four[glyph[y] & 15];
        words[0] = left[0];
        words[1] = left[1];
        words[2] = right[0];
        words[3] = right[1];
    }
}

static void draw_glyph_16(volatile uint8_t *at, const uint8_t *glyph)
{
    const uint32_t pitch = screen.mode.pitch;
    for (unsigned y = 0; y < FONT_HEIGHT; y++, at += pitch) {
        volatile pixel_word *words = (volatile pixel_word *)at;
        words[0] = screen.four[glyph[y] >> 4][0];
        words[1] = screen.four[glyph[y] & 15][0];
    }
}

static void draw_glyph_24(volatile uint8_t *line, const uint8_t *glyph)
{
    for (unsigned y = 0; y < FONT_HEIGHT; y++, line += screen.mode.pitch) {
        volatile uint8_t *at = line;
        for (unsigned bit = 0x80; bit != 0; bit >>= 1) {
            uint32_t value = glyph[y] & bit ? screen.white : 0;
            *at++ = (uint8_t)value;
            *at++ = (uint8_t)(value >> 8);
            *at++ = (uint8_t)(value >> 16);
        }
    }
}

/* The four pixels of each pattern of four bits, the leftmost in the highest
 * bit and at the lowest address. */
static void prepare_four(void)
{
    unsigned per_word = screen.pixel_bytes == 2 ? 4 : 2;
    unsigned pixel_bits = 64 / per_word;
    for (unsigned bits = 0; bits < 16; bits++) {
        screen.four[bits][0] = screen.four[bits][1] = 0;
        for (unsigned x = 0; x < 4; x++)
            if (bits & 8u >> x)
                screen.four[bits][x / per_word] |= (uint64_t)screen.white
                                                   << x % per_word * pixel_bits;
    }
}

static void draw_glyph(unsigned row, unsigned column, char c)
{
    const uint8_t *glyph = font_8x16[c - FONT_FIRST];
    volatile uint8_t *at = screen.memory +
                           (size_t)row * FONT_HEIGHT * screen.mode.pitch +
                           (size_t)column * FONT_WIDTH * screen.pixel_bytes;
    if (screen.pixel_bytes == 2)
        draw_glyph_16(at, glyph);
    else if (screen.pixel_bytes == 3)
        draw_glyph_24(at, glyph);
    else
        draw_glyph_32(at, glyph);
}

static void draw(unsigned row, unsigned column, char c)
{
    if (screen.memory == NULL || screen.shown[row][column] == c)
        return;
    screen.shown[row][column] = c;
    if (screen.mode.kind == SCREEN_PIXELS)
        draw_glyph(row, column, c);
    else
        *(volatile uint16_t *)(screen.memory + (size_t)row * screen.mode.pitch +
                               column * 2) =
            (uint16_t)(EGA_GREY_ON_BLACK | (uint8_t)c);
}

/* ---- Text ---- */

static char *text_row(unsigned row)
{
    return screen.text[(screen.top + row) % screen.rows];
}

static void clear_row(unsigned row)
{
    char *text = text_row(row);
    for (unsigned i = 0; i < screen.columns; i++)
        text[i] = ' ';
}

static void draw_all(void)
{
    for (unsigned row = 0; row < screen.rows; row++) {
        const char *text = text_row(row), *shown = screen.shown[row];
        for (unsigned column = 0; column < screen.columns; column++)
            if (shown[column] != text[column])
                draw(row, column, text[column]);
    }
}

static unsigned smaller(uint32_t value, unsigned most)
{
    return value < most ? value : most;
}

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static void new_line(void)
{
    screen.column = 0;
    if (screen.row + 1 < screen.rows) {
        screen.row++;
        return;
    }
    unsigned rows = larger(screen.rows / SCROLLS_A_SCREEN, 1);
    screen.top = (screen.top + rows) % screen.rows;
    screen.row = screen.rows - rows;
    for (unsigned row = screen.row; row < screen.rows; row++)
        clear_row(row);
    draw_all();
}

/* A handler may print in the middle of this: then a character may be lost, but
 * the column stays one of the screen's. */
static void put_visible(char c)
{
    if (screen.column >= screen.columns)
        new_line();
    unsigned column = smaller(screen.column, screen.columns - 1);
    text_row(screen.row)[column] = c;
    draw(screen.row, column, c);
    screen.column = column + 1;
}

void screen_put(char c)
{
    if (screen.columns == 0)
        return;
    if (c == '\n')
        new_line();
    else if (c == '\r')
        screen.column = 0;
    else if (c == '\b' && screen.column > 0)
        screen.column--;
    else if (c == '\t')
        do
            put_visible(' ');
        while (screen.column % 8 != 0);
    else if (c >= ' ' && c <= '~')
        put_visible(c);
}

/* ---- Start ---- */

static bool field_fits(struct screen_field field, unsigned bits)
{
    return field.size >= 1 && field.size <= 16 &&
           field.position + field.size <= bits;
}

static bool pixels_fit(const struct screen_mode *mode)
{
    unsigned bits = mode->bits_per_pixel;
    uint64_t line = (uint64_t)mode->width * ((bits + 7) / 8);
    return (bits == 15 || bits == 16 || bits == 24 || bits == 32) &&
           line <= mode->pitch && field_fits(mode->red, bits) &&
           field_fits(mode->green, bits) && field_fits(mode->blue, bits);
}

static uint32_t all_of(struct screen_field field)
{
    return ((UINT32_C(1) << field.size) - 1) << field.position;
}

bool screen_init(const struct screen_mode *mode, volatile void *memory)
{
    bool pixels = mode->kind == SCREEN_PIXELS;
    uint32_t columns = pixels ? mode->width / FONT_WIDTH : mode->width;
    uint32_t rows = pixels ? mode->height / FONT_HEIGHT : mode->height;
    if (columns < COLUMNS_MIN || rows < ROWS_MIN)
        return false;
    if (pixels ? !pixels_fit(mode) : mode->pitch < (uint64_t)mode->width * 2)
        return false;

    screen.mode = *mode;
    screen.memory = memory;
    screen.columns = smaller(columns, SCREEN_COLUMNS_MAX);
    screen.rows = smaller(rows, SCREEN_ROWS_MAX);
    screen.top = screen.row = screen.column = 0;
    screen.pixel_bytes = (mode->bits_per_pixel + 7u) / 8;
    screen.white = all_of(mode->red) | all_of(mode->green) | all_of(mode->blue);
    prepare_four();
    for (unsigned row = 0; row < screen.rows; row++) {
        clear_row(row);
        for (unsigned column = 0; column < screen.columns; column++)
            screen.shown[row][column] = '\0'; /* not known: draw it */
    }
    draw_all();
    return true;
}

void screen_move(volatile void *memory)
{
    screen.memory = memory;
    draw_all();
}

unsigned screen_rows(void)
{
    return screen.rows;
}

unsigned screen_columns(void)
{
    return screen.columns;
}
