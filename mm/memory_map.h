/* What lies where in physical memory: one sorted list of typed ranges.
 *
 *      0        9f000   100000               7ffdf000         limit
 *      +--------+-------+--------------------+----------+ . . +
 *      | usable | reser-|       usable       | reserved | no  |
 *      |        | ved   |                    |          | memory
 *      +--------+-------+--------------------+----------+ . . +
 *       range[0] range[1]  range[2]            range[3]
 *
 * Firmware lists entries unsorted, overlapping, unaligned or past what the CPU
 * can address.  memory_map_add takes them as they come, in any order, and the
 * invariant holds after each call: ranges are page aligned, not empty, sorted,
 * disjoint and below the limit, and two that touch differ in type.  Pages in
 * no range are no memory at all.
 *
 * Used while one CPU boots and read-only after that: there is no lock.
 */
#ifndef MM_MEMORY_MAP_H
#define MM_MEMORY_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/address.h"
#include "mm/error.h"

/* In order of growing restriction: where two entries overlap, the later of
 * this list wins.  The types up to MEMORY_BOOT_ONLY are the frame
 * allocator's (memory_type_is_free); all others are kept for ever. */
#define MEMORY_TYPES(X)                                                        \
    /* free from the start */                                                  \
    X(MEMORY_USABLE, "usable")                                                 \
    /* code and data of EFI boot services: free once they were left */         \
    X(MEMORY_BOOT_SERVICES, "boot services")                                   \
    /* free, but slow: it is given out last */                                 \
    X(MEMORY_UNCACHED, "uncached")                                             \
    /* what the kernel started with: free once it has its own page table */    \
    X(MEMORY_BOOT_ONLY, "boot code")                                           \
    /* ACPI tables: RAM, but never given out */                                \
    X(MEMORY_ACPI_RECLAIMABLE, "ACPI reclaimable")                             \
    /* usable but below 1 MiB, kept for what only works down there */          \
    X(MEMORY_LOW, "low memory")                                                \
    /* the kernel image */                                                     \
    X(MEMORY_KERNEL, "kernel")                                                 \
    /* the loader's information block, and symbols that it placed */           \
    X(MEMORY_BOOT_INFO, "boot information")                                    \
    X(MEMORY_MODULE, "module")                                                 \
    X(MEMORY_FRAMEBUFFER, "framebuffer")                                       \
    /* page tables and frame trees: what boot_frames hands out */              \
    X(MEMORY_METADATA, "metadata")                                             \
    /* the firmware's own, across sleep states */                              \
    X(MEMORY_ACPI_NVS, "ACPI NVS")                                             \
    X(MEMORY_RESERVED, "reserved")                                             \
    /* reported broken */                                                      \
    X(MEMORY_BAD, "bad")

enum memory_type {
#define MEMORY_TYPE_ENUM(name, text) name,
    MEMORY_TYPES(MEMORY_TYPE_ENUM)
#undef MEMORY_TYPE_ENUM
};

/* Whether the frame allocator manages memory of this type. */
/*@ assigns \nothing;
    ensures \result <==> type <= MEMORY_BOOT_ONLY; */
static inline bool memory_type_is_free(enum memory_type type)
{
    return type <= MEMORY_BOOT_ONLY;
}

/* "usable", "ACPI NVS".  Any value is answered for; the string lives for
 * ever. */
/*@ assigns \nothing; */
const char *memory_type_name(enum memory_type type);

/* Page aligned, the end exclusive. */
struct memory_range {
    paddr_t start;
    paddr_t end;
    enum memory_type type;
};

/* BIOSes report up to 128 entries (Linux's boot protocol stops there) and
 * EFI up to some 300 descriptors, most of which merge; our reservations split
 * a few dozen more.  512 ranges cost 12 KiB. */
#define MEMORY_MAP_MAX 512

struct memory_map {
    paddr_t limit; /* first address that this CPU cannot form */
    unsigned count;
    struct memory_range range[MEMORY_MAP_MAX];
};

/* What the contracts speak of.  The invariant is memory_map_check's, and
 * `is_type` says what the map tells of one address.  What range i is made of
 * has names of its own, for the provers to hold on to.  The contracts of
 * memory_map_add and memory_map_raise stand in the .c file, as they name what
 * only that knows. */
