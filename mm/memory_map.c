/* See mm/memory_map.h.
 *
 * memory_map_add in one picture, laying T over a map where L restricts less
 * and H more than T:
 *
 *      before       | L      |    | H  | L |      | T   |
 *      new range         [----------------------------)
 *      absorb            [----------------------------------)
 *      carve        | L |         | H  |
 *      fill         | L |    T    | H  |        T           |
 *
 * After absorb no T remains that touches the new range, so filling a gap
 * never merges, and the final count is known before anything changes.
 */
#include "mm/memory_map.h"

#include <stddef.h>

#include "lib/assert.h"
#include "lib/bits.h"

#define MEMORY_TYPE_COUNT (MEMORY_BAD + 1)

const char *memory_type_name(enum memory_type type)
{
    static const char *const names[MEMORY_TYPE_COUNT] = {
#define MEMORY_TYPE_NAME(name, text) [name] = text,
        MEMORY_TYPES(MEMORY_TYPE_NAME)
#undef MEMORY_TYPE_NAME
    };
    return (unsigned)type < MEMORY_TYPE_COUNT ? names[type] : "unknown";
}

void memory_map_init(struct memory_map *map, unsigned paddr_bits)
{
    ASSERT(paddr_bits > PAGE_SHIFT && paddr_bits <= PADDR_BITS_MAX,
           "paddr_bits %u", paddr_bits);
    map->limit = UINT64_C(1) << paddr_bits;
    map->count = 0;
}

static paddr_t lower(paddr_t a, paddr_t b)
{
    return a < b ? a : b;
}

static paddr_t higher(paddr_t a, paddr_t b)
{
    return a > b ? a : b;
}

static bool is_given_out(enum memory_type type)
{
    return type <= MEMORY_ACPI_RECLAIMABLE;
}

/* Cuts the bytes at the limit and makes whole pages of them. */
static enum mm_error whole_pages(const struct memory_map *map, uint64_t base,
                                 uint64_t length, enum memory_type type,
                                 struct memory_range *pages)
{
    if ((unsigned)type >= MEMORY_TYPE_COUNT)
        return MM_BAD_ARGUMENT;
    if (length == 0)
        return MM_EMPTY_RANGE;
    if (base >= map->limit)
        return MM_OUT_OF_RANGE;

    /* base + length may be past 2^64, the room below the limit never is; and
     * the limit is page aligned, so rounding up stays below it */
    paddr_t end = base + lower(length, map->limit - base);
    if (is_given_out(type)) {
        pages->start = align_up(base, PAGE_SIZE);
        pages->end = align_down(end, PAGE_SIZE);
    } else {
        pages->start = align_down(base, PAGE_SIZE);
        pages->end = align_up(end, PAGE_SIZE);
    }
    pages->type = type;
    return pages->start < pages->end ? MM_OK : MM_EMPTY_RANGE;
}

/* Widens the new range over its equals that touch it.  There is at most one
 * at each end: what lies beyond it has another type. */
static void absorb(const struct memory_map *map, struct memory_range *new)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];

        if (range->type == new->type && range->start <= new->end &&
            range->end >= new->start) {
            new->start = lower(new->start, range->start);
            new->end = higher(new->end, range->end);
        }
    }
}

/* Number of ranges once the new one, which has absorbed its equals, is in. */
static unsigned count_after(const struct memory_map *map,
                            const struct memory_range *new)
{
    unsigned count = 0;
    paddr_t covered = new->start; /* up to here no gap is left */

    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];

        if (range->end <= new->start || range->start >= new->end) {
            count++;
        } else if (range->type > new->type) {
            count += range->start > covered ? 2 : 1;
            covered = range->end;
        } else { /* its remains on either side */
            count += range->start < new->start;
            count += range->end > new->end;
        }
    }
    return count + (covered < new->end);
}

static void insert_range(struct memory_map *map, unsigned index, paddr_t start,
                         paddr_t end, enum memory_type type)
{
    struct memory_range carried = {start, end, type};

    ASSERT(map->count < MEMORY_MAP_MAX && index <= map->count, "index %u of %u",
           index, map->count);
    for (unsigned i = index; i < map->count; i++) {
        struct memory_range next = map->range[i];
        map->range[i] = carried;
        carried = next;
    }
    map->range[map->count++] = carried;
}

