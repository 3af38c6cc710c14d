/* The layer of heapcheck=full.  Only mm/heap/heap.c puts it over a heap. */
#ifndef MM_HEAP_GUARD_H
#define MM_HEAP_GUARD_H

#include "mm/heap.h"

/* Puts the layer over a heap that has no block yet.
 * MM_TOO_SMALL  there is no room for the layer's own state */
enum mm_error heap_guard_init(struct heap *heap);

/* For heap_trim, whose caller is passed: gives back all blocks in quarantine.
 * In the middle of another call it does nothing. */
void heap_guard_trim(struct heap *heap, const void *caller);

/* heap_report_leaks for a heap with this layer. */
size_t heap_guard_leaks(struct heap *heap,
                        int (*print)(const char *format, ...)
                            __attribute__((format(printf, 1, 2))));

#endif
