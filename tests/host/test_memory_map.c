/* mm/map/memory_map.c: tables of awkward maps, and random ones against a model
 * that keeps one byte a page. */
/* sources: mm/map/memory_map.c */
#include "tests/host/platform_host.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bits.h"
#include "mm/memory_map.h"

#define ENTRIES_MAX 24
#define SHUFFLES    200

struct entry {
    uint64_t base;
    uint64_t length;
    enum memory_type type;
    enum mm_error error;
};

struct map_case {
    const char *name;
    unsigned paddr_bits;
    struct entry add[ENTRIES_MAX]; /* up to the first of all zeros */
    struct memory_range expect[ENTRIES_MAX];
};

#define P PAGE_SIZE

static const struct map_case cases[] = {
    {"nothing", 40, {{0}}, {{0}}},
    {"one", 40, {{0, P, MEMORY_USABLE, MM_OK}}, {{0, P, MEMORY_USABLE}}},
    {"unsorted",
     40,
     {{8 * P, P, MEMORY_USABLE, MM_OK},
      {2 * P, P, MEMORY_RESERVED, MM_OK},
      {4 * P, P, MEMORY_USABLE, MM_OK}},
     {{2 * P, 3 * P, MEMORY_RESERVED},
      {4 * P, 5 * P, MEMORY_USABLE},
      {8 * P, 9 * P, MEMORY_USABLE}}},
    {"equal neighbours merge",
     40,
     {{P, P, MEMORY_USABLE, MM_OK},
      {3 * P, P, MEMORY_USABLE, MM_OK},
      {2 * P, P, 0, MM_OK}},
     {{P, 4 * P, MEMORY_USABLE}}},
    {"unequal neighbours do not",
     40,
     {{P, P, MEMORY_USABLE, MM_OK}, {2 * P, P, MEMORY_BOOT_SERVICES, MM_OK}},
     {{P, 2 * P, MEMORY_USABLE}, {2 * P, 3 * P, MEMORY_BOOT_SERVICES}}},
    {"overlap of equals",
     40,
     {{P, 5 * P, MEMORY_USABLE, MM_OK}, {3 * P, 5 * P, MEMORY_USABLE, MM_OK}},
     {{P, 8 * P, MEMORY_USABLE}}},
    {"same place, two types",
     40,
     {{P, P, MEMORY_ACPI_NVS, MM_OK}, {P, P, MEMORY_ACPI_RECLAIMABLE, MM_OK}},
     {{P, 2 * P, MEMORY_ACPI_NVS}}},
    {"restrictive in the middle",
     40,
     {{0, 9 * P, MEMORY_USABLE, MM_OK}, {3 * P, P, MEMORY_BAD, MM_OK}},
     {{0, 3 * P, MEMORY_USABLE},
      {3 * P, 4 * P, MEMORY_BAD},
      {4 * P, 9 * P, MEMORY_USABLE}}},
    {"restrictive at the start",
     40,
     {{2 * P, 9 * P, MEMORY_USABLE, MM_OK}, {2 * P, P, MEMORY_KERNEL, MM_OK}},
     {{2 * P, 3 * P, MEMORY_KERNEL}, {3 * P, 11 * P, MEMORY_USABLE}}},
    {"restrictive at the end",
     40,
     {{2 * P, 9 * P, MEMORY_USABLE, MM_OK}, {10 * P, P, MEMORY_MODULE, MM_OK}},
     {{2 * P, 10 * P, MEMORY_USABLE}, {10 * P, 11 * P, MEMORY_MODULE}}},
    {"restrictive across the start",
     40,
     {{2 * P, 9 * P, MEMORY_USABLE, MM_OK}, {P, 2 * P, MEMORY_RESERVED, MM_OK}},
     {{P, 3 * P, MEMORY_RESERVED}, {3 * P, 11 * P, MEMORY_USABLE}}},
    {"restrictive across the end",
     40,
     {{2 * P, 9 * P, MEMORY_USABLE, MM_OK},
      {10 * P, 2 * P, MEMORY_RESERVED, MM_OK}},
     {{2 * P, 10 * P, MEMORY_USABLE}, {10 * P, 12 * P, MEMORY_RESERVED}}},
    {"restrictive over all",
     40,
     {{2 * P, P, MEMORY_USABLE, MM_OK},
      {4 * P, P, MEMORY_USABLE, MM_OK},
      {P, 5 * P, MEMORY_RESERVED, MM_OK}},
     {{P, 6 * P, MEMORY_RESERVED}}},
    {"usable over many fills the gaps only",
     40,
     {{2 * P, P, MEMORY_RESERVED, MM_OK},
      {4 * P, P, MEMORY_ACPI_NVS, MM_OK},
      {5 * P, P, MEMORY_BAD, MM_OK},
      {P, 6 * P, MEMORY_USABLE, MM_OK}},
     {{P, 2 * P, MEMORY_USABLE},
      {2 * P, 3 * P, MEMORY_RESERVED},
      {3 * P, 4 * P, MEMORY_USABLE},
      {4 * P, 5 * P, MEMORY_ACPI_NVS},
      {5 * P, 6 * P, MEMORY_BAD},
      {6 * P, 7 * P, MEMORY_USABLE}}},
    {"middle type joins its equals across a gap",
     40,
     {{0, 2 * P, MEMORY_MODULE, MM_OK},
      {5 * P, 2 * P, MEMORY_MODULE, MM_OK},
      {3 * P, P, MEMORY_USABLE, MM_OK},
      {P, 5 * P, MEMORY_MODULE, MM_OK}},
     {{0, 7 * P, MEMORY_MODULE}}},
    {"usable is rounded inward",
     40,
     {{P + 1, 3 * P, MEMORY_USABLE, MM_OK}},
     {{2 * P, 4 * P, MEMORY_USABLE}}},
    {"so are boot services and ACPI tables",
     40,
     {{P - 1, P + 2, MEMORY_BOOT_SERVICES, MM_OK},
      {4 * P - 1, P + 1, MEMORY_ACPI_RECLAIMABLE, MM_OK}},
     {{P, 2 * P, MEMORY_BOOT_SERVICES},
      {4 * P, 5 * P, MEMORY_ACPI_RECLAIMABLE}}},
    {"reserved is rounded outward",
     40,
     {{P + 1, 2 * P, MEMORY_RESERVED, MM_OK}},
     {{P, 4 * P, MEMORY_RESERVED}}},
    {"one byte",
     40,
     {{5 * P + 7, 1, MEMORY_RESERVED, MM_OK},
      {7 * P + 7, 1, MEMORY_USABLE, MM_EMPTY_RANGE}},
     {{5 * P, 6 * P, MEMORY_RESERVED}}},
    {"a page shared by usable and reserved",
     40,
     {{0, 0x9fc00, MEMORY_USABLE, MM_OK},
      {0x9fc00, 0x400, MEMORY_RESERVED, MM_OK}},
     {{0, 0x9f000, MEMORY_USABLE}, {0x9f000, 0xa0000, MEMORY_RESERVED}}},
    {"nearly a page, twice",
     40,
     {{1, 2 * P - 2, MEMORY_USABLE, MM_EMPTY_RANGE}},
     {{0}}},
    {"zero length",
     40,
     {{P, 0, MEMORY_RESERVED, MM_EMPTY_RANGE},
      {UINT64_MAX, 0, MEMORY_USABLE, MM_EMPTY_RANGE}},
     {{0}}},
    {"no such type",
     40,
     {{P, P, MEMORY_BAD + 1, MM_BAD_ARGUMENT},
      {P, P, (enum memory_type) - 1, MM_BAD_ARGUMENT}},
     {{0}}},
    {"to the last byte of the address space",
     40,
     {{TIB - P, UINT64_MAX - (TIB - P) + 1, MEMORY_USABLE, MM_OK}},
     {{TIB - P, TIB, MEMORY_USABLE}}},
    {"past the last byte",
     40,
     {{TIB - P, UINT64_MAX, MEMORY_RESERVED, MM_OK},
      {P, UINT64_MAX, MEMORY_USABLE, MM_OK}},
     {{P, TIB - P, MEMORY_USABLE}, {TIB - P, TIB, MEMORY_RESERVED}}},
    {"everything",
     52,
     {{0, UINT64_MAX, 0, MM_OK}},
     {{0, UINT64_C(1) << 52, 0}}},
    {"past the CPU's width",
     36,
     {{64 * GIB - 2 * P, 4 * P, MEMORY_USABLE, MM_OK},
      {64 * GIB, P, MEMORY_USABLE, MM_OUT_OF_RANGE},
      {64 * GIB, P, MEMORY_RESERVED, MM_OUT_OF_RANGE},
      {UINT64_MAX, 1, MEMORY_RESERVED, MM_OUT_OF_RANGE}},
     {{64 * GIB - 2 * P, 64 * GIB, MEMORY_USABLE}}},
    {"reserved in the last page below the width",
     36,
     {{64 * GIB - 1, 1, MEMORY_RESERVED, MM_OK}},
     {{64 * GIB - P, 64 * GIB, MEMORY_RESERVED}}},
    {"near 1 TiB",
     46,
     {{UINT64_C(0xfd00000000), UINT64_C(0x300000000), MEMORY_RESERVED, MM_OK},
      {4 * GIB, 4 * TIB, MEMORY_USABLE, MM_OK},
      {0, 2 * GIB, MEMORY_USABLE, MM_OK}},
     {{0, 2 * GIB, MEMORY_USABLE},
      {4 * GIB, UINT64_C(0xfd00000000), MEMORY_USABLE},
      {UINT64_C(0xfd00000000), TIB, MEMORY_RESERVED},
      {TIB, 4 * TIB + 4 * GIB, MEMORY_USABLE}}},
    {"SeaBIOS on a q35 with 4 GiB",
     40,
     {{0x0, 0x9fc00, MEMORY_USABLE, MM_OK},
      {0x9fc00, 0x400, MEMORY_RESERVED, MM_OK},
      {0xf0000, 0x10000, MEMORY_RESERVED, MM_OK},
      {0x100000, 0x7fedf000, MEMORY_USABLE, MM_OK},
      {0x7ffdf000, 0x21000, MEMORY_RESERVED, MM_OK},
      {0xb0000000, 0x10000000, MEMORY_RESERVED, MM_OK},
      {0xfed1c000, 0x4000, MEMORY_RESERVED, MM_OK},
      {0xfffc0000, 0x40000, MEMORY_RESERVED, MM_OK},
      {0x100000000, 0x80000000, MEMORY_USABLE, MM_OK},
      {0xfd00000000, 0x300000000, MEMORY_RESERVED, MM_OK}},
     {{0x0, 0x9f000, MEMORY_USABLE},
      {0x9f000, 0xa0000, MEMORY_RESERVED},
      {0xf0000, 0x100000, MEMORY_RESERVED},
      {0x100000, 0x7ffdf000, MEMORY_USABLE},
      {0x7ffdf000, 0x80000000, MEMORY_RESERVED},
      {0xb0000000, 0xc0000000, MEMORY_RESERVED},
      {0xfed1c000, 0xfed20000, MEMORY_RESERVED},
      {0xfffc0000, 0x100000000, MEMORY_RESERVED},
      {0x100000000, 0x180000000, MEMORY_USABLE},
      {0xfd00000000, 0x10000000000, MEMORY_RESERVED}}},
    {"OVMF on a pc with 64 MiB",
     40,
     {{0x0, 0xa0000, MEMORY_USABLE, MM_OK},
      {0x100000, 0x700000, MEMORY_USABLE, MM_OK},
      {0x800000, 0x8000, MEMORY_ACPI_NVS, MM_OK},
      {0x808000, 0x3000, MEMORY_USABLE, MM_OK},
      {0x80b000, 0x1000, MEMORY_ACPI_NVS, MM_OK},
      {0x80c000, 0x4000, MEMORY_USABLE, MM_OK},
      {0x810000, 0xf0000, MEMORY_ACPI_NVS, MM_OK},
      {0x900000, 0x21bb000, MEMORY_USABLE, MM_OK},
      {0x2abb000, 0xc1000, MEMORY_RESERVED, MM_OK},
      {0x2b7c000, 0x971000, MEMORY_USABLE, MM_OK},
      {0x34ed000, 0x100000, MEMORY_RESERVED, MM_OK},
      {0x35ed000, 0x100000, MEMORY_RESERVED, MM_OK},
      {0x36ed000, 0x80000, MEMORY_RESERVED, MM_OK},
      {0x376d000, 0x12000, MEMORY_ACPI_RECLAIMABLE, MM_OK},
      {0x377f000, 0x80000, MEMORY_ACPI_NVS, MM_OK},
      {0x37ff000, 0x759000, MEMORY_USABLE, MM_OK},
      {0x3f58000, 0x20000, MEMORY_RESERVED, MM_OK},
      {0x3f78000, 0x88000, MEMORY_ACPI_NVS, MM_OK}},
     {{0x0, 0xa0000, MEMORY_USABLE},
      {0x100000, 0x800000, MEMORY_USABLE},
      {0x800000, 0x808000, MEMORY_ACPI_NVS},
      {0x808000, 0x80b000, MEMORY_USABLE},
      {0x80b000, 0x80c000, MEMORY_ACPI_NVS},
      {0x80c000, 0x810000, MEMORY_USABLE},
      {0x810000, 0x900000, MEMORY_ACPI_NVS},
      {0x900000, 0x2abb000, MEMORY_USABLE},
      {0x2abb000, 0x2b7c000, MEMORY_RESERVED},
      {0x2b7c000, 0x34ed000, MEMORY_USABLE},
      {0x34ed000, 0x376d000, MEMORY_RESERVED},
      {0x376d000, 0x377f000, MEMORY_ACPI_RECLAIMABLE},
      {0x377f000, 0x37ff000, MEMORY_ACPI_NVS},
      {0x37ff000, 0x3f58000, MEMORY_USABLE},
      {0x3f58000, 0x3f78000, MEMORY_RESERVED},
      {0x3f78000, 0x4000000, MEMORY_ACPI_NVS}}},
};

