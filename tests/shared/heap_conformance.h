/* What every back-end of the heap must do, in any region.
 *
 * The checks need no more than mm/heap.h and lib/string.h, so the same ones run
 * on the host under sanitizers and as self-tests in the kernel.  Each starts
 * with an empty heap; a fault that it finds goes to the caller's hook, and the
 * check ends.
 */
#ifndef TESTS_SHARED_HEAP_CONFORMANCE_H
#define TESTS_SHARED_HEAP_CONFORMANCE_H

#include "mm/heap.h"

#define HEAP_CONFORMANCE_BLOCKS 192

/* A block as the reference model knows it. */
struct heap_conformance_block {
    unsigned char *start; /* NULL: none */
    struct layout layout;
    uint64_t key; /* of the pattern that fills it */
};

struct heap_conformance;

struct heap_conformance_failure {
    const char *file;
    int line;
    const char *condition; /* that did not hold */
    uint64_t values[2];    /* what it was about; see the line */
    uint64_t operation;    /* of the randomised check */
};

/* The caller sets the fields up to region_name and zeroes the others; 8 KiB,
 * so better not on a kernel's stack. */
struct heap_conformance {
    const struct heap_backend *backend;
    struct heap_region region; /* at least 256 KiB, fresh for each check */
    uint64_t seed;             /* the same seed does the same operations */
    unsigned operations;       /* of the randomised check */
    unsigned audit_every;      /* as many of them; 0: after each one */
    void (*failed)(struct heap_conformance *run,
                   const struct heap_conformance_failure *failure);
    const char *region_name; /* for the report of failed, or NULL */

    struct heap heap;
    uint64_t random, operation, audits;
    bool refuse_growth;
    struct heap_conformance_block blocks[HEAP_CONFORMANCE_BLOCKS];
};

struct heap_conformance_check {
    const char *name;
    bool (*check)(struct heap_conformance *run);
};

/* All checks; the last one's name is NULL. */
extern const struct heap_conformance_check heap_conformance_checks[];

/* Runs one of them.  False if it failed.  Afterwards run->heap.region.size
 * tells how far the region has grown. */
bool heap_conformance_run(struct heap_conformance *run,
                          const struct heap_conformance_check *check);

/* Checks kmalloc and its family on the kernel-wide heap as it is, and leaves no
 * block behind; of run it uses only failed. */
bool heap_conformance_kmalloc(struct heap_conformance *run);

#endif
