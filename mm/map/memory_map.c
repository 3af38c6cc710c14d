/* See mm/memory_map.h.
 *
 * memory_map_add in one picture, laying T over a map where L restricts less
 * and H more than T:
 *
 *      before       | L      |    | H  | L |      | T   |
 *      new range         [----------------------------)
 *      after        | L |    T    | H  |        T           |
 *
 * The result is made beside the map, from left to right: of each old range
 * what lies before the new one, under it and after it, and the new one where
 * there was none.  Each piece is appended to the one before, or becomes part of
 * it; so the result is sorted, and as short as can be.  It replaces the map
 * once it is complete.
 *
 * Compilers skip comments that begin with @.  Above a function, one says what
 * it does; inside, the proof's steps, written out in proof/memory_map_steps.h.
 */
#include "mm/memory_map.h"

#include <stddef.h>

#include "lib/assert.h"

#ifdef __FRAMAC__
#include "proof/limit_facts.h"
#include "proof/memory_map_steps.h"
#endif

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

/* The result of memory_map_add while it is made.  12 KiB: too much for a
 * stack. */
static struct memory_map laid;

/*@ assigns \nothing;
    ensures \result == (a < b ? a : b); */
static paddr_t lower(paddr_t a, paddr_t b)
{
    return a < b ? a : b;
}

/*@ assigns \nothing;
    ensures \result == (a > b ? a : b); */
static paddr_t higher(paddr_t a, paddr_t b)
{
    return a > b ? a : b;
}

/*@ logic integer page_down(integer address) = address - address % 4096;

    logic integer page_up(integer address) = page_down(address + 4095);
*/

/* The pages' edges next to an address, by division: what the provers know, and
 * the same instruction as align_down's. */
/*@ assigns \nothing;
    ensures \result == page_down(address); */
static paddr_t page_at_or_below(paddr_t address)
{
    return address / PAGE_SIZE * PAGE_SIZE;
}

/*@ requires address <= 0x10000000000000;
    assigns  \nothing;
    ensures  \result == page_up(address); */
static paddr_t page_at_or_above(paddr_t address)
{
    return page_at_or_below(address + (PAGE_SIZE - 1));
}

/*@ assigns \nothing;
    ensures \result <==> type <= MEMORY_ACPI_RECLAIMABLE; */
static bool is_given_out(enum memory_type type)
{
    return type <= MEMORY_ACPI_RECLAIMABLE;
}

/*@ logic integer cut(integer address, integer limit) =
        address < limit ? address : limit;

    logic integer first_of(integer base, integer type) =
        type <= MEMORY_ACPI_RECLAIMABLE ? page_up(base) : page_down(base);

    logic integer end_of(integer base, integer length, integer type,
                         integer limit) =
        type <= MEMORY_ACPI_RECLAIMABLE
            ? page_down(cut(base + length, limit))
            : page_up(cut(base + length, limit));

    predicate page_range(struct memory_range r, integer limit) =
        r.start < r.end <= limit && r.start % 4096 == 0 &&
        r.end % 4096 == 0 && r.type <= MEMORY_BAD;
*/

/* Cuts the bytes at the limit and makes whole pages of them; there may be none:
 * start >= end. */
/*@ requires \valid_read(map) && good_limit(map);
    requires type <= MEMORY_BAD && base < map->limit;
    assigns  \nothing;
    ensures  pages: \result.start == first_of(base, type) &&
                 \result.end == end_of(base, length, type, map->limit) &&
                 \result.type == type;
    ensures  good: \result.start < \result.end ==>
                 page_range(\result, map->limit);
*/
static struct memory_range whole_pages(const struct memory_map *map,
                                       uint64_t base, uint64_t length,
                                       enum memory_type type)
{
    /* base + length may be past 2^64, the room below the limit never is; and
     * the limit is page aligned, so rounding up stays below it */
    paddr_t end = base + lower(length, map->limit - base);
    struct memory_range pages;

