/* What the code of the compiler's stack protector calls, under the names it
 * uses. */
#include "kernel/trap/canary.h"

#include "kernel/trap/panic.h"

uintptr_t __stack_chk_guard;

_Noreturn void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
    panic("a function has written past the end of an array on its stack");
}
