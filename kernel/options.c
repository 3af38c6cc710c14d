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

/* The format has the word's first part, and then what stands for its rest. */
static void warn(const char *format, const char *word, size_t length)
{
    char shown[SHOWN + 1];
    size_t count = length < SHOWN ? length : SHOWN;
    for (size_t i = 0; i < count; i++)
        shown[i] = word[i] >= ' ' && word[i] <= '~' ? word[i] : '?';
    shown[count] = '\0';
    log_line(LOG_WARNING, "options", format, shown,
             length <= SHOWN ? "" : "...");
}

/* Says what is unknown, and the first time what is known. */
static void warn_unknown(const char *word, size_t length, bool *warned)
{
    warn("unknown option '%s'%s is ignored", word, length);
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

static bool is_separator(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A word as it is meant, without quotes; what is longer is cut, and then too
 * long for any option. */
#define WORD_MAX 1024

struct word {
    char text[WORD_MAX];
    size_t length;
    bool open; /* a quote that the line does not close */
};

/* GRUB puts a word with a space between double quotes, and a backslash before a
 * quote or a backslash; by PVH the line comes as it was typed.  Returns the
 * first character behind the word. */
static const char *read_word(const char *line, struct word *word)
{
    char quote = '\0';
    word->length = 0;
    for (; *line != '\0' && (quote != '\0' || !is_separator(*line)); line++) {
        char c = *line;
        if (c == '\\' && line[1] != '\0') {
            c = *++line;
        } else if (c == quote) {
            quote = '\0';
            continue;
        } else if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
            continue;
        }
        if (word->length < WORD_MAX)
            word->text[word->length++] = c;
    }
    word->open = quote != '\0';
    return line;
}

void options_init(const char *line, bool last_is_cut)
{
    static struct word word;
    bool warned = false;
    memset(values, 0, sizeof(values));
    for (;;) {
        while (is_separator(*line))
            line++;
        if (*line == '\0')
            return;
        line = read_word(line, &word);
        if (word.length == 0)
            continue;
        if (*line == '\0' && last_is_cut)
            warn("the command line was cut in the word '%s'%s: the word is "
                 "ignored",
                 word.text, word.length);
        else if (word.open)
            warn("the word '%s'%s has a quote without an end: it is ignored",
                 word.text, word.length);
        else
            take_word(word.text, word.length, &warned);
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