static struct memory_map map;

static bool is_blank(const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;

    for (size_t i = 0; i < size; i++)
        if (byte[i] != 0)
            return false;
    return true;
}

static void run_case(const struct map_case *c, const struct entry *add,
                     unsigned count)
{
    unsigned expected = 0;

    memory_map_init(&map, c->paddr_bits);
    for (unsigned i = 0; i < count; i++) {
        enum mm_error error =
            memory_map_add(&map, add[i].base, add[i].length, add[i].type);
        if (error != add[i].error)
            fail_msg("%s: entry at %#lx: error %u, not %u", c->name,
                     add[i].base, error, add[i].error);
        if (!memory_map_check(&map))
            fail_msg("%s: invariant broken by the entry at %#lx", c->name,
                     add[i].base);
    }
    while (!is_blank(&c->expect[expected], sizeof c->expect[0]))
        expected++;
    if (map.count != expected)
        fail_msg("%s: %u ranges, not %u", c->name, map.count, expected);
    for (unsigned i = 0; i < expected; i++)
        if (map.range[i].start != c->expect[i].start ||
            map.range[i].end != c->expect[i].end ||
            map.range[i].type != c->expect[i].type)
            fail_msg("%s: range %u is %#lx-%#lx %s", c->name, i,
                     map.range[i].start, map.range[i].end,
                     memory_type_name(map.range[i].type));
}

