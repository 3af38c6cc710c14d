/* Runs the self-tests and tells TAP 13 of them. */
#include "kernel/selftest/selftest.h"

#include <stdarg.h>
#include <stddef.h>

#include "kernel/console/console.h"
#include "lib/assert.h"
#include "lib/format.h"
#include "lib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"

/* Pointers, so that no compiler can pad between them. */
extern const struct selftest *const selftests_start[], *const selftests_end[];

static struct {
    bool failed;
    const char *file, *condition;
    int line;
    char values[200];
    const char *skipped; /* why, or NULL */
} current;

void selftest_fail(const char *file, int line, const char *condition,
                   const char *format, ...)
{
    if (current.failed)
        return;
    current.failed = true;
    current.file = file;
    current.line = line;
    current.condition = condition;
    va_list arguments;
    va_start(arguments, format);
    format_string_v(current.values, sizeof(current.values), format, arguments);
    va_end(arguments);
}

void selftest_skip(const char *reason)
{
    current.skipped = reason;
}

static unsigned test_count(void)
{
    return (unsigned)(selftests_end - selftests_start);
}

/* A suite by itself is run together only if it is this one. */
static bool is_run_together(const char *suite)
{
    return *suite == '\0' || strcmp(suite, "broken") == 0;
}

/* All suites but "broken", which shows what a failure looks like and so is run
 * by name only. */
static bool selected(const struct selftest *test, const char *suite)
{
    if (*suite == '\0')
        return strcmp(test->suite, "broken") != 0;
    return strcmp(test->suite, suite) == 0;
}

/* As a YAML string: between single quotes, and those inside doubled. */
static void print_yaml(const char *name, const char *text)
{
    printf("  %s: '", name);
    for (; *text != '\0'; text++)
        printf(*text == '\'' ? "''" : "%c", *text);
    printf("'\n");
}

static void print_result(const struct selftest *test, unsigned number)
{
    printf("%sok %u - %s: %s", current.failed ? "not " : "", number,
           test->suite, test->name);
    if (current.skipped != NULL)
        printf(" # SKIP %s", current.skipped);
    printf("\n");
    if (!current.failed)
        return;
    printf("  ---\n  file: %s\n  line: %d\n", current.file, current.line);
    print_yaml("expected", current.condition);
    print_yaml("values", current.values);
    printf("  ...\n");
}

static uint64_t free_bytes(void)
{
    struct frame_stats stats;
    heap_trim(heap_kernel());
    frame_stats(&stats);
    return stats.free_bytes;
}

static void check_the_house(void)
{
    if (!frame_check())
        selftest_fail(__FILE__, __LINE__, "frame_check()",
                      "the frame trees are damaged");
    struct heap_flaw flaw = heap_check(heap_kernel());
    if (flaw.what != NULL)
        selftest_fail(__FILE__, __LINE__, "heap_check()", "%s, at %p",
                      flaw.what, flaw.place);
}

/* How often a run may leave fewer frames free than it found.  How far the heap
 * and its tables grow depends on when CPUs meet; what leaks, leaks each time.
 */
#define RUNS_THAT_GROW 3

/* Those that failed by themselves, by their numbers. */
#define SELFTESTS_MAX 512
static bool has_failed[SELFTESTS_MAX];

/* Runs it until it leaves as many frames free as it found; says so in the name
 * of what was run if it never does. */
static void run_without_loss(void (*run)(void), const char *what)
{
    uint64_t before = free_bytes(), after = before;
    for (unsigned i = 0; !current.failed && i <= RUNS_THAT_GROW; i++) {
        before = free_bytes();
        run();
        after = free_bytes();
        if (before == after)
            return;
    }
    if (before != after)
        selftest_fail(__FILE__, __LINE__, "before == after",
                      "%lu bytes of frames were free before %s, %lu after",
                      before, what, after);
}

/* Each test runs twice: the first may make the heap or a page table grow for
 * good, the second must leave as many frames free as it found. */
static void run_test(const struct selftest *test)
{
    current.failed = false;
    current.skipped = NULL;
    test->run();
    run_without_loss(test->run, "the test");
    check_the_house();
}

static void print_suites(void)
{
    const char *last = "";
    printf("# suites:");
    for (unsigned i = 0; i < test_count(); i++)
        if (strcmp(selftests_start[i]->suite, last) != 0) {
            last = selftests_start[i]->suite;
            printf(" %s", last);
        }
    printf("\n");
}

static const char *whole_of; /* the suite, or "" for all */

/* But for those that failed by themselves: that is told, and what they leave
 * behind half done is no fault of the others. */
static void run_all_tests(void)
{
    for (unsigned i = 0; i < test_count(); i++)
        if (selected(selftests_start[i], whole_of) && !has_failed[i]) {
            selftests_start[i]->run();
            heap_trim(heap_kernel()); /* as it was when each was run alone */
        }
}

/* Runs all tests once more, and holds the frames that are free then against
 * those before: whatever is kept for good was taken by now. */
static void run_whole_suite(void)
{
    current.failed = false;
    run_without_loss(run_all_tests, "the suite");
    current.skipped = NULL;
    check_the_house();
}

static const struct selftest whole_suite = {"all", "leave_as_many_frames_free",
                                            run_whole_suite};

const struct boot_info *selftest_boot_info;

bool selftest_run(const char *suite, const struct boot_info *info)
{
    selftest_boot_info = info;
    unsigned planned = 0, number = 0, failures = 0;
    ASSERT(test_count() <= SELFTESTS_MAX, "%u self-tests", test_count());
    for (unsigned i = 0; i < test_count(); i++)
        planned += selected(selftests_start[i], suite);
    planned += is_run_together(suite);
    printf("TAP version 13\n1..%u\n", planned);
    if (planned == 0) {
        printf("# there is no suite '%s'\n", suite);
        print_suites();
    }
    for (unsigned i = 0; i < test_count(); i++) {
        const struct selftest *test = selftests_start[i];
        if (!selected(test, suite))
            continue;
        run_test(test);
        print_result(test, ++number);
        has_failed[i] = current.failed;
        failures += current.failed;
    }
    if (is_run_together(suite)) {
        whole_of = suite;
        run_whole_suite();
        print_result(&whole_suite, ++number);
        failures += current.failed;
    }
    printf("# %u of %u self-tests passed\n", number - failures, planned);
    return planned > 0 && failures == 0;
}
