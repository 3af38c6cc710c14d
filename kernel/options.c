/* The options and their parser. */
#include "kernel/options.h"

#include <stdarg.h>

#include "kernel/console/console.h"
#include "kernel/console/log.h"
#include "lib/assert.h"
#include "lib/string.h"

static const struct {
    const char *name, *help;
} options[] = {
    {"selftest", "run all self-tests, or selftest=SUITE, and leave QEMU"},
    {"bench", "bench[=NAME]: run all benchmarks, or a suite, or a workload"},
    {"heap", "heap=NAME: the heap's back-end"},
    {"heapcheck", "heapcheck=off|basic|full: what the heap looks for"},
    {"failalloc", "failalloc=N: the heap's N-th allocation fails"},
    {"cpus", "cpus=N: use no more than N processors"},
    {"clock", "clock=pit|pm|hpet: measure time with this clock only"},
    {"loglevel", "loglevel=error|warning|info|debug: what is logged"},
    {"fault", "fault=NAME: make a mistake, to see its report"},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static struct {
    bool given;
    char value[OPTION_VALUE_MAX];
} values[OPTION_COUNT];

/* Messages show at most this many characters of a word. */
#define SHOWN 40

/* Warns of an unknown word; the first time also lists the known options. */
static void warn_unknown(const char *word, size_t length, bool *warned)
{
    char shown[SHOWN + 1];
    size_t count = length < SHOWN ? length : SHOWN;
    for (size_t i = 0; i < count; i++)
        shown[i] = word[i] >= ' ' && word[i] <= '~' ? word[i] : '?';
    shown[count] = '\0';
    log_line(LOG_WARNING, "options", "unknown option '%s'%s is ignored", shown,
             length <= SHOWN ? "" : "...");
    for (size_t i = 0; i < OPTION_COUNT && !*warned; i++)
        log_line(LOG_WARNING, "options", "  known: %-10s %s", options[i].name,
                 options[i].help);
    *warned = true;
}

static void take_word(const char *word, size_t length, bool *warned)
{
    size_t name_length = 0;
    while (name_length < length && word[name_length] != '=')
        name_length++;
    const char *value = word + name_length;
    size_t value_length = length - name_length;
    if (value_length > 0) { /* skip the '=' */
        value++;
        value_length--;
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strlen(options[i].name) != name_length ||
            strncmp(options[i].name, word, name_length) != 0)
            continue;
        if (value_length >= OPTION_VALUE_MAX) {
            log_line(LOG_WARNING, "options",
                     "the value of '%s' has %zu characters, at most %d are "
                     "possible: ignored",
                     options[i].name, value_length, OPTION_VALUE_MAX - 1);
            return;
        }
        values[i].given = true;
        memcpy(values[i].value, value, value_length);
        values[i].value[value_length] = '\0';
        return;
    }
    warn_unknown(word, length, warned);
}

void options_init(const char *line)
{
    bool warned = false;
    memset(values, 0, sizeof(values));
    while (*line != '\0') {
        size_t length = 0;
        while (line[length] != ' ' && line[length] != '\0')
            length++;
        if (length > 0)
            take_word(line, length, &warned);
        line += length + (line[length] == ' ');
    }
}

const char *option(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strcmp(options[i].name, name) == 0)
            return values[i].given ? values[i].value : NULL;
    ASSERT(false, "option '%s' is not in the table", name);
    return NULL;
}

void options_print(void)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        printf("  %-10s %s\n", options[i].name, options[i].help);
}
