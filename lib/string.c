/* Memory and strings.
 *
 * rep movs and rep stos move whole cache lines where they can (Intel
 * optimization manual, section 3.7.6); with words they do so also on CPUs
 * without ERMS.  But they take some 20 ns to start, and in this time a loop
 * copies a few hundred bytes.  A CPU with FSRM or FSRS starts them at once, and
 * then they have no branch to mispredict (see string_tune).
 */
#include "lib/string.h"

#include <stdint.h>

/* From this many bytes on: rep with words. */
#define COPY_BY_REP 1024
#define FILL_BY_REP 512

/* On a CPU that is quick at it: rep with bytes, from QUICK_FROM bytes to below
 * the end, where the other ways are as quick. */
#define QUICK_FROM     17
#define QUICK_COPY_END COPY_BY_REP
#define QUICK_FILL_END 129

static size_t quick_copy_from = QUICK_COPY_END;
static size_t quick_fill_from = QUICK_FILL_END;

void string_tune(bool short_copies, bool short_fills)
{
    quick_copy_from = short_copies ? QUICK_FROM : QUICK_COPY_END;
    quick_fill_from = short_fills ? QUICK_FROM : QUICK_FILL_END;
}

/* Eight bytes at any address. */
struct word {
    uint64_t value;
} __attribute__((packed, may_alias));

static inline uint64_t get_word(const unsigned char *at)
{
    return ((const struct word *)(const void *)at)->value;
}

static inline void set_word(unsigned char *at, uint64_t value)
{
    ((struct word *)(void *)at)->value = value;
}

/* Bytes that one turn of a loop copies. */
#define TURN 32

struct turn {
    uint64_t a, b, c, d;
};

static inline struct turn get_turn(const unsigned char *at)
{
    return (struct turn){get_word(at), get_word(at + 8), get_word(at + 16),
                         get_word(at + 24)};
}

static inline void set_turn(unsigned char *at, struct turn turn)
{
    set_word(at, turn.a);
    set_word(at + 8, turn.b);
    set_word(at + 16, turn.c);
    set_word(at + 24, turn.d);
}

/* Copies fewer bytes than a turn.  From 8 bytes on, all are read before any is
 * written; fewer are copied one by one, forwards. */
static inline void copy_few(unsigned char *target, const unsigned char *source,
                            size_t bytes)
{
    if (bytes >= 16) {
        struct turn turn = {get_word(source), get_word(source + 8),
                            get_word(source + bytes - 16),
                            get_word(source + bytes - 8)};

        set_word(target, turn.a);
        set_word(target + 8, turn.b);
        set_word(target + bytes - 16, turn.c);
        set_word(target + bytes - 8, turn.d);
    } else if (bytes >= 8) {
        uint64_t first = get_word(source), last = get_word(source + bytes - 8);

        set_word(target, first);
        set_word(target + bytes - 8, last);
    } else {
        for (size_t i = 0; i < bytes; i++)
            target[i] = source[i];
    }
}

/* Copies forwards: before byte i of the target is written, bytes 0 to i of the
 * source were read.  memmove relies on that.  The last turn, which may overlap
 * the one before it, is read first. */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    unsigned char *target = to;
    const unsigned char *source = from;
    void *end = to;

    if (bytes >= quick_copy_from && bytes < QUICK_COPY_END) {
        __asm__ volatile("rep movsb"
                         : "+D"(end), "+S"(from), "+c"(bytes)
                         :
                         : "memory");
    } else if (bytes >= COPY_BY_REP) {
        uint64_t last = get_word(source + bytes - 8);
        size_t words = bytes / 8;
        __asm__ volatile("rep movsq"
                         : "+D"(end), "+S"(from), "+c"(words)
                         :
                         : "memory");
        set_word(target + bytes - 8, last);
    } else if (bytes >= TURN) {
        struct turn last = get_turn(source + bytes - TURN);

        for (size_t i = 0; i + TURN < bytes; i += TURN)
            set_turn(target + i, get_turn(source + i));
        set_turn(target + bytes - TURN, last);
    } else {
        copy_few(target, source, bytes);
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    /* Only a target that starts inside the source must be copied backwards.
     * The difference is unsigned, so a target below the source counts as far
     * away. */
    if ((uintptr_t)to - (uintptr_t)from >= bytes)
        return memcpy(to, from, bytes);
    unsigned char *target = to;
    const unsigned char *source = from;
    while (bytes-- > 0)
        target[bytes] = source[bytes];
    return to;
}

void *memset(void *to, int byte, size_t bytes)
{
    unsigned char *target = to;
    uint64_t word = UINT64_C(0x0101010101010101) * (unsigned char)byte;
    void *end = to;

    if (bytes >= quick_fill_from && bytes < QUICK_FILL_END) {
        __asm__ volatile("rep stosb"
                         : "+D"(end), "+c"(bytes)
                         : "a"(byte)
                         : "memory");
    } else if (bytes >= FILL_BY_REP) {
        size_t words = bytes / 8;
        __asm__ volatile("rep stosq"
                         : "+D"(end), "+c"(words)
                         : "a"(word)
                         : "memory");
        set_word(target + bytes - 8, word);
    } else if (bytes >= TURN) {
        const struct turn turn = {word, word, word, word};

        for (size_t i = 0; i + TURN < bytes; i += TURN)
            set_turn(target + i, turn);
        set_turn(target + bytes - TURN, turn);
    } else if (bytes >= 8) {
        for (size_t i = 0; i + 8 < bytes; i += 8)
            set_word(target + i, word);
        set_word(target + bytes - 8, word);
    } else {
        for (size_t i = 0; i < bytes; i++)
            target[i] = (unsigned char)byte;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < bytes; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

size_t strnlen(const char *s, size_t most)
{
    size_t length = 0;
    while (length < most && s[length] != '\0')
        length++;
    return length;
}

size_t strlen(const char *s)
{
    return strnlen(s, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        unsigned char x = (unsigned char)a[i], y = (unsigned char)b[i];
        if (x != y)
            return x - y;
        if (x == '\0')
            break;
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)(uintptr_t)s;
        if (*s == '\0')
            return NULL;
    }
}