    if (is_given_out(type)) {
        pages.start = page_at_or_above(base);
        pages.end = page_at_or_below(end);
    } else {
        pages.start = page_at_or_below(base);
        pages.end = page_at_or_above(end);
    }
    pages.type = type;
    return pages;
}

/*@ requires \valid_read(map) && good_limit(map);
    assigns  \nothing;
    ensures  ok: \result == MM_OK <==> type <= MEMORY_BAD && length != 0 &&
                 base < map->limit && first_of(base, type) <
                     end_of(base, length, type, map->limit);
    ensures  type: \result == MM_BAD_ARGUMENT <==> type > MEMORY_BAD;
    ensures  range: \result == MM_OUT_OF_RANGE <==>
                 type <= MEMORY_BAD && length != 0 && base >= map->limit;
    ensures  which: \result == MM_OK || \result == MM_BAD_ARGUMENT ||
                 \result == MM_OUT_OF_RANGE || \result == MM_EMPTY_RANGE;
*/
static enum mm_error check_range(const struct memory_map *map, uint64_t base,
                                 uint64_t length, enum memory_type type)
{
    if ((unsigned)type >= MEMORY_TYPE_COUNT)
        return MM_BAD_ARGUMENT;
    if (length == 0)
        return MM_EMPTY_RANGE;
    if (base >= map->limit)
        return MM_OUT_OF_RANGE;

    struct memory_range pages = whole_pages(map, base, length, type);
    return pages.start < pages.end ? MM_OK : MM_EMPTY_RANGE;
}

/* What is laid so far: the last range ends at or below an address. */
/*@ predicate ends_by{L}(struct memory_map *map, integer address) =
        \forall integer i; 0 <= i < map->count ==> range_end(map, i) <= address;

    predicate same_start{L1, L2}(struct memory_map *map, integer n) =
        \forall integer i; 0 <= i < n ==>
            range_start{L1}(map, i) == range_start{L2}(map, i) &&
            range_end{L1}(map, i) == range_end{L2}(map, i) &&
            range_type{L1}(map, i) == range_type{L2}(map, i);
*/

/* Makes the last range longer. */
/*@ requires good_map(&laid) && 0 < laid.count;
    requires range_end(&laid, laid.count - 1) < last <= laid.limit;
    requires last % 4096 == 0;
    assigns  laid.range[laid.count - 1].end;
    ensures  good: good_map(&laid);
    ensures  last: ends_by(&laid, last);
    ensures  laid: \forall integer a, t;
                 is_type(&laid, a, t) <==> is_type{Pre}(&laid, a, t) ||
                 (range_end{Pre}(&laid, laid.count - 1) <= a < last &&
                  t == range_type{Pre}(&laid, laid.count - 1));
*/
static void extend_last(paddr_t last)
{
    laid.range[laid.count - 1].end = last;
}

/* Adds the pages first to last - 1 as a range of their own. */
/*@ requires good_map(&laid) && laid.count < 512 && ends_by(&laid, first);
    requires first < last <= laid.limit && kind <= MEMORY_BAD;
    requires first % 4096 == 0 && last % 4096 == 0;
    requires 0 < laid.count ==>
                 laid.range[laid.count - 1].end != first ||
                 laid.range[laid.count - 1].type != kind;
    assigns  laid.count, laid.range[laid.count];
    ensures  good: good_map(&laid);
    ensures  last: ends_by(&laid, last);
    ensures  laid: \forall integer a, t;
                 is_type(&laid, a, t) <==>
                 is_type{Pre}(&laid, a, t) || (first <= a < last && t == kind);
*/
static void push(paddr_t first, paddr_t last, enum memory_type kind)
{
    //@ STEPS_BEFORE_PUSH(first, kind)
    laid.range[laid.count].start = first;
    laid.range[laid.count].end = last;
    laid.range[laid.count].type = kind;
    laid.count++;
    //@ STEPS_PUSHED(first, last, kind)
}

