/* The kernel command line: words with spaces between, `name` or `name=value`.
 * Where a name comes twice, the last one counts. */
#ifndef KERNEL_OPTIONS_H
#define KERNEL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Forgets what was read before, reads the line, and warns of each word that is
 * no option, with the known ones.  A value that is longer than OPTION_VALUE_MAX
 * - 1 is warned of and left out. */
#define OPTION_VALUE_MAX 64
void options_init(const char *command_line);

/* The value, "" for an option without one, NULL for one that was not given.
 * The name must be one of the table in options.c (asserted). */
const char *option(const char *name);

/* For the monitor's help: one line an option. */
void options_print(void);

#endif
