/* Failures on purpose, to test how they are told, and that they do not make the
 * run of all tests together fail as well; only by selftest=broken. */
#include "kernel/selftest/selftest.h"
#include "mm/frame.h"

SELFTEST(broken, expects_too_much)
{
    const char *tree = "it's an oak";
    EXPECT(tree == (const char *)0, "%s, not \"nothing\"", tree);
}

/* One frame a run is never freed. */
SELFTEST(broken, leaks_a_frame)
{
    EXPECT(frame_alloc(FRAME_4K) != PADDR_NONE, "no frame to leak");
}

SELFTEST(broken, passes_between_the_others)
{
    EXPECT(1 + 1 == 2, "arithmetic");
}
