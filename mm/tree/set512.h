/* A set of the numbers 0 to 511 in 512 bits: one cache line, and what
 * every level of every tree here is made of.
 *
 * 1 is a member.  Every loop is over the eight words.  Callers hold whatever
 * lock the set needs.  The macros exist so that the tests can shrink the set
 * and visit every state of a tree made of it; the kernel has one value.
 *
 * Compilers skip comments that begin with @.  Above a function, one says what
 * it does; inside, LOOP_* and STEPS_* are the proof's: proof/set512_steps.h.
 */
#ifndef MM_TREE_SET512_H
#define MM_TREE_SET512_H

#include <stdbool.h>
#include <stdint.h>

#ifndef SET512_WORDS
#define SET512_WORDS     8
#define SET512_WORD_BITS 64
#endif

#define SET512_MEMBERS  (SET512_WORDS * SET512_WORD_BITS)
#define SET512_ALL_ONES (UINT64_MAX >> (64 - SET512_WORD_BITS))

/* gcc leaves loops as they are at -O2; clang unrolls these unasked. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__FRAMAC__)
#define SET512_UNROLL _Pragma("GCC unroll 8")
#else
#define SET512_UNROLL
#endif

struct set512 {
    uint64_t words[SET512_WORDS];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct set512) == 64 || SET512_WORDS != 8,
               "a set is one cache line");

/* What set512_add made of the set. */
enum set512_growth {
    SET512_GREW,  /* neither of these */
    SET512_FIRST, /* it was empty, and is not full */
    SET512_FULL,  /* it has all members now */
};

#ifdef __FRAMAC__
#include "proof/set512_steps.h"
#include "proof/word_facts.h"
#endif

/*@ predicate has{L}(struct set512 *s, integer i) =
        bit(\at(s->words[i / 64], L), i % 64);

    predicate empty{L}(struct set512 *s) =
        \forall integer i; 0 <= i < 512 ==> !has{L}(s, i);

    predicate full{L}(struct set512 *s) =
        \forall integer i; 0 <= i < 512 ==> has{L}(s, i);

    predicate words_fit{L}(struct set512 *s) =
        \forall integer x; 0 <= x < 8 ==>
            0 <= \at(s->words[x], L) <= UINT64_MAX;

    predicate others_same{L1, L2}(struct set512 *s) =
        \forall struct set512 *o; \separated(o, s) ==>
            (\forall integer i; 0 <= i < 512 ==>
                 (has{L1}(o, i) <==> has{L2}(o, i)));
*/

#ifdef SETS_BY_BITS
#include "proof/set_by_bits.h"
#endif

/*@ lemma word_of_member: \forall integer x, i;
        0 <= x && 64 * x <= i < 64 * x + 64 ==>
            i / 64 == x && i % 64 == i - 64 * x;

    lemma full_is_not_empty{L}: \forall struct set512 *s;
        full(s) ==> has(s, 0) && !empty(s);

    lemma zero_words_empty{L}: \forall struct set512 *s;
        (\forall integer x; 0 <= x < 8 ==> s->words[x] == 0) ==> empty(s);

    lemma one_words_full{L}: \forall struct set512 *s;
        (\forall integer x; 0 <= x < 8 ==> s->words[x] == UINT64_MAX) ==>
            full(s);

    lemma empty_zero_words{L}: \forall struct set512 *s;
        words_fit(s) && empty(s) ==>
            (\forall integer x; 0 <= x < 8 ==> s->words[x] == 0);

    lemma full_one_words{L}: \forall struct set512 *s;
        words_fit(s) && full(s) ==>
            (\forall integer x; 0 <= x < 8 ==> s->words[x] == UINT64_MAX);
*/

/* The lowest bit that is 1.  The word is not 0. */
/*@ requires word != 0;
    assigns  \nothing;
    ensures  \result < 64 && bit(word, \result);
    ensures  \forall integer j; 0 <= j < \result ==> !bit(word, j);
*/
static inline unsigned word_lowest(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word);
}

/* The highest bit that is 1.  The word is not 0. */
/*@ requires word != 0;
    assigns  \nothing;
    ensures  \result < 64 && bit(word, \result);
    ensures  \forall integer j; \result < j < 64 ==> !bit(word, j);
*/
static inline unsigned word_highest(uint64_t word)
{
    return 63 - (unsigned)__builtin_clzll(word);
}

