/* The steps of the proof of mm/tree/set512.h, in the order of that file; how
 * they are written is said in proof/step.h. */
#ifndef PROOF_SET512_STEPS_H
#define PROOF_SET512_STEPS_H

#include "proof/step.h"

/* clang-format off */

/* ---- Questions ---- */

#define LOOP_PRESENT(s, w, present)                                            \
    loop invariant 0 <= w <= 8;                                                \
    loop invariant present == 0 <==>                                           \
        \forall integer x; 0 <= x < w ==> s->words[x] == 0;                    \
    loop assigns w, present;                                                   \
    loop variant 8 - w;

#define LOOP_ABSENT(s, w, absent)                                              \
    loop invariant 0 <= w <= 8;                                                \
    loop invariant absent == 0 <==>                                            \
        \forall integer x; 0 <= x < w ==> s->words[x] == UINT64_MAX;           \
    loop assigns w, absent;                                                    \
    loop variant 8 - w;

#define LOOP_LOWEST(s, w, lowest)                                              \
    loop invariant 0 <= w <= 7 && w <= lowest <= 7;                            \
    loop invariant s->words[lowest] == 0 ==> lowest == 7;                      \
    loop invariant                                                             \
        \forall integer x; w <= x < lowest ==> s->words[x] == 0;               \
    loop assigns w, lowest;                                                    \
    loop variant w;

/* Nothing of the word that has the lowest lies below its bit `low`. */
#define STEPS_BELOW_LOW(s, lowest, low) ghost {                                \
    STEP(word, \forall integer i; 64 * lowest <= i < 64 * lowest + low ==>     \
        i / 64 == lowest && i % 64 < low && !has(s, i))                        \
}

#define LOOP_HIGHEST(s, w, highest)                                            \
    loop invariant 1 <= w <= 8 && 0 <= highest < w;                            \
    loop invariant s->words[highest] == 0 ==> highest == 0;                    \
    loop invariant                                                             \
        \forall integer x; highest < x < w ==> s->words[x] == 0;               \
    loop assigns w, highest;                                                   \
    loop variant 8 - w;

#define LOOP_COUNT(w, bytes)                                                   \
    loop invariant 0 <= w <= 8;                                                \
    loop assigns w, bytes;                                                     \
    loop variant 8 - w;

/* ---- Changes ---- */

#define SAME_BUT(s, i)                                                         \
    STEP(others, \forall integer j; 0 <= j < 512 && j != i ==>                 \
        (has(s, j) <==> has{Pre}(s, j)))

#define STEPS_ADDED(s, i, word) ghost {                                        \
    STEP(in, has(s, i))                                                        \
    SAME_BUT(s, i)                                                             \
    STEP(fit, words_fit(s))                                                    \
    STEP(full, full(s) ==> *word == UINT64_MAX)                                \
    STEP(another, full(s) ==> has{Pre}(s, i == 0 ? 1 : 0))                     \
}

#define STEPS_REMOVED(s, i, word) ghost {                                      \
    STEP(out, !has(s, i))                                                      \
    SAME_BUT(s, i)                                                             \
    STEP(fit, words_fit(s))                                                    \
    STEP(empty, empty(s) ==> *word == 0)                                       \
}

#define LOOP_CLEAR(s, w)                                                       \
    loop invariant 0 <= w <= 8;                                                \
    loop invariant \forall integer x; 0 <= x < w ==> s->words[x] == 0;         \
    loop assigns w, s->words[0 .. 7];                                          \
    loop variant 8 - w;

#define LOOP_FILL(s, w)                                                        \
    loop invariant 0 <= w <= 8;                                                \
    loop invariant                                                             \
        \forall integer x; 0 <= x < w ==> s->words[x] == UINT64_MAX;           \
    loop assigns w, s->words[0 .. 7];                                          \
    loop variant 8 - w;

#define LOOP_ADD_RANGE(s, w, first, end)                                       \
    loop invariant 0 <= w <= 8;                                                \
    loop invariant \forall integer x; w <= x < 8 ==>                           \
        s->words[x] == \at(s->words[x], Pre);                                  \
    loop invariant \forall integer i; 0 <= i < 64 * w ==>                      \
        (has(s, i) <==> first <= i < end || has{Pre}(s, i));                   \
    loop assigns w, s->words[0 .. 7];                                          \
    loop variant 8 - w;

/* Word w has the bits from..to - 1 more, which are its part of the range. */
#define STEPS_ADDED_BITS(s, w, from, to, first, end) ghost {                   \
    STEP(bits, \forall integer j; 0 <= j < 64 ==>                              \
        (bit(s->words[w], j) <==>                                              \
         from <= j < to || bit(\at(s->words[w], LoopCurrent), j)))             \
    STEP(range, \forall integer i; 64 * w <= i < 64 * w + 64 ==>               \
        (from <= i - 64 * w < to <==> first <= i < end))                       \
    STEP(word, \forall integer i; 64 * w <= i < 64 * w + 64 ==>                \
        (has(s, i) <==> first <= i < end || has{Pre}(s, i)))                   \
}

#endif