static void cases_hold_in_any_order(void **state)
{
    (void)state;
    srand(1);
    for (unsigned k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct entry add[ENTRIES_MAX];
        unsigned count = 0;

        memcpy(add, cases[k].add, sizeof add);
        while (!is_blank(&add[count], sizeof add[0]))
            count++;
        run_case(&cases[k], add, count);
        for (unsigned n = 0; n < SHUFFLES; n++) {
            for (unsigned i = count; i > 1; i--) {
                unsigned j = (unsigned)rand() % i;
                struct entry swap = add[i - 1];
                add[i - 1] = add[j];
                add[j] = swap;
            }
            run_case(&cases[k], add, count);
        }
    }
}

/* The model: the type of each page, or NO_MEMORY. */

#define MODEL_PAGES_MAX 2048
#define NO_MEMORY       0xff

static uint8_t model[MODEL_PAGES_MAX];

static uint8_t overlaid(uint8_t old, unsigned page, uint64_t base,
                        uint64_t length, enum memory_type type)
{
    uint64_t end = base + length;
    uint64_t start = page * P;
    bool covers = type < MEMORY_LOW ? base <= start && end >= start + P
                                    : base < start + P && end > start;

    return covers && length > 0 && (old == NO_MEMORY || type > old)
               ? (uint8_t)type
               : old;
}

