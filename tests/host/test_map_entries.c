/* Whole lists of memory: bytes that meet inside a page, and more than fits. */
/* sources: boot/map_entries.c boot/boot_info.c mm/map/memory_map.c */
/* sources: mm/map/boot_frames.c */
#include "tests/host/platform_host.h"

#include <string.h>

#include "boot/boot_info.h"
#include "boot/map_entries.h"
#include "lib/bits.h"
#include "mm/boot_frames.h"

#define P         PAGE_SIZE
#define LIST_MAX  2048
#define PAGES_MAX 4096

static struct boot_info info;
static struct map_losses losses;
static struct map_entry list[LIST_MAX];
static uint32_t listed;
static unsigned small, out_of_range;

static bool entry(void *context, uint32_t i, struct map_entry *found)
{
    (void)context;
    *found = list[i];
    return true;
}

static void flaw(void *context, uint32_t i, enum map_entry_flaw what)
{
    (void)context;
    (void)i;
    small += what == MAP_ENTRY_SMALL;
    out_of_range += what == MAP_ENTRY_OUT_OF_RANGE;
}

static void begin(void)
{
    memset(&info, 0, sizeof info);
    memory_map_init(&info.map, 40);
    losses = (struct map_losses){0, 0};
    listed = 0;
    small = out_of_range = 0;
}

static void add(uint64_t base, uint64_t end, enum memory_type type)
{
    list[listed++] = (struct map_entry){base, end - base, type};
}

static void lay(void)
{
    struct map_entries entries = {entry, flaw, NULL, listed};
    assert_true(map_entries_lay(&info.map, &entries, &losses));
    assert_true(memory_map_check(&info.map));
}

/* In every order of three. */
static void bytes_meet_inside_a_page(void **state)
{
    static const uint8_t order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                        {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const uint64_t edge[4] = {P, 3 * P + 5, 3 * P + 100, 6 * P};
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        begin();
        for (unsigned j = 0; j < 3; j++)
            add(edge[order[i][j]], edge[order[i][j] + 1], MEMORY_USABLE);
        lay();
        assert_int_equal(info.map.count, 1);
        assert_int_equal(info.map.range[0].start, P);
        assert_int_equal(info.map.range[0].end, 6 * P);
        assert_int_equal(small + out_of_range, 0);
    }
    begin(); /* overlapping ones, and parts of a page that make it whole */
    add(P + 1, 2 * P - 1, MEMORY_USABLE);
    add(P, P + 7, MEMORY_USABLE);
    add(2 * P - 9, 2 * P, MEMORY_USABLE);
    lay();
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_USABLE), P);
    assert_int_equal(small, 0);
}

/* One byte that is missing, or of another type, takes the page. */
static void bytes_that_do_not_meet(void **state)
{
    (void)state;
    begin();
    add(P, 3 * P + 5, MEMORY_USABLE);
    add(3 * P + 6, 6 * P, MEMORY_USABLE);
    lay();
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_USABLE), 4 * P);
    assert_null(memory_map_find(&info.map, 3 * P));

    begin();
    add(3 * P + 5, 3 * P + 6, MEMORY_RESERVED);
    add(P, 3 * P + 5, MEMORY_USABLE);
    add(3 * P + 5, 6 * P, MEMORY_USABLE);
    lay();
    assert_int_equal(memory_map_find(&info.map, 3 * P)->type, MEMORY_RESERVED);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_USABLE), 4 * P);
}

static void flaws_are_told_apart(void **state)
{
    (void)state;
    begin();
    add(0, 64 * P, MEMORY_USABLE);
    add(100 * P + 1, 101 * P, MEMORY_USABLE);     /* less than a page */
    add(110 * P + 1, 112 * P - 1, MEMORY_USABLE); /* more, but none is whole */
    add(TIB, TIB + P, MEMORY_USABLE);
    add(TIB, TIB + P, MEMORY_RESERVED);
    add(5 * P, 5 * P, MEMORY_USABLE);
    add(5 * P, 5 * P, MEMORY_RESERVED);
    lay();
    assert_int_equal(small, 2);
    assert_int_equal(out_of_range, 2);
    assert_int_equal(info.map.count, 1);
}

/* The ACPI area gets the page that it shares with usable memory. */
static void acpi_areas_of_part_pages(void **state)
{
    (void)state;
    begin();
    add(0, 10 * P + 100, MEMORY_USABLE);
    add(10 * P + 100, 12 * P + 7, MEMORY_ACPI_RECLAIMABLE);
    add(12 * P + 7, 20 * P, MEMORY_USABLE);
    add(30 * P + 1, 30 * P + 2, MEMORY_ACPI_RECLAIMABLE);
    lay();
    assert_int_equal(small + out_of_range, 0);
    for (unsigned i = 10; i <= 12; i++)
        assert_int_equal(memory_map_find(&info.map, i * P)->type,
                         MEMORY_ACPI_RECLAIMABLE);
    assert_int_equal(memory_map_find(&info.map, 30 * P)->type,
                     MEMORY_ACPI_RECLAIMABLE);
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_USABLE), 17 * P);
}

