/* Memory type range registers: what is cached how, by physical address.
 *
 * The firmware sets them, on every CPU alike.  Where it forgot one, its view of
 * memory would differ from the others', so it is given what CPU 0 has.  Page
 * tables choose among what these allow.  Intel SDM, volume 3, section 11.11.
 */
#ifndef KERNEL_CPU_MTRR_H
#define KERNEL_CPU_MTRR_H

#include <stdbool.h>

#include "mm/memory_map.h"

/* Takes this CPU's as those that all should have: on CPU 0, before the others
 * are started.  Nothing on a CPU that has none. */
void mtrr_take(void);

/* Whether this CPU has what mtrr_take took. */
bool mtrr_is_same(void);

/* Gives this CPU what mtrr_take took, if it has something else; whether it had.
 * Interrupts must be off. */
bool mtrr_adopt(void);

/* Names in the log the free memory that this CPU's MTRRs leave other than
 * write-back: it works, but each access goes out to it.  In the map it becomes
 * MEMORY_UNCACHED, unless that is all there is.  On CPU 0. */
void mtrr_mark_slow_memory(struct memory_map *map);

#endif
