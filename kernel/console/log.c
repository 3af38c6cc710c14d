/* The log: see kernel/console/log.h. */
#include "kernel/console/log.h"

#include "kernel/console/console.h"
#include "lib/format.h"
#include "lib/string.h"

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static enum log_level most = LOG_INFO;

void log_line_v(enum log_level level, const char *room, const char *format,
                va_list arguments)
{
    if (level > most)
        return;
    char text[256];
    format_string_v(text, sizeof(text), format, arguments);
    bool plain = level >= LOG_INFO;
    printf("# %-10s %s%s%s\n", room, plain ? "" : level_names[level],
           plain ? "" : ": ", text);
}

void log_line(enum log_level level, const char *room, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line_v(level, room, format, arguments);
    va_end(arguments);
}

void log_set_level(enum log_level level)
{
    most = level;
}

bool log_level_find(const char *name, enum log_level *level)
{
    for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}
