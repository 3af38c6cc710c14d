/* Other allocators, which the heap is held against: on the host, those of
 * Debian; the kernel has none. */
#ifndef BENCH_HEAP_PEERS_H
#define BENCH_HEAP_PEERS_H

#include <stddef.h>

struct heap_peer {
    const char *name;
    void *(*malloc)(size_t size);
    void (*free)(void *block);
    void *(*realloc)(void *block, size_t size);

    /* Gives back to the system what it can, if asked by a program. */
    void (*trim)(void);
};

/* Their names, counted from 0; then NULL. */
const char *heap_peer_name(unsigned number);

/* NULL: it is not installed; bench_cannot was told. */
const struct heap_peer *heap_peer(unsigned number);

#endif
