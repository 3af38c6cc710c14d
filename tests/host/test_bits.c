/* sources: */
/* lib/bits.h against the definitions, at the edges and at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/bits.h"

static void powers_of_two(void **state)
{
    (void)state;
    assert_false(is_power_of_two(0));
    for (unsigned i = 0; i < 64; i++) {
        uint64_t power = UINT64_C(1) << i;
        assert_true(is_power_of_two(power));
        if (i > 0)
            assert_false(is_power_of_two(power | 1));
        if (i > 1)
            assert_false(is_power_of_two(power - 1));
    }
}

static void alignment(void **state)
{
    (void)state;
    uint64_t value = 1;
    for (unsigned i = 0; i < 10000; i++) {
        value = value * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint64_t to = UINT64_C(1) << i % 40, v = value >> i % 24;
        assert_true(align_down(v, to) == v / to * to);
        assert_true(is_aligned(v, to) == (v % to == 0));
        if (v <= UINT64_MAX - to)
            assert_true(align_up(v, to) == (v + to - 1) / to * to);
    }
}

static void the_last_addresses(void **state)
{
    (void)state;
    assert_true(align_up(UINT64_MAX, 1) == UINT64_MAX);
    assert_true(align_up(UINT64_MAX, 4096) == 0);
    assert_true(align_up(UINT64_MAX - 4095, 4096) == UINT64_MAX - 4095);
    assert_true(align_down(UINT64_MAX, 4096) == UINT64_MAX - 4095);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(powers_of_two),
        cmocka_unit_test(alignment),
        cmocka_unit_test(the_last_addresses),
    };
    return cmocka_run_group_tests_name("bits", tests, NULL, NULL);
}
