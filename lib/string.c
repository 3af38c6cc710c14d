/* The string functions of lib/string.h, plain and short.
 *
 * rep movs and rep stos move whole cache lines where they can (Intel
 * optimization manual, section 3.7.6); by words they do so on CPUs without ERMS
 * too.  They take some 20 ns to begin with, in which a loop is long done with a
 * few hundred bytes.
 */
#include "lib/string.h"

#include <stdint.h>

/* Up to so many bytes by a loop. */
#define COPY_BY_LOOP 512
#define FILL_BY_LOOP 256

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

/* Forwards, each word read before one behind it is written: memmove relies on
 * that.  The last word, which may overlap the one before, is read first. */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    unsigned char *target = to;
    const unsigned char *source = from;
    size_t i = 0;

    if (bytes < 8) {
        for (; i < bytes; i++)
            target[i] = source[i];
        return to;
    }
    uint64_t last = get_word(source + bytes - 8);
    if (bytes > COPY_BY_LOOP) {
        void *end = to;
        size_t words = bytes / 8;
        __asm__ volatile("rep movsq"
                         : "+D"(end), "+S"(from), "+c"(words)
                         :
                         : "memory");
    } else {
        for (; i + 8 <= bytes; i += 8)
            set_word(target + i, get_word(source + i));
    }
    set_word(target + bytes - 8, last);
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    /* Unsigned difference: only a target inside the source must go backwards */
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
    uint64_t pattern = UINT64_C(0x0101010101010101) * (unsigned char)byte;
    size_t i = 0;

    if (bytes < 8) {
        for (; i < bytes; i++)
            target[i] = (unsigned char)byte;
        return to;
    }
    if (bytes > FILL_BY_LOOP) {
        void *end = to;
        size_t words = bytes / 8;
        __asm__ volatile("rep stosq"
                         : "+D"(end), "+c"(words)
                         : "a"(pattern)
                         : "memory");
    } else {
        for (; i + 8 <= bytes; i += 8)
            set_word(target + i, pattern);
    }
    set_word(target + bytes - 8, pattern);
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
