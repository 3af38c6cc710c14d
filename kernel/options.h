/* The kernel command line: words separated by spaces, `name` or `name=value`.
 * If a name occurs twice, the last one counts. */
#ifndef KERNEL_OPTIONS_H
#define KERNEL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Reads a command line, and forgets what was read before.  Warns of each word
 * that is no option; after the first one, also lists the options.  A value
 * longer than OPTION_VALUE_MAX - 1 characters is ignored with a warning. */
#define OPTION_VALUE_MAX 64
void options_init(const char *command_line);

/* The value of an option; "" if it was given without one, NULL if it was not
 * given.  The name must be in the table in options.c (asserted). */
const char *option(const char *name);

/* Prints the options for the command `help`, one line for each. */
void options_print(void);

#endif
