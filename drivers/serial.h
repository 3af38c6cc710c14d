/* The first serial port: a 16550 at COM1, 115200 baud, 8N1, polled.
 *
 * Usable from the first C instruction and in any context.  On a machine
 * without the port every call returns at once.
 */
#ifndef DRIVERS_SERIAL_H
#define DRIVERS_SERIAL_H

#include <stdbool.h>

/* Looks for the port by its loop-back and sets it up; false if it is not
 * there.  What had come in before is kept for serial_get. */
bool serial_init(void);

/* Sends one byte.  A port that stays busy for longer than the slowest byte
 * takes is left alone: the byte is lost, the kernel goes on; after a few lost
 * bytes in a row, without the port. */
void serial_put(char c);

/* The next byte that came in, or -1 if there is none. */
int serial_get(void);

#endif
