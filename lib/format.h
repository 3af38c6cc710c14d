/* printf without a library: text goes to a sink, a byte at a time.
 *
 * Conversions: %d %i %u %x %X %c %s %p %% with flags '-' '0', width (number or
 * *), precision of %s (number or *), and lengths hh h l ll z j t.  An unknown
 * conversion is printed as it stands, so that a mistake is seen.
 */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

struct format_sink {
    void (*put)(struct format_sink *sink, char c);
};

/* Any context that may use the sink. */
void format_to(struct format_sink *sink, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* As snprintf: at most size bytes with the terminating 0; returns the length
 * that the whole text has. */
size_t format_string(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

size_t format_string_v(char *buffer, size_t size, const char *format,
                       va_list arguments) __attribute__((format(printf, 3, 0)));

#endif
