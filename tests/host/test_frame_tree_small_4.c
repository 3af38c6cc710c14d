/* sources: */
/* Fan-out 4, in two words of two bits: one GiB, without the ranges. */
#define SET512_WORDS     2
#define SET512_WORD_BITS 2
#include "tests/host/frame_tree_small.h"

static void every_state_of_one_gib(void **state)
{
    (void)state;
    assert_int_equal(explore(1, states_of(1), false), states_of(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_of_one_gib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
