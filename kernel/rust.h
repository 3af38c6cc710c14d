/* The Rust library of rust/, seen from C.
 *
 * The library is part of the kernel if the build found a rustc.  Else
 * rust_is_here returns false, and nothing else in this file may be used.
 *
 * The library's code uses SSE registers, and parts of it may write below the
 * stack pointer, because Rust's own libraries come compiled for programs under
 * an operating system.  So it must be called through rust_call, which turns SSE
 * on and interrupts off meanwhile.  NMIs, double faults and machine checks have
 * stacks of their own, and no other code of the kernel uses SSE registers.
 */
#ifndef KERNEL_RUST_H
#define KERNEL_RUST_H

#include <stdbool.h>

/* Returns NULL, or a sentence about what went wrong. */
typedef const char *rust_function(void);

/* Each function uses one of the collections of Rust's alloc library on the
 * kernel-wide heap, and leaves no block behind. */
#define RUST_CHECKS(X)                                                         \
    X(vec)                                                                     \
    X(box)                                                                     \
    X(string)                                                                  \
    X(rc)                                                                      \
    X(vec_deque)                                                               \
    X(btree_map)                                                               \
    X(binary_heap)                                                             \
    X(refusal) /* of memory, as an error value */

#define RUST_CHECK_DECLARATION(name)                                           \
    rust_function rust_check_##name __attribute__((weak));
RUST_CHECKS(RUST_CHECK_DECLARATION)
#undef RUST_CHECK_DECLARATION

/* Indexes out of bounds, and so panics: it never returns. */
rust_function rust_panic_on_purpose __attribute__((weak));

static inline bool rust_is_here(void)
{
    return rust_panic_on_purpose != (rust_function *)0;
}

/* Calls a function of the library on this CPU.  Not from an interrupt handler.
 */
const char *rust_call(rust_function *function);

#endif
