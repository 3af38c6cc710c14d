/* The kernel command line: words with spaces or tabs between, `name` or
 * `name=value`; quotes and backslashes as GRUB's shell has them.
 * Where a name comes twice, the last one counts. */
#ifndef KERNEL_OPTIONS_H
#define KERNEL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Forgets what was read before, reads the line, and warns of each word that is
 * no option, with the known ones.  A value that is longer than OPTION_VALUE_MAX
 * - 1 is warned of and left out; so is the last word if it may lack its end,
 * because the line was cut inside of it, and one with a quote that is open. */
#define OPTION_VALUE_MAX 64
void options_init(const char *command_line, bool last_is_cut);

/* The value of an option; "" if it was given without one, NULL if it was not
 * given.  The name must be in the table in options.c (asserted). */
const char *option(const char *name);

/* Prints the options for the command `help`, one line for each. */
void options_print(void);

#endif