/* Puts a range behind all that is laid, or makes it part of the last.  An
 * empty one is left out.  False if there is no room. */
/*@ requires good_map(&laid);
    requires start < end ==> ends_by(&laid, start) && end <= laid.limit &&
                 start % 4096 == 0 && end % 4096 == 0 && type <= MEMORY_BAD;
    assigns  laid.count, laid.range[0 .. 511];
    ensures  good: good_map(&laid);
    ensures  last: start < end && \result ==> ends_by(&laid, end);
    ensures  empty: start >= end ==> \result && \forall integer a;
                 ends_by{Pre}(&laid, a) ==> ends_by(&laid, a);
    ensures  laid: \result ==> \forall integer a, t;
                 is_type(&laid, a, t) <==>
                 is_type{Pre}(&laid, a, t) || (start <= a < end && t == type);
*/
static bool append(paddr_t start, paddr_t end, enum memory_type type)
{
    if (start >= end)
        return true;
    if (laid.count > 0 && laid.range[laid.count - 1].end == start &&
        laid.range[laid.count - 1].type == type) {
        //@ STEPS_JOINS(start, type)
        extend_last(end);
        return true;
    }
    if (laid.count >= MEMORY_MAP_MAX)
        return false;
    push(start, end, type);
    return true;
}

/* What a map says of an address once a range was laid over it: inside that, the
 * more restrictive of both. */
/*@ predicate is_memory{L}(struct memory_map *map, integer a) =
        \exists integer i; 0 <= i < map->count &&
            range_start(map, i) <= a < range_end(map, i);

    predicate overlaid_inside{L}(struct memory_map *map, integer type,
                                 integer a, integer t) =
        (!is_memory(map, a) && t == type) ||
        (\exists integer i; 0 <= i < map->count &&
             range_start(map, i) <= a < range_end(map, i) &&
             t == (range_type(map, i) > type ? range_type(map, i) : type));

    predicate overlaid{L}(struct memory_map *map, struct memory_range new,
                          integer a, integer t) =
        new.start <= a < new.end ? overlaid_inside(map, new.type, a, t)
                                 : is_type(map, a, t);
*/

/* What an old range leaves of itself outside the new one, what becomes of it
 * inside, and the part of the new one in the gap before it. */
/*@ predicate pieces(struct memory_range old, struct memory_range new,
                     integer seen, integer a, integer t) =
        old.start <= a < old.end
            ? t == (new.start <= a < new.end && new.type > old.type
                        ? new.type : old.type)
            : seen <= a < old.start && new.start <= a < new.end &&
              t == new.type;
*/

/* Lays the old range, the new one where it lies over it, and the new one where
 * nothing lies between `seen` and the old one. */
/*@ requires good_map(&laid) && ends_by(&laid, seen);
    requires page_range(old, laid.limit) && page_range(new, laid.limit);
    requires seen <= old.start && seen % 4096 == 0;
    assigns  laid.count, laid.range[0 .. 511];
    ensures  good: good_map(&laid);
    ensures  last: \result ==> ends_by(&laid, old.end);
    ensures  laid: \result ==> \forall integer a, t;
                 is_type(&laid, a, t) <==>
                 is_type{Pre}(&laid, a, t) || pieces(old, new, seen, a, t);
*/
static bool lay_pieces(struct memory_range old, struct memory_range new,
                       paddr_t seen)
{
    enum memory_type both = old.type > new.type ? old.type : new.type;

    if (!append(old.start, lower(old.end, new.start), old.type))
        return false;
    if (!append(higher(seen, new.start), lower(old.start, new.end), new.type))
        return false;
    if (!append(higher(old.start, new.start), lower(old.end, new.end), both))
        return false;
    return append(higher(old.start, new.end), old.end, old.type);
}

