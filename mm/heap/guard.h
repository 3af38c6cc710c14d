/* The layer of heapcheck=full: for mm/heap/heap.c only, which puts it over a
 * heap.
 */
#ifndef MM_HEAP_GUARD_H
#define MM_HEAP_GUARD_H

#include "mm/heap.h"

/* Puts the layer over a heap in which there is no block yet.
 * MM_TOO_SMALL  there is no room for what the layer keeps itself */
enum mm_error heap_guard_init(struct heap *heap);

/* Gives back all that is in quarantine, for a caller of heap_trim; in the
 * middle of a call nothing. */
void heap_guard_trim(struct heap *heap, const void *caller);

/* For heap_report_leaks, on a heap with this layer. */
size_t heap_guard_leaks(struct heap *heap,
                        int (*print)(const char *format, ...)
                            __attribute__((format(printf, 1, 2))));

#endif
