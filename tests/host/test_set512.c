/* sources: */
/* mm/tree/set512.h against one bool a member. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mm/tree/set512.h"

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % limit;
}

static void assert_same(const struct set512 *set, const bool model[512])
{
    unsigned members = 0, lowest = 512, highest = 0;

    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(set512_has(set, i), model[i]);
        if (!model[i])
            continue;
        members++;
        highest = i;
        if (lowest == 512)
            lowest = i;
    }
    assert_int_equal(set512_count(set), members);
    assert_int_equal(set512_is_empty(set), members == 0);
    assert_int_equal(set512_is_full(set), members == 512);
    if (members != 0) {
        assert_int_equal(set512_lowest(set), lowest);
        assert_int_equal(set512_highest(set), highest);
    }
}

static void bit_scans_are_exact(void **state)
{
    (void)state;
    for (unsigned low = 0; low < 64; low++)
        for (unsigned high = low; high < 64; high++) {
            uint64_t ends = UINT64_C(1) << low | UINT64_C(1) << high;
            uint64_t between = UINT64_MAX << low & UINT64_MAX >> (63 - high);

            assert_int_equal(word_lowest(ends), low);
            assert_int_equal(word_highest(ends), high);
            assert_int_equal(word_lowest(between), low);
            assert_int_equal(word_highest(between), high);
            assert_int_equal(word_count(between), high - low + 1);
        }
}

static void every_pair_of_members(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 512; i++)
        for (unsigned j = i + 1; j < 512; j++) {
            struct set512 set = {{0}};

            assert_int_equal(set512_add(&set, j), SET512_FIRST);
            assert_int_equal(set512_add(&set, i), SET512_GREW);
            assert_int_equal(set512_lowest(&set), i);
            assert_int_equal(set512_highest(&set), j);
            assert_false(set512_remove(&set, i));
            assert_int_equal(set512_lowest(&set), j);
            assert_true(set512_remove(&set, j));
        }
}

static void fills_and_empties_in_any_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct set512 set;
        bool model[512] = {false};
        unsigned members = 0;
        bool growing = true;

        random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
        set512_clear(&set);
        for (unsigned step = 0; step < 20000; step++) {
            unsigned i = random_below(512);
            bool add = random_below(8) == 0 ? !growing : growing;

            if (add) {
                enum set512_growth growth = set512_add(&set, i);
                bool was_empty = members == 0;

                members += !model[i];
                model[i] = true;
                assert_int_equal(growth, members == 512 ? SET512_FULL
                                         : was_empty    ? SET512_FIRST
                                                        : SET512_GREW);
            } else {
                bool now_empty = set512_remove(&set, i);

                members -= model[i];
                model[i] = false;
                assert_int_equal(now_empty, members == 0);
            }
            if (members == 0)
                growing = true;
            if (members == 512)
                growing = false;
            if (step % 64 == 0)
                assert_same(&set, model);
        }
    }
}

static void the_last_missing_member(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 512; i++) {
        struct set512 set;

        set512_fill(&set);
        assert_int_equal(set512_add(&set, i), SET512_FULL);
        assert_false(set512_remove(&set, i));
        assert_false(set512_is_full(&set));
        assert_int_equal(set512_count(&set), 511);
        assert_int_equal(set512_add(&set, i), SET512_FULL);
        assert_true(set512_is_full(&set));
    }
}

static void every_range(void **state)
{
    (void)state;
    for (unsigned first = 0; first <= 512; first++)
        for (unsigned end = first; end <= 512; end++) {
            struct set512 set;

            set512_clear(&set);
            set512_add_range(&set, first, end);
            assert_int_equal(set512_count(&set), end - first);
            if (first == end)
                continue;
            assert_int_equal(set512_lowest(&set), first);
            assert_int_equal(set512_highest(&set), end - 1);
        }
}

static void a_range_keeps_the_others(void **state)
{
    (void)state;
    random_state = 77;
    for (unsigned round = 0; round < 500; round++) {
        struct set512 set;
        bool model[512];
        unsigned first = random_below(513);
        unsigned end = first + random_below(513 - first);

        set512_clear(&set);
        for (unsigned i = 0; i < 512; i++) {
            model[i] = random_below(2);
            if (model[i])
                set512_add(&set, i);
            model[i] |= first <= i && i < end;
        }
        set512_add_range(&set, first, end);
        assert_same(&set, model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bit_scans_are_exact),
        cmocka_unit_test(every_pair_of_members),
        cmocka_unit_test(fills_and_empties_in_any_order),
        cmocka_unit_test(the_last_missing_member),
        cmocka_unit_test(every_range),
        cmocka_unit_test(a_range_keeps_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
