/* The log: each line is one fact, after the name of the part of the kernel that
 * reports it (`room`).
 *
 * Each line starts with "# ", so that it is a comment in the output of tests
 * (TAP).  Callable in any context, from the first C instruction on.
 */
#ifndef KERNEL_CONSOLE_LOG_H
#define KERNEL_CONSOLE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* log_line(LOG_INFO, "frame", "%u trees", n): without a newline at the end. */
void log_line(enum log_level level, const char *room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void log_line_v(enum log_level level, const char *room, const char *format,
                va_list arguments) __attribute__((format(printf, 3, 0)));

/* Drops lines of less important levels than this; LOG_INFO until it is called.
 */
void log_set_level(enum log_level level);

/* "error", "warning", "info" or "debug"; false if the name is none of them. */
bool log_level_find(const char *name, enum log_level *level);

#endif
