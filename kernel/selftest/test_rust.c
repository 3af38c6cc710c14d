/* Rust's collections on the kernel-wide heap. */
#include "kernel/rust.h"
#include "kernel/selftest/selftest.h"
#include "mm/heap.h"

static void run_check(rust_function *check)
{
    if (!rust_is_here()) {
        selftest_skip("the kernel was built without rustc");
        return;
    }
    struct heap_stats before = heap_stats(heap_kernel());
    const char *failure = rust_call(check);
    struct heap_stats after = heap_stats(heap_kernel());
    EXPECT(failure == NULL, "%s", failure);
    EXPECT(after.allocations > before.allocations, "nothing was allocated");
    EXPECT(after.blocks == before.blocks && after.requested == before.requested,
           "%zu blocks and %zu bytes before, %zu and %zu after", before.blocks,
           before.requested, after.blocks, after.requested);
}

#define RUST_CHECK(name)                                                       \
    SELFTEST(rust, name)                                                       \
    {                                                                          \
        run_check(rust_check_##name);                                          \
    }
RUST_CHECKS(RUST_CHECK)
#undef RUST_CHECK