static unsigned runs_in(const uint8_t *pages, unsigned count)
{
    unsigned runs = 0;

    for (unsigned i = 0; i < count; i++)
        if (pages[i] != NO_MEMORY && (i == 0 || pages[i] != pages[i - 1]))
            runs++;
    return runs;
}

static void assert_map_is_model(unsigned pages)
{
    uint64_t bytes[MEMORY_BAD + 1] = {0};

    assert_true(memory_map_check(&map));
    assert_int_equal(map.count, runs_in(model, pages));
    for (unsigned i = 0; i < pages; i++) {
        const struct memory_range *range =
            memory_map_find(&map, i * P + (unsigned)rand() % P);
        if (model[i] == NO_MEMORY) {
            assert_null(range);
            continue;
        }
        assert_non_null(range);
        assert_int_equal(range->type, model[i]);
        assert_true(range->start <= i * P && range->end > i * P);
        bytes[model[i]] += P;
    }
    for (unsigned type = 0; type <= MEMORY_BAD; type++)
        assert_int_equal(memory_map_bytes(&map, type), bytes[type]);
}

static uint64_t random_below(uint64_t limit)
{
    return ((uint64_t)rand() << 31 | (uint64_t)rand()) % limit;
}

static void random_adds_and_raises_match_the_model(void **state)
{
    enum { BITS = 18, PAGES = 64, ROUNDS = 4000, CALLS = 20 };
    (void)state;
    srand(2);
    for (unsigned round = 0; round < ROUNDS; round++) {
        memory_map_init(&map, BITS);
        memset(model, NO_MEMORY, sizeof model);
        for (unsigned call = 0; call < CALLS; call++) {
            uint64_t base = random_below(PAGES * P);
            uint64_t length = random_below(PAGES * P / 4);
            enum memory_type from = (unsigned)rand() % (MEMORY_BAD + 1);
            enum memory_type to = (unsigned)rand() % (MEMORY_BAD + 1);
            bool raise = rand() % 3 == 0 && from < to;

            if (rand() % 2 == 0) {
                base &= ~(P - 1);
                length &= ~(P - 1);
            }
            for (unsigned i = 0; i < PAGES; i++)
                if (!raise || model[i] == from)
                    model[i] = overlaid(model[i], i, base, length, to);
            if (raise)
                memory_map_raise(&map, base, length, from, to);
            else
                memory_map_add(&map, base, length, to);
            assert_map_is_model(PAGES);
        }
    }
}

