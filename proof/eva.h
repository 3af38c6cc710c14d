/* What the drivers of proof/eva share: arbitrary values, and the surroundings
 * of the code under analysis. */
#ifndef PROOF_EVA_H
#define PROOF_EVA_H

#include <__fc_builtin.h>
#include <stdint.h>

#include "lib/assert.h"
#include "mm/platform.h"

static inline uint64_t any_number(void)
{
    return Frama_C_unsigned_long_interval(0, UINT64_MAX);
}

/* An assertion that can be reached is an alarm like any other; this names the
 * place. */
_Noreturn void assert_failed(const char *file, int line, const char *condition,
                             const char *format, ...)
{
    (void)condition;
    (void)format;
    Frama_C_show_each_assertion(file, line);
    for (;;)
        ;
}

void platform_log(const char *format, ...)
{
    (void)format;
}

#endif
