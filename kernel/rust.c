/* Runs functions of the Rust library. */
#include "kernel/rust.h"

#include "kernel/cpu/x86.h"

/* Turns on only what the move instructions need: the library has no
 * floating-point code, so no exceptions of such code can occur.  AMD64 manual,
 * volume 2, section 11.3; every CPU with long mode has SSE2. */
static void turn_sse_on(uint64_t cr0, uint64_t cr4)
{
    write_cr0((cr0 & ~(CR0_EM | CR0_TS)) | CR0_MP);
    write_cr4(cr4 | CR4_OSFXSR);
}

const char *rust_call(rust_function *function)
{
    uint64_t flags = interrupts_save();
    uint64_t cr0 = read_cr0(), cr4 = read_cr4();
    turn_sse_on(cr0, cr4);
    const char *result = function();
    write_cr4(cr4);
    write_cr0(cr0);
    interrupts_restore(flags);
    return result;
}