/* Single pages of random types fill the table again and again. */
static void a_full_table_changes_nothing(void **state)
{
    enum { BITS = 23, PAGES = 2048, CALLS = 6000 };
    static struct memory_map before;
    static uint8_t after[MODEL_PAGES_MAX];
    unsigned refused = 0, accepted_full = 0;

    (void)state;
    srand(3);
    memory_map_init(&map, BITS);
    memset(model, NO_MEMORY, sizeof model);
    for (unsigned call = 0; call < CALLS; call++) {
        uint64_t base = random_below(PAGES) * P;
        uint64_t length = (1 + random_below(rand() % 32 == 0 ? 64 : 2)) * P;
        enum memory_type type = (unsigned)rand() % (MEMORY_BAD + 1);

        for (unsigned i = 0; i < PAGES; i++)
            after[i] = overlaid(model[i], i, base, length, type);
        before = map;
        bool was_full = map.count == MEMORY_MAP_MAX;
        enum mm_error error = memory_map_add(&map, base, length, type);
        if (runs_in(after, PAGES) > MEMORY_MAP_MAX) {
            assert_int_equal(error, MM_TABLE_FULL);
            assert_memory_equal(&before, &map, sizeof map);
            refused++;
        } else {
            assert_int_equal(error, MM_OK);
            memcpy(model, after, sizeof model);
            accepted_full += was_full;
        }
        if (call % 16 == 0)
            assert_map_is_model(PAGES);
    }
    assert_map_is_model(PAGES);
    assert_true(refused > 100 && accepted_full > 100);
}

static void a_full_table_still_takes_what_covers_all(void **state)
{
    (void)state;
    memory_map_init(&map, 40);
    for (unsigned i = 0; i < MEMORY_MAP_MAX; i++)
        assert_int_equal(memory_map_add(&map, 4 * i * P, 3 * P, 0), MM_OK);
    assert_int_equal(map.count, MEMORY_MAP_MAX);
    assert_int_equal(memory_map_add(&map, P, P, MEMORY_METADATA),
                     MM_TABLE_FULL);
    assert_int_equal(memory_map_raise(&map, 0, P, 0, MEMORY_LOW),
                     MM_TABLE_FULL);
    assert_int_equal(memory_map_add(&map, TIB - P, P, 0), MM_TABLE_FULL);
    assert_int_equal(memory_map_add(&map, 3 * P, P, 0), MM_OK);
    assert_int_equal(map.count, MEMORY_MAP_MAX - 1);
    assert_int_equal(memory_map_add(&map, P, P, MEMORY_METADATA),
                     MM_TABLE_FULL);
    assert_int_equal(memory_map_add(&map, 0, P, MEMORY_METADATA), MM_OK);
    assert_int_equal(memory_map_add(&map, 0, TIB, MEMORY_RESERVED), MM_OK);
    assert_int_equal(map.count, 1);
    assert_true(memory_map_check(&map));
}