/* The number of bits that are 1 in each byte: sums of 2, 4, then 8 bits. */
/*@ assigns \nothing; */
static inline uint64_t word_byte_counts(uint64_t word)
{
    word -= (word >> 1) & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) +
           ((word >> 2) & UINT64_C(0x3333333333333333));
    return (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
}

/* The number of bits that are 1: the product adds the bytes up in the highest
 * one. */
/*@ assigns \nothing; */
static inline unsigned word_count(uint64_t word)
{
    return (unsigned)((word_byte_counts(word) *
                       UINT64_C(0x0101010101010101)) >> 56);
}

/*@ requires \valid_read(s) && i < 512;
    assigns  \nothing;
    ensures  \result <==> has(s, i);
*/
static inline bool set512_has(const struct set512 *s, unsigned i)
{
    return s->words[i / SET512_WORD_BITS] >> (i % SET512_WORD_BITS) & 1;
}

/*@ requires \valid_read(s);
    assigns  \nothing;
    ensures  \result <==> empty(s);
*/
static inline bool set512_is_empty(const struct set512 *s)
{
    uint64_t present = 0;

    //@ LOOP_PRESENT(s, w, present)
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        present |= s->words[w];
    //@ assert words_fit(s);
    return present == 0;
}

/*@ requires \valid_read(s);
    assigns  \nothing;
    ensures  \result <==> full(s);
*/
static inline bool set512_is_full(const struct set512 *s)
{
    uint64_t absent = 0;

    //@ LOOP_ABSENT(s, w, absent)
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        absent |= SET512_ALL_ONES - s->words[w];
    //@ assert words_fit(s);
    return absent == 0;
}

/* The lowest member.  The set is not empty. */
/*@ requires \valid_read(s) && !empty(s);
    assigns  \nothing;
    ensures  \result < 512 && has(s, \result);
    ensures  \forall integer i; 0 <= i < \result ==> !has(s, i);
*/
static inline unsigned set512_lowest(const struct set512 *s)
{
    unsigned lowest = SET512_WORDS - 1;

    /* Downwards and without leaving early: eight conditional moves, where an
     * exit at the word found would be a branch nobody can predict. */
    //@ LOOP_LOWEST(s, w, lowest)
    SET512_UNROLL
    for (unsigned w = SET512_WORDS - 1; w-- > 0;)
        if (s->words[w] != 0)
            lowest = w;
    //@ assert below: \forall integer i; 0 <= i < 64 * lowest ==> !has(s, i);
    unsigned low = word_lowest(s->words[lowest]);

    //@ STEPS_BELOW_LOW(s, lowest, low)
    return lowest * SET512_WORD_BITS + low;
}

/* The highest member.  The set is not empty. */
/*@ requires \valid_read(s) && !empty(s);
    assigns  \nothing;
    ensures  \result < 512 && has(s, \result);
    ensures  \forall integer i; \result < i < 512 ==> !has(s, i);
*/
static inline unsigned set512_highest(const struct set512 *s)
{
    unsigned highest = 0;

    //@ LOOP_HIGHEST(s, w, highest)
    SET512_UNROLL
    for (unsigned w = 1; w < SET512_WORDS; w++)
        if (s->words[w] != 0)
            highest = w;
    return highest * SET512_WORD_BITS + word_highest(s->words[highest]);
}

/* The number of members.  In a byte, all words come to 64 at most, and all
 * bytes to 512: more than a byte counts, so pairs are added up at the end. */
/*@ requires \valid_read(s);
    assigns  \nothing;
*/
static inline unsigned set512_count(const struct set512 *s)
{
    const uint64_t even = UINT64_C(0x00ff00ff00ff00ff);
    uint64_t bytes = 0;

    //@ LOOP_COUNT(w, bytes)
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        bytes += word_byte_counts(s->words[w]);
    return (unsigned)((((bytes & even) + (bytes >> 8 & even)) *
                       UINT64_C(0x0001000100010001)) >> 48);
}