/* What the boot does after the parser: it must find room in every map. */
static void reserve_all(void)
{
    map_make_room(&info.map, &losses);
    info.block_start = 3 * GIB + 5 * P;
    info.block_size = 1;
    info.framebuffer = (struct boot_framebuffer){
        BOOT_FRAMEBUFFER_RGB, 0xfd000000, 4096, 1024, 768, 32, {0}, {0}, {0}};
    assert_int_equal(memory_map_add(&info.map, 2 * GIB, P, MEMORY_BOOT_ONLY),
                     MM_OK);
    assert_int_equal(boot_info_reserve(&info, 2 * GIB + P, 2 * GIB + 300 * P),
                     MM_OK);
    for (unsigned i = 0; i < 10; i++)
        assert_int_not_equal(
            boot_frames_alloc(&info.map, P, i % 2 ? P : 8 * P, TIB),
            PADDR_NONE);
    assert_true(memory_map_check(&info.map));
}

/* Nothing that any entry restricts is free; and of the usable bytes all that is
 * not restricted, but for what was lost by name. */
static void expect_sound(void)
{
    uint64_t usable = 0;
    for (uint32_t i = 0; i < listed; i++) {
        uint64_t bytes = list[i].length;
        if (list[i].type == MEMORY_USABLE)
            usable += bytes;
        for (uint64_t at = 0; list[i].type != MEMORY_USABLE && at < bytes;
             at += P) {
            const struct memory_range *range =
                memory_map_find(&info.map, list[i].base + at);
            assert_true(range == NULL || !memory_type_is_free(range->type));
        }
    }
    assert_int_equal(memory_map_bytes(&info.map, MEMORY_USABLE) + losses.bytes,
                     usable);
}

/* Usable and reserved memory in turns, up to as many entries as one likes. */
static void entries_by_the_hundred(void **state)
{
    static const unsigned counts[] = {300, 470, 500, 509,  510, 511,
                                      512, 513, 600, 1024, 2000};
    (void)state;
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++)
        for (unsigned reserved_first = 0; reserved_first < 2;
             reserved_first++) {
            begin();
            for (unsigned j = 0; j < counts[i]; j++)
                add(GIB + 2 * j * P, GIB + 2 * (j + 1) * P,
                    j % 2 == reserved_first ? MEMORY_RESERVED : MEMORY_USABLE);
            /* last, as firmware has it: what the boot needs */
            add(2 * GIB, 4 * GIB - GIB / 2, MEMORY_USABLE);
            lay();
            map_make_room(&info.map, &losses);
            expect_sound();
            if (counts[i] <= 470)
                assert_int_equal(losses.advice, 0);
            if (counts[i] <= 513)
                assert_int_equal(losses.bytes, 0);
            else
                assert_non_null(strstr(host_log_last, "are"));
            reserve_all();
        }
}

/* Reserved pages that are holes in one usable range: none of them is forgotten,
 * however many there are. */
static void holes_by_the_hundred(void **state)
{
    static const unsigned counts[] = {200, 255, 256, 257, 400, 1000};
    (void)state;
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        begin();
        for (unsigned j = 0; j < counts[i]; j++)
            add(GIB + (3 * j + 1) * P, GIB + (3 * j + 2) * P,
                j % 3 ? MEMORY_RESERVED : MEMORY_ACPI_NVS);
        add(GIB, 4 * GIB - GIB / 2, MEMORY_USABLE);
        lay();
        map_make_room(&info.map, &losses);
        for (unsigned j = 0; j < counts[i]; j++) {
            const struct memory_range *range =
                memory_map_find(&info.map, GIB + (3 * j + 1) * P);
            assert_true(range == NULL || !memory_type_is_free(range->type));
        }
        assert_true(memory_map_bytes(&info.map, MEMORY_USABLE) > 2 * GIB);
        reserve_all();
    }
}

/* ACPI tables are kept while there is anything else to drop. */
static void tables_stay(void **state)
{
    (void)state;
    begin();
    for (unsigned j = 0; j < 600; j++)
        add(GIB + 2 * j * P, GIB + (2 * j + 1) * P, MEMORY_RESERVED);
    add(MIB, 256 * MIB, MEMORY_USABLE);
    add(256 * MIB, 256 * MIB + 3, MEMORY_ACPI_RECLAIMABLE);
    add(2 * GIB, 2 * GIB + 64 * P, MEMORY_RESERVED);
    lay();
    map_make_room(&info.map, &losses);
    assert_int_equal(losses.bytes, 0);
    assert_int_equal(memory_map_find(&info.map, 256 * MIB)->type,
                     MEMORY_ACPI_RECLAIMABLE);
    assert_non_null(strstr(host_log_last, "that nobody is given are left out"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_meet_inside_a_page),
        cmocka_unit_test(bytes_that_do_not_meet),
        cmocka_unit_test(flaws_are_told_apart),
        cmocka_unit_test(acpi_areas_of_part_pages),
        cmocka_unit_test(entries_by_the_hundred),
        cmocka_unit_test(holes_by_the_hundred),
        cmocka_unit_test(tables_stay),
    };
    return cmocka_run_group_tests_name("map_entries", tests, NULL, NULL);
}
