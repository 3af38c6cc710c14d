/* sources: */
/* Fan-out 2, in words of one bit: one and two GiB. */
#define SET512_WORDS     2
#define SET512_WORD_BITS 1
#include "tests/host/frame_tree_small.h"

static void every_state_of_one_gib(void **state)
{
    (void)state;
    assert_int_equal(explore(1, states_of(1), true), states_of(1));
}

static void every_state_of_two_gibs(void **state)
{
    (void)state;
    assert_int_equal(explore(2, states_of(2), true), states_of(2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_of_one_gib),
        cmocka_unit_test(every_state_of_two_gibs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
