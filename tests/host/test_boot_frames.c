/* mm/map/boot_frames.c: where blocks come from, and that the map keeps account. */
/* sources: mm/map/boot_frames.c mm/map/memory_map.c */
#include "tests/host/platform_host.h"

#include <stdlib.h>

#include "lib/bits.h"
#include "mm/boot_frames.h"

#define P PAGE_SIZE

static struct memory_map map;

/* Usable 1-3 MiB and 5-6 GiB, boot services 8-9 MiB. */
static int set_up(void **state)
{
    (void)state;
    memory_map_init(&map, 40);
    memory_map_add(&map, MIB, 2 * MIB, MEMORY_USABLE);
    memory_map_add(&map, 8 * MIB, MIB, MEMORY_BOOT_SERVICES);
    memory_map_add(&map, 5 * GIB, GIB, MEMORY_USABLE);
    return 0;
}

static enum memory_type type_at(paddr_t address)
{
    const struct memory_range *range = memory_map_find(&map, address);

    assert_non_null(range);
    return range->type;
}

static void highest_first(void **state)
{
    (void)state;
    assert_int_equal(boot_frames_alloc(&map, P, P, TIB), 6 * GIB - P);
    assert_int_equal(boot_frames_alloc(&map, 2 * P, P, TIB), 6 * GIB - 3 * P);
    assert_int_equal(type_at(6 * GIB - 1), MEMORY_METADATA);
    assert_int_equal(type_at(6 * GIB - 3 * P), MEMORY_METADATA);
    assert_int_equal(type_at(6 * GIB - 3 * P - 1), MEMORY_USABLE);
    assert_int_equal(memory_map_bytes(&map, MEMORY_METADATA), 3 * P);
}

static void below_the_limit(void **state)
{
    (void)state;
    assert_int_equal(boot_frames_alloc(&map, P, P, 4 * GIB), 3 * MIB - P);
    assert_int_equal(boot_frames_alloc(&map, P, P, 5 * GIB + P), 5 * GIB);
    assert_int_equal(boot_frames_alloc(&map, P, P, 2 * MIB + 1), 2 * MIB - P);
    assert_int_equal(boot_frames_alloc(&map, P, P, 2 * MIB - P - 1),
                     2 * MIB - 3 * P);
    assert_int_equal(boot_frames_alloc(&map, P, P, MIB), PADDR_NONE);
    assert_int_equal(boot_frames_alloc(&map, P, P, MIB + P - 1), PADDR_NONE);
    assert_int_equal(boot_frames_alloc(&map, P, P, 0), PADDR_NONE);
}

static void aligned(void **state)
{
    (void)state;
    assert_int_equal(boot_frames_alloc(&map, P, 1, 4 * GIB), 3 * MIB - P);
    assert_int_equal(boot_frames_alloc(&map, 1, 8, 4 * GIB), 3 * MIB - 2 * P);
    assert_int_equal(boot_frames_alloc(&map, P, 1, 3 * MIB - 2 * P - 1),
                     3 * MIB - 4 * P);
    assert_int_equal(boot_frames_alloc(&map, P, MIB, 4 * GIB), 2 * MIB);
    assert_int_equal(boot_frames_alloc(&map, P, 2 * MIB, 4 * GIB), 8 * MIB);
    assert_int_equal(boot_frames_alloc(&map, P, 4 * GIB, TIB), PADDR_NONE);
    assert_int_equal(boot_frames_alloc(&map, SIZE_2M + 1, SIZE_2M, TIB),
                     6 * GIB - 2 * SIZE_2M);
    assert_int_equal(type_at(6 * GIB - SIZE_2M + P - 1), MEMORY_METADATA);
    assert_int_equal(type_at(6 * GIB - SIZE_2M + P), MEMORY_USABLE);
}

static void boot_services_come_last(void **state)
{
    (void)state;
    assert_int_equal(boot_frames_alloc(&map, 2 * MIB, P, 4 * GIB), MIB);
    assert_int_equal(boot_frames_alloc(&map, MIB - P, P, 4 * GIB), 8 * MIB + P);
    assert_int_equal(boot_frames_alloc(&map, P, P, 4 * GIB), 8 * MIB);
    assert_int_equal(boot_frames_alloc(&map, P, P, 4 * GIB), PADDR_NONE);
    assert_int_equal(memory_map_bytes(&map, MEMORY_BOOT_SERVICES), 0);
}