static void remove_range(struct memory_map *map, unsigned index)
{
    ASSERT(index < map->count && map->count <= MEMORY_MAP_MAX, "index %u of %u",
           index, map->count);
    map->count--;
    for (unsigned i = index; i < map->count; i++) {
        struct memory_range next = map->range[i + 1];
        map->range[i] = next;
    }
}

/* Takes what does not restrict more than the new range out from under it. */
static void carve(struct memory_map *map, const struct memory_range *new)
{
    for (unsigned i = 0; i < map->count;) {
        struct memory_range *range = &map->range[i];
        struct memory_range old = *range;

        if (old.type > new->type || old.end <= new->start ||
            old.start >= new->end) {
            i++;
        } else if (old.start < new->start && old.end > new->end) {
            range->end = new->start;
            insert_range(map, i + 1, new->end, old.end, old.type);
            return; /* no other range is under the new one */
        } else if (old.start < new->start) {
            range->end = new->start;
            i++;
        } else if (old.end > new->end) {
            range->start = new->end;
            i++;
        } else {
            remove_range(map, i);
        }
    }
}

/* Puts the new range into the gaps that are left where it lies. */
static void fill(struct memory_map *map, const struct memory_range *new)
{
    paddr_t at = new->start;

    for (unsigned i = 0; i < MEMORY_MAP_MAX && at < new->end; i++) {
        if (i >= map->count)
            break;
        paddr_t start = map->range[i].start;
        if (map->range[i].end <= at)
            continue;
        if (at < start)
            insert_range(map, i, at, lower(start, new->end), new->type);
        at = map->range[i].end;
    }
    if (at < new->end)
        insert_range(map, map->count, at, new->end, new->type);
}

enum mm_error memory_map_add(struct memory_map *map, uint64_t base,
                             uint64_t length, enum memory_type type)
{
    ASSERT(map->count <= MEMORY_MAP_MAX, "count %u", map->count);
    struct memory_range new;
    enum mm_error error = whole_pages(map, base, length, type, &new);

    if (error != MM_OK)
        return error;
    absorb(map, &new);
    if (count_after(map, &new) > MEMORY_MAP_MAX)
        return MM_TABLE_FULL;
    carve(map, &new);
    fill(map, &new);
    return MM_OK;
}

/* Index of the first range that ends past the address, or count. */
static unsigned first_past(const struct memory_map *map, paddr_t address)
{
    ASSERT(map->count <= MEMORY_MAP_MAX, "count %u", map->count);
    unsigned low = 0;
    unsigned high = map->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (map->range[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

enum mm_error memory_map_raise(struct memory_map *map, uint64_t base,
                               uint64_t length, enum memory_type from,
                               enum memory_type to)
{
    struct memory_range span;
    enum mm_error error = whole_pages(map, base, length, to, &span);

    if (error == MM_OK && from >= to)
        error = MM_BAD_ARGUMENT;
    if (error != MM_OK)
        return error;

    paddr_t at = span.start;
    while (at < span.end) {
        unsigned i = first_past(map, at);
        if (i >= map->count || map->range[i].start >= span.end)
            break;

        paddr_t start = higher(at, map->range[i].start);
        paddr_t end = lower(span.end, map->range[i].end);
        if (map->range[i].type == from) {
            error = memory_map_add(map, start, end - start, to);
            if (error != MM_OK)
                return error;
        }
        at = end;
    }
    return MM_OK;
}

const struct memory_range *memory_map_find(const struct memory_map *map,
                                           paddr_t address)
{
    unsigned i = first_past(map, address);

    if (i >= map->count || map->range[i].start > address)
        return NULL;
    return &map->range[i];
}

uint64_t memory_map_bytes(const struct memory_map *map, enum memory_type type)
{
    ASSERT(map->count <= MEMORY_MAP_MAX, "count %u", map->count);
    uint64_t bytes = 0;

    for (unsigned i = 0; i < map->count; i++)
        if (map->range[i].type == type)
            bytes += map->range[i].end - map->range[i].start;
    return bytes;
}

bool memory_map_check(const struct memory_map *map)
{
    if (map->count > MEMORY_MAP_MAX)
        return false;
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];

        if (range->start >= range->end || range->end > map->limit ||
            !is_aligned(range->start, PAGE_SIZE) ||
            !is_aligned(range->end, PAGE_SIZE) ||
            (unsigned)range->type >= MEMORY_TYPE_COUNT)
            return false;
        if (i > 0 &&
            (range[-1].end > range->start ||
             (range[-1].end == range->start && range[-1].type == range->type)))
            return false;
    }
    return true;
}