/* Puts i in; it may be in already. */
/*@ requires \valid(s) && i < 512;
    assigns  s->words[i / 64];
    ensures  has(s, i);
    ensures  \forall integer j; 0 <= j < 512 && j != i ==>
                 (has(s, j) <==> has{Pre}(s, j));
    ensures  \result == SET512_FULL <==> full(s);
    ensures  \result == SET512_FIRST <==> empty{Pre}(s) && !full(s);
    ensures  \result == SET512_GREW <==> !empty{Pre}(s) && !full(s);
    ensures  full(s) ==> !empty{Pre}(s);
    ensures  others: others_same{Pre, Post}(s);
*/
static inline enum set512_growth set512_add(struct set512 *s, unsigned i)
{
    uint64_t *word = &s->words[i / SET512_WORD_BITS];
    bool was_empty = *word == 0 && set512_is_empty(s);

    //@ assert was: was_empty <==> empty(s);
    *word |= UINT64_C(1) << (i % SET512_WORD_BITS);
    //@ STEPS_ADDED(s, i, word)
    if (*word == SET512_ALL_ONES && set512_is_full(s))
        return SET512_FULL;
    return was_empty ? SET512_FIRST : SET512_GREW;
}

/* Takes i out, which may be out already; true if the set is empty now. */
/*@ requires \valid(s) && i < 512;
    assigns  s->words[i / 64];
    ensures  !has(s, i);
    ensures  \forall integer j; 0 <= j < 512 && j != i ==>
                 (has(s, j) <==> has{Pre}(s, j));
    ensures  \result <==> empty(s);
    ensures  empty{Pre}(s) ==> empty(s);
    ensures  others: others_same{Pre, Post}(s);
*/
static inline bool set512_remove(struct set512 *s, unsigned i)
{
    uint64_t *word = &s->words[i / SET512_WORD_BITS];

    *word &= ~(UINT64_C(1) << (i % SET512_WORD_BITS));
    //@ STEPS_REMOVED(s, i, word)
    return *word == 0 && set512_is_empty(s);
}

/*@ requires \valid(s);
    assigns  s->words[0 .. 7];
    ensures  empty(s);
    ensures  others: others_same{Pre, Post}(s);
*/
static inline void set512_clear(struct set512 *s)
{
    //@ LOOP_CLEAR(s, w)
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        s->words[w] = 0;
}

/*@ requires \valid(s);
    assigns  s->words[0 .. 7];
    ensures  full(s);
    ensures  others: others_same{Pre, Post}(s);
*/
static inline void set512_fill(struct set512 *s)
{
    //@ LOOP_FILL(s, w)
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        s->words[w] = SET512_ALL_ONES;
}

/* The word with the bits from `first` on: none of them if first is 64. */
/*@ requires first <= 64;
    assigns  \nothing;
    ensures  \forall integer j; 0 <= j < 64 ==>
                 (bit(\result, j) <==> first <= j);
*/
static inline uint64_t word_from(unsigned first)
{
    return first < SET512_WORD_BITS
               ? SET512_ALL_ONES << first & SET512_ALL_ONES
               : 0;
}

/* The word with the bits first to end - 1. */
/*@ requires first <= 64 && end <= 64;
    assigns  \nothing;
    ensures  \forall integer j; 0 <= j < 64 ==>
                 (bit(\result, j) <==> first <= j < end);
*/
static inline uint64_t word_between(unsigned first, unsigned end)
{
    uint64_t from_first = word_from(first), from_end = word_from(end);

    return from_first & ~from_end;
}

/* Puts first, first + 1, ... end - 1 in. */
/*@ requires \valid(s) && first <= end <= 512;
    assigns  s->words[0 .. 7];
    ensures  \forall integer i; 0 <= i < 512 ==>
                 (has(s, i) <==> first <= i < end || has{Pre}(s, i));
    ensures  others: others_same{Pre, Post}(s);
*/
static inline void set512_add_range(struct set512 *s, unsigned first,
                                    unsigned end)
{
    //@ LOOP_ADD_RANGE(s, w, first, end)
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++) {
        unsigned base = w * SET512_WORD_BITS;
        unsigned from = first > base ? first - base : 0;
        unsigned to = end > base ? end - base : 0;

        if (from > SET512_WORD_BITS)
            from = SET512_WORD_BITS;
        if (to > SET512_WORD_BITS)
            to = SET512_WORD_BITS;
        s->words[w] |= word_between(from, to);
        //@ STEPS_ADDED_BITS(s, w, from, to, first, end)
    }
}

#endif
