/* The console: the first serial port. */
#include "kernel/console.h"

#include <stdarg.h>
#include <stdbool.h>

#include "drivers/serial.h"
#include "lib/format.h"

static bool ready;

void console_init(void)
{
    if (ready)
        return;
    ready = true;
    serial_init();
}

struct console_sink {
    struct format_sink sink;
    int printed;
};

static void put(struct format_sink *sink, char c)
{
    if (c == '\n')
        serial_put('\r');
    serial_put(c);
    ((struct console_sink *)sink)->printed++;
}

int printf(const char *format, ...)
{
    struct console_sink console = {{put}, 0};
    console_init();
    va_list arguments;
    va_start(arguments, format);
    format_to(&console.sink, format, arguments);
    va_end(arguments);
    return console.printed;
}

char console_get(void)
{
    for (;;) {
        int c = serial_get();
        if (c >= 0)
            return (char)c;
        __asm__ volatile("pause");
    }
}
