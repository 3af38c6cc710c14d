/* The log: one line a fact, with the room it comes from in front.
 *
 * Inside a TAP stream each line starts with "# ", so that it stays a comment.
 * Callable in any context, from the first C instruction on.
 */
#ifndef KERNEL_CONSOLE_LOG_H
#define KERNEL_CONSOLE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* log_line(LOG_INFO, "frame", "%u trees", n): no newline at the end. */
void log_line(enum log_level level, const char *room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void log_line_v(enum log_level level, const char *room, const char *format,
                va_list arguments) __attribute__((format(printf, 3, 0)));

/* Lines above this level are dropped; LOG_INFO at first. */
void log_set_level(enum log_level level);

/* "error", "warning", "info" or "debug"; false if the name is none of them. */
bool log_level_find(const char *name, enum log_level *level);

#endif