static void nonsense(void **state)
{
    (void)state;
    assert_int_equal(boot_frames_alloc(&map, 0, P, TIB), PADDR_NONE);
    assert_int_equal(boot_frames_alloc(&map, P, 0, TIB), PADDR_NONE);
    assert_int_equal(boot_frames_alloc(&map, P, 3 * P, TIB), PADDR_NONE);
    assert_int_equal(boot_frames_alloc(&map, UINT64_MAX, P, TIB), PADDR_NONE);
    assert_int_equal(boot_frames_alloc(&map, UINT64_MAX - P + 1, P, TIB),
                     PADDR_NONE);
    assert_int_equal(boot_frames_alloc(&map, TIB, P, TIB), PADDR_NONE);
    assert_int_equal(memory_map_bytes(&map, MEMORY_METADATA), 0);
}

static void a_map_that_cannot_record_it(void **state)
{
    (void)state;
    memory_map_init(&map, 40);
    for (unsigned i = 0; i < MEMORY_MAP_MAX; i++)
        memory_map_add(&map, 4 * i * P, 3 * P, MEMORY_USABLE);
    assert_int_equal(boot_frames_alloc(&map, P, P, TIB), PADDR_NONE);
    assert_int_equal(memory_map_bytes(&map, MEMORY_METADATA), 0);
    assert_int_equal(boot_frames_alloc(&map, 3 * P, P, TIB),
                     4 * (MEMORY_MAP_MAX - 1) * P);
}

/* Takes random blocks until nothing is left: each was free, is where it was
 * asked for, and no page is lost. */
static void random_blocks_until_nothing_is_left(void **state)
{
    enum { BITS = 22, ROUNDS = 300 };
    (void)state;
    srand(4);
    for (unsigned round = 0; round < ROUNDS; round++) {
        memory_map_init(&map, BITS);
        for (unsigned i = 0; i < 20; i++)
            memory_map_add(&map, (unsigned)rand() % 1024 * P,
                           (unsigned)rand() % 100 * P,
                           (unsigned)rand() % (MEMORY_BAD + 1));
        uint64_t left = memory_map_bytes(&map, MEMORY_USABLE) +
                        memory_map_bytes(&map, MEMORY_BOOT_SERVICES) +
                        memory_map_bytes(&map, MEMORY_UNCACHED);
        uint64_t metadata = memory_map_bytes(&map, MEMORY_METADATA);

        for (uint64_t pages = 16; pages > 0;) {
            uint64_t alignment = P << (unsigned)rand() % 3;
            paddr_t limit = (unsigned)rand() % 2048 * P;
            struct memory_map before = map;
            paddr_t block =
                boot_frames_alloc(&map, pages * P, alignment, limit);
            if (block == PADDR_NONE) {
                if (alignment == P && limit >= map.limit)
                    pages--; /* nothing of that size anywhere */
                continue;
            }
            assert_true(is_aligned(block, alignment));
            assert_true(block + pages * P <= limit);
            const struct memory_range *from = memory_map_find(&before, block);
            assert_non_null(from);
            assert_true(from->type <= MEMORY_UNCACHED);
            assert_true(block + pages * P <= from->end);
            assert_true(memory_map_check(&map));
            left -= pages * P;
            metadata += pages * P;
            assert_int_equal(memory_map_bytes(&map, MEMORY_METADATA), metadata);
        }
        assert_int_equal(left, 0);
        assert_int_equal(memory_map_bytes(&map, MEMORY_USABLE), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(highest_first, set_up),
        cmocka_unit_test_setup(below_the_limit, set_up),
        cmocka_unit_test_setup(aligned, set_up),
        cmocka_unit_test_setup(boot_services_come_last, set_up),
        cmocka_unit_test_setup(nonsense, set_up),
        cmocka_unit_test_setup(a_map_that_cannot_record_it, set_up),
        cmocka_unit_test(random_blocks_until_nothing_is_left),
    };
    return cmocka_run_group_tests_name("boot_frames", tests, NULL, NULL);
}
