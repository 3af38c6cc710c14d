/* Self-tests: they run in the real kernel on the machine's real memory.
 *
 * A test is a function beside SELFTEST(suite, name) in kernel/selftest/; the
 * linker collects them.  Results go to the console as TAP 13.  Each runs twice,
 * and the second time must leave as many frames free as it found; so must
 * all of them together, in a third run.
 */
#ifndef KERNEL_SELFTEST_SELFTEST_H
#define KERNEL_SELFTEST_SELFTEST_H

#include <stdbool.h>

#include "boot/boot_info.h"

struct selftest {
    const char *suite, *name;
    void (*run)(void);
};

#define SELFTEST(suite, name)                                                  \
    static void suite##_##name(void);                                          \
    static const struct selftest test_##suite##_##name = {#suite, #name,       \
                                                          suite##_##name};     \
    static const struct selftest *const entry_##suite##_##name                 \
        __attribute__((section(".selftests"), used)) = &test_##suite##_##name; \
    static void suite##_##name(void)

/* What selftest/ may know of the machine: given by selftest_run. */
extern const struct boot_info *selftest_boot_info;

/* Runs every test, or those of one suite if the name is not "".  True if
 * there was at least one and none failed.  After all of the boot. */
bool selftest_run(const char *suite, const struct boot_info *info);

/* Records the first failure of the running test; the test goes on.  The text
 * names the values. */
void selftest_fail(const char *file, int line, const char *condition,
                   const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The running test cannot be run in this kernel; the reason is told with it. */
void selftest_skip(const char *reason);

/* Leaves the test at once if the condition does not hold. */
#define EXPECT(condition, ...)                                                 \
    do {                                                                       \
        if (!(condition)) {                                                    \
            selftest_fail(__FILE__, __LINE__, #condition, __VA_ARGS__);        \
            return;                                                            \
        }                                                                      \
    } while (0)

#endif