/*@ logic integer range_start{L}(struct memory_map *map, integer i) =
        map->range[i].start;
    logic integer range_end{L}(struct memory_map *map, integer i) =
        map->range[i].end;
    logic integer range_type{L}(struct memory_map *map, integer i) =
        map->range[i].type;

    predicate good_limit{L}(struct memory_map *map) =
        0x2000 <= map->limit <= 0x10000000000000 && map->limit % 4096 == 0;

    predicate good_ranges{L}(struct memory_map *map) =
        map->count <= 512 &&
        (\forall integer i; 0 <= i < map->count ==>
             range_start(map, i) < range_end(map, i) <= map->limit &&
             range_start(map, i) % 4096 == 0 && range_end(map, i) % 4096 == 0 &&
             range_type(map, i) <= MEMORY_BAD) &&
        (\forall integer i, j; 0 <= i < j < map->count ==>
             range_end(map, i) <= range_start(map, j) &&
             (range_end(map, i) == range_start(map, j) ==>
                  range_type(map, i) != range_type(map, j)));

    predicate good_map{L}(struct memory_map *map) =
        good_limit(map) && good_ranges(map);

    predicate is_type{L}(struct memory_map *map, integer a, integer t) =
        \exists integer i; 0 <= i < map->count &&
            range_start(map, i) <= a < range_end(map, i) &&
            range_type(map, i) == t;

    predicate same_map{L1, L2}(struct memory_map *a, struct memory_map *b) =
        \at(a->limit, L1) == \at(b->limit, L2) &&
        \at(a->count, L1) == \at(b->count, L2) &&
        (\forall integer i; 0 <= i < \at(a->count, L1) ==>
             range_start{L1}(a, i) == range_start{L2}(b, i) &&
             range_end{L1}(a, i) == range_end{L2}(b, i) &&
             range_type{L1}(a, i) == range_type{L2}(b, i));

    lemma same_is_good{L1, L2}: \forall struct memory_map *a, *b;
        same_map{L1, L2}(a, b) && good_map{L1}(a) ==> good_map{L2}(b);

    lemma same_has_types{L1, L2}: \forall struct memory_map *a, *b,
        integer address, t; same_map{L1, L2}(a, b) ==>
            (is_type{L1}(a, address, t) <==> is_type{L2}(b, address, t));
*/

/* An empty map for a CPU with that many physical address bits, from
 * PAGE_SHIFT + 1 to PADDR_BITS_MAX (asserted). */
/*@ requires \valid(map) && 12 < paddr_bits <= 52;
    assigns  map->limit, map->count;
    ensures  good: good_map(map);
    ensures  empty: map->count == 0 && map->limit == 1 << paddr_bits;
*/
void memory_map_init(struct memory_map *map, unsigned paddr_bits);

/* Lays one range over the map; base and length are bytes and need no
 * alignment.  The order of calls makes no difference.  Types that
 * are given out lose their partial pages at both ends, the others gain them.
 * What lies beyond the limit, or beyond 2^64, is cut off.
 *
 * Otherwise nothing has changed and the answer is
 *   MM_EMPTY_RANGE   length is 0, or no whole page is left to be given out
 *   MM_OUT_OF_RANGE  all of it lies beyond the limit
 *   MM_TABLE_FULL    the result needs more than MEMORY_MAP_MAX ranges
 *   MM_BAD_ARGUMENT  no such type */
enum mm_error memory_map_add(struct memory_map *map, uint64_t base,
                             uint64_t length, enum memory_type type);

/* As memory_map_add, but only for the pages that are of the type from now:
 * other types and holes stay what they are.  to is the more restrictive of
 * the two, else MM_BAD_ARGUMENT.  On MM_TABLE_FULL a first part of the range
 * has changed. */
enum mm_error memory_map_raise(struct memory_map *map, uint64_t base,
                               uint64_t length, enum memory_type from,
                               enum memory_type to);

/* The range that holds the address, or NULL if no memory is there.  Valid
 * until the map changes. */
/*@ requires \valid_read(map) && good_map(map);
    assigns  \result \from map, map->count, address;
    ensures  none: \result == \null ==>
                 (\forall integer i; 0 <= i < map->count ==>
                      !(range_start(map, i) <= address < range_end(map, i)));
    ensures  some: \result != \null ==> \exists integer i;
                 0 <= i < map->count && \result == &map->range[i] &&
                 range_start(map, i) <= address < range_end(map, i);
*/
const struct memory_range *memory_map_find(const struct memory_map *map,
                                           paddr_t address);

/* Bytes of one type. */
/*@ requires \valid_read(map) && good_map(map);
    assigns  \nothing;
    ensures  \result <= map->limit;
*/
uint64_t memory_map_bytes(const struct memory_map *map, enum memory_type type);

/* Whether the invariant holds: an audit, for tests and for after the boot. */
/*@ requires \valid_read(map);
    assigns  \nothing;
    ensures  \result <==> good_ranges(map);
*/
bool memory_map_check(const struct memory_map *map);

#endif
