/* printf without a library: text goes to a sink, byte by byte.
 *
 * Conversions: %d %i %u %x %X %c %s %p %% with flags '-' '0', width (number or
 * *), precision of %s (number or *), and lengths hh h l ll z j t.  An unknown
 * conversion is printed as it is written, so that the mistake is noticed.
 */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

struct format_sink {
    void (*put)(struct format_sink *sink, char c);
};

/* Any context in which the sink may be used. */
void format_to(struct format_sink *sink, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* As snprintf: writes at most size bytes, including the terminating 0.  Returns
 * the length of the whole text. */
size_t format_string(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

size_t format_string_v(char *buffer, size_t size, const char *format,
                       va_list arguments) __attribute__((format(printf, 3, 0)));

#endif
