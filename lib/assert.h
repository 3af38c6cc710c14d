/* Conditions that always hold.
 *
 * ASSERT stays on in every build.  It is for broken invariants of the project's
 * own code, never for bad input: bad input gets an error value with a name.
 */
#ifndef LIB_ASSERT_H
#define LIB_ASSERT_H

/* Reports the place, the condition and the values, then stops for good.  The
 * kernel panics; a host test fails.  Callable in any context.  No call of it
 * can be reached in code that is proved (docs/proof.md). */
/*@ requires \false;
    assigns  \nothing; */
_Noreturn void assert_failed(const char *file, int line, const char *condition,
                             const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

/* ASSERT(count <= 512, "count %u", count): the format names the values. */
#define ASSERT(condition, ...)                                                 \
    do {                                                                       \
        if (__builtin_expect(!(condition), 0))                                 \
            assert_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);        \
    } while (0)

#endif
