/* The string functions that the kernel uses, with their C standard meaning.
 *
 * The compiler itself generates calls of the first four.  On the host the
 * functions of the C library are used, so that the sanitizers check them.
 */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include <stdbool.h>

#if __STDC_HOSTED__
#include <string.h>
#else
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t most);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t most);
char *strchr(const char *s, int c);
#endif

/* Tells which of rep movsb and rep stosb the CPUs run quickly for few bytes
 * (Intel manual 2A, CPUID: leaf 7, edx bit 4, FSRM; leaf 7.1, eax bit 11,
 * FSRS).  Before this call neither is assumed to be quick.  No other CPU may
 * copy or fill meanwhile. */
void string_tune(bool short_copies, bool short_fills);

#endif