/* The same for range i of a map, which stays as it is. */
/*@ requires \valid_read(map) && \separated(&laid, map) && i < map->count;
    requires good_map(map) && good_map(&laid) && ends_by(&laid, seen);
    requires page_range(new, laid.limit) && map->limit == laid.limit;
    requires seen <= map->range[i].start && seen % 4096 == 0;
    assigns  laid.count, laid.range[0 .. 511];
    ensures  good: good_map(&laid);
    ensures  last: \result ==> ends_by(&laid, \old(map->range[i].end));
    ensures  laid: \result ==> \forall integer a, t;
                 is_type(&laid, a, t) <==>
                 is_type{Pre}(&laid, a, t) ||
                 pieces(\old(map->range[i]), new, seen, a, t);
    ensures  kept: same_map{Pre, Post}(map, map);
*/
static bool lay_one(const struct memory_map *map, unsigned i,
                    struct memory_range new, paddr_t seen)
{
    return lay_pieces(map->range[i], new, seen);
}

/* Lays the new range over the map.  False if the result does not fit. */
/*@ requires \valid_read(map) && good_map(map) && \separated(&laid, map);
    requires page_range(new, map->limit);
    assigns  laid;
    ensures  good: good_map(&laid) && laid.limit == map->limit;
    ensures  laid: \result ==> \forall integer a, t;
                 is_type(&laid, a, t) <==> overlaid{Pre}(map, new, a, t);
*/
static bool lay(const struct memory_map *map, struct memory_range new)
{
    paddr_t seen = 0; /* up to here the old ranges are laid */

    laid.limit = map->limit;
    laid.count = 0;
    //@ LOOP_LAY(map, new, i, seen)
    for (unsigned i = 0; i < map->count; i++) {
        //@ STEPS_LAY_NEXT(map, new, i, seen)
        bool fits = lay_one(map, i, new, seen);
        //@ STEPS_LAID_NEXT(map)
        if (!fits)
            return false;
        seen = map->range[i].end;
    }
    //@ STEPS_LAY_REST(map, new, seen)
    return append(higher(seen, new.start), new.end, new.type);
}

/* Makes the map what is laid. */
/*@ requires \valid(map) && \separated(&laid, map) && good_map(&laid);
    requires map->limit == laid.limit;
    assigns  map->count, map->range[0 .. 511];
    ensures  same: same_map{Pre, Post}(&laid, map);
*/
static void replace(struct memory_map *map)
{
    map->count = laid.count;
    //@ LOOP_REPLACE(map, i)
    for (unsigned i = 0; i < laid.count; i++) {
        map->range[i].start = laid.range[i].start;
        map->range[i].end = laid.range[i].end;
        map->range[i].type = laid.range[i].type;
        //@ STEPS_COPIED(map, i)
    }
}

/*@ requires \valid(map) && good_map(map) && \separated(&laid, map);
    assigns  *map, laid;
    ensures  good: good_map(map) && map->limit == \old(map->limit);
    ensures  refused: \result != MM_OK ==> same_map{Pre, Post}(map, map);
    ensures  laid: \result == MM_OK ==> \forall integer a, t;
                 is_type(map, a, t) <==>
                 (first_of(base, type) <= a <
                      end_of(base, length, type, \old(map->limit))
                      ? overlaid_inside{Pre}(map, type, a, t)
                      : is_type{Pre}(map, a, t));
    ensures  errors: \result == MM_OK || \result == MM_BAD_ARGUMENT ||
                 \result == MM_OUT_OF_RANGE || \result == MM_EMPTY_RANGE ||
                 \result == MM_TABLE_FULL;
*/
enum mm_error memory_map_add(struct memory_map *map, uint64_t base,
                             uint64_t length, enum memory_type type)
{
    ASSERT(map->count <= MEMORY_MAP_MAX, "count %u", map->count);
    enum mm_error error = check_range(map, base, length, type);

    if (error != MM_OK)
        return error;
    bool fits = lay(map, whole_pages(map, base, length, type));
    //@ assert kept: same_map{Pre, Here}(map, map);
    if (!fits)
        return MM_TABLE_FULL;
    replace(map);
    //@ assert good: good_map(map);
    return MM_OK;
}