static void raise_reports_its_errors(void **state)
{
    (void)state;
    memory_map_init(&map, 40);
    memory_map_add(&map, 0, 4 * P, MEMORY_USABLE);
    assert_int_equal(memory_map_raise(&map, 0, P, MEMORY_BAD, MEMORY_LOW),
                     MM_BAD_ARGUMENT);
    assert_int_equal(memory_map_raise(&map, 0, P, MEMORY_LOW, MEMORY_LOW),
                     MM_BAD_ARGUMENT);
    assert_int_equal(memory_map_raise(&map, 0, 0, MEMORY_USABLE, MEMORY_LOW),
                     MM_EMPTY_RANGE);
    assert_int_equal(memory_map_raise(&map, TIB, P, MEMORY_USABLE, MEMORY_LOW),
                     MM_OUT_OF_RANGE);
    assert_int_equal(map.count, 1);
    assert_int_equal(memory_map_bytes(&map, MEMORY_USABLE), 4 * P);
}

static void find_at_the_edges(void **state)
{
    (void)state;
    memory_map_init(&map, 40);
    assert_null(memory_map_find(&map, 0));
    memory_map_add(&map, P, P, MEMORY_USABLE);
    memory_map_add(&map, 2 * P, P, MEMORY_RESERVED);
    assert_null(memory_map_find(&map, P - 1));
    assert_ptr_equal(memory_map_find(&map, P), &map.range[0]);
    assert_ptr_equal(memory_map_find(&map, 2 * P - 1), &map.range[0]);
    assert_ptr_equal(memory_map_find(&map, 2 * P), &map.range[1]);
    assert_null(memory_map_find(&map, 3 * P));
    assert_null(memory_map_find(&map, UINT64_MAX));
}

static void check_sees_each_kind_of_damage(void **state)
{
    static const struct {
        struct memory_range first, second;
    } damaged[] = {
        {{P, P, MEMORY_USABLE}, {4 * P, 5 * P, MEMORY_BAD}},
        {{2 * P, P, MEMORY_USABLE}, {4 * P, 5 * P, MEMORY_BAD}},
        {{P + 1, 2 * P, MEMORY_USABLE}, {4 * P, 5 * P, MEMORY_BAD}},
        {{P, 2 * P + 1, MEMORY_USABLE}, {4 * P, 5 * P, MEMORY_BAD}},
        {{P, 2 * P, MEMORY_BAD + 1}, {4 * P, 5 * P, MEMORY_BAD}},
        {{P, 2 * P, MEMORY_USABLE}, {4 * P, TIB + P, MEMORY_BAD}},
        {{P, 3 * P, MEMORY_USABLE}, {2 * P, 5 * P, MEMORY_BAD}},
        {{4 * P, 5 * P, MEMORY_USABLE}, {P, 2 * P, MEMORY_BAD}},
        {{P, 2 * P, MEMORY_USABLE}, {2 * P, 3 * P, MEMORY_USABLE}},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        memory_map_init(&map, 40);
        memory_map_add(&map, P, P, MEMORY_USABLE);
        memory_map_add(&map, 4 * P, P, MEMORY_BAD);
        assert_true(memory_map_check(&map));
        map.range[0] = damaged[i].first;
        map.range[1] = damaged[i].second;
        if (memory_map_check(&map))
            fail_msg("damage %u went unseen", i);
    }
    map.count = MEMORY_MAP_MAX + 1;
    assert_false(memory_map_check(&map));
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(memory_type_name(MEMORY_USABLE), "usable");
    assert_string_equal(memory_type_name(MEMORY_BAD), "bad");
    assert_string_equal(memory_type_name(MEMORY_BAD + 1), "unknown");
    assert_string_equal(memory_type_name((enum memory_type) - 1), "unknown");
}

static void init_asserts_the_width(void **state)
{
    (void)state;
    expect_assert_failure(memory_map_init(&map, PAGE_SHIFT));
    expect_assert_failure(memory_map_init(&map, PADDR_BITS_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_hold_in_any_order),
        cmocka_unit_test(random_adds_and_raises_match_the_model),
        cmocka_unit_test(a_full_table_changes_nothing),
        cmocka_unit_test(a_full_table_still_takes_what_covers_all),
        cmocka_unit_test(raise_reports_its_errors),
        cmocka_unit_test(find_at_the_edges),
        cmocka_unit_test(check_sees_each_kind_of_damage),
        cmocka_unit_test(names),
        cmocka_unit_test(init_asserts_the_width),
    };
    return cmocka_run_group_tests_name("memory_map", tests, NULL, NULL);
}
