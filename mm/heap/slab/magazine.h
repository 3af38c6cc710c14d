/* Magazines: blocks that are free, and ready to be handed out.
 *
 * A magazine holds up to `limit` rounds and is a stack of them.  Each CPU has
 * two a kind, the loaded one and the one loaded before it; behind them a depot
 * holds full ones for all CPUs (Bonwick and Adams, "Magazines and Vmem", USENIX
 * 2001).  With two, a CPU goes to the depot once in `limit` calls at most,
 * however allocations and frees alternate.
 *
 * Who uses them sees to it that nobody else does: see mm/cpu/cpu_section.h.
 */
#ifndef MM_HEAP_SLAB_MAGAZINE_H
#define MM_HEAP_SLAB_MAGAZINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct magazine {
    uint32_t count, limit;
    struct magazine *next; /* in a depot */
    void *rounds[0]; /* not []: one without any lies inside struct slab_heap */
};

/* In place of a magazine where there is none: never gives, never takes. */
#define MAGAZINE_NONE                                                          \
    {                                                                          \
        .count = 0, .limit = 0                                                 \
    }

static inline size_t magazine_bytes(unsigned limit)
{
    return sizeof(struct magazine) + limit * sizeof(void *);
}

static inline bool magazine_is_full(const struct magazine *magazine)
{
    return magazine->count == magazine->limit;
}

/* The magazine is not empty. */
static inline void *magazine_pop(struct magazine *magazine)
{
    uint32_t count = magazine->count - 1;

    magazine->count = count;
    return magazine->rounds[count];
}

/* The magazine is not full. */
static inline void magazine_push(struct magazine *magazine, void *round)
{
    uint32_t count = magazine->count;

    magazine->rounds[count] = round;
    magazine->count = count + 1;
}

/* A list of magazines. */
struct magazine_list {
    struct magazine *first;
    unsigned count;
};

static inline void magazine_list_add(struct magazine_list *list,
                                     struct magazine *magazine)
{
    magazine->next = list->first;
    list->first = magazine;
    list->count++;
}

/* NULL if there is none. */
static inline struct magazine *magazine_list_take(struct magazine_list *list)
{
    struct magazine *magazine = list->first;

    if (magazine) {
        list->first = magazine->next;
        list->count--;
    }
    return magazine;
}

#endif