/* Index of the first range that ends past the address, or count. */
/*@ requires \valid_read(map) && good_map(map);
    assigns  \nothing;
    ensures  \result <= map->count;
    ensures  \forall integer i; 0 <= i < \result ==>
                 range_end(map, i) <= address;
    ensures  \forall integer i; \result <= i < map->count ==>
                 address < range_end(map, i);
*/
static unsigned first_past(const struct memory_map *map, paddr_t address)
{
    ASSERT(map->count <= MEMORY_MAP_MAX, "count %u", map->count);
    unsigned low = 0;
    unsigned high = map->count;

    //@ LOOP_FIRST_PAST(map, address, low, high)
    while (low < high) {
        unsigned middle = (low + high) / 2;

        //@ STEPS_SORTED_AROUND(map, middle)
        if (map->range[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/*@ requires \valid(map) && good_map(map) && \separated(&laid, map);
    assigns  *map, laid;
    ensures  good: good_map(map) && map->limit == \old(map->limit);
*/
enum mm_error memory_map_raise(struct memory_map *map, uint64_t base,
                               uint64_t length, enum memory_type from,
                               enum memory_type to)
{
    enum mm_error error = check_range(map, base, length, to);

    if (error == MM_OK && from >= to)
        error = MM_BAD_ARGUMENT;
    if (error != MM_OK)
        return error;

    struct memory_range span = whole_pages(map, base, length, to);
    paddr_t at = span.start;
    //@ LOOP_RAISE(map, span, at, error)
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

    //@ LOOP_BYTES(map, i, bytes)
    for (unsigned i = 0; i < map->count; i++) {
        //@ STEPS_RANGE(map, i)
        if (map->range[i].type == type)
            bytes += map->range[i].end - map->range[i].start;
    }
    return bytes;
}

/* Whether range i is what it may be, and lies past the one before. */
/*@ predicate good_range{L}(struct memory_map *map, integer i) =
        range_start(map, i) < range_end(map, i) <= map->limit &&
        range_start(map, i) % 4096 == 0 && range_end(map, i) % 4096 == 0 &&
        range_type(map, i) <= MEMORY_BAD;

    predicate apart{L}(struct memory_map *map, integer i, integer j) =
        range_end(map, i) <= range_start(map, j) &&
        (range_end(map, i) == range_start(map, j) ==>
             range_type(map, i) != range_type(map, j));

    lemma bad_range{L}: \forall struct memory_map *map, integer i;
        0 <= i < map->count && !good_range(map, i) ==> !good_ranges(map);

    lemma bad_pair{L}: \forall struct memory_map *map, integer i, j;
        0 <= i < j < map->count && !apart(map, i, j) ==> !good_ranges(map);
*/

/*@ requires \valid_read(map) && i < map->count <= 512;
    assigns  \nothing;
    ensures  \result <==> good_range(map, i) &&
                 (0 < i ==> apart(map, i - 1, i));
*/
static bool range_is_good(const struct memory_map *map, unsigned i)
{
    const struct memory_range *range = &map->range[i];

    if (range->start >= range->end || range->end > map->limit ||
        range->start % PAGE_SIZE != 0 || range->end % PAGE_SIZE != 0 ||
        (unsigned)range->type >= MEMORY_TYPE_COUNT)
        return false;
    return i == 0 || range[-1].end < range->start ||
           (range[-1].end == range->start && range[-1].type != range->type);
}

bool memory_map_check(const struct memory_map *map)
{
    if (map->count > MEMORY_MAP_MAX)
        return false;
    //@ LOOP_CHECK(map, i)
    for (unsigned i = 0; i < map->count; i++) {
        if (!range_is_good(map, i))
            return false;
        //@ STEPS_CHECKED(map, i)
    }
    return true;
}
