/* The console's font. */
#ifndef DRIVERS_FONT_H
#define DRIVERS_FONT_H

#include <stdint.h>

#define FONT_WIDTH      8
#define FONT_HEIGHT     16
#define FONT_FIRST      ' '
#define FONT_CHARACTERS ('~' - ' ' + 1)

extern const uint8_t font_8x16[FONT_CHARACTERS][FONT_HEIGHT];

#endif
