/* What the compiler's stack protector asks for, by its names. */
#include "kernel/trap/canary.h"

#include "kernel/trap/panic.h"

uintptr_t __stack_chk_guard;

_Noreturn void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
    panic("a function has written past the end of an array on its stack");
}
