/* mm/platform.h and lib/assert.h under a fuzzer: a failure ends the run, and
 * what is said of bad input is not shown. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/assert.h"
#include "mm/platform.h"

void assert_failed(const char *file, int line, const char *condition,
                   const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s:%d: %s: ", file, line, condition);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

void platform_log(const char *format, ...)
{
    (void)format;
}
