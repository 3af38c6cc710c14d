/* The names of the kernel's functions, for reports.
 *
 * tools/symbols.awk makes the table from the linked image.  Then the image is
 * linked again with the table at its end, so that no address changes.
 */
#ifndef KERNEL_TRAP_SYMBOLS_H
#define KERNEL_TRAP_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

struct symbol {
    uint64_t address;
    const char *name;
};

/* In the order of their addresses. */
extern const struct symbol symbol_table[];
extern const unsigned symbol_count;

struct symbol_place {
    const char *name; /* NULL: not in the kernel's code */
    uint64_t offset;  /* bytes after the function's start */
};

struct symbol_place symbol_find(uint64_t address);

/* Whether a saved frame pointer may be followed: it is aligned, and the 16
 * bytes at it lie in one of the stacks. */
bool symbol_is_stack(uint64_t address);

#endif
