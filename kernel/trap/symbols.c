/* Looks up addresses in the table of function names. */
#include "kernel/trap/symbols.h"

#include <stddef.h>

#include "kernel/cpu/percpu.h"
#include "kernel/image.h"

struct symbol_place symbol_find(uint64_t address)
{
    if (address < (uint64_t)text_start || address >= (uint64_t)text_end)
        return (struct symbol_place){NULL, 0};
    unsigned low = 0, high = symbol_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (symbol_table[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return (struct symbol_place){NULL, 0};
    const struct symbol *symbol = &symbol_table[low - 1];
    return (struct symbol_place){symbol->name, address - symbol->address};
}

bool symbol_is_stack(uint64_t address)
{
    return address % 8 == 0 && percpu_is_stack(address);
}
