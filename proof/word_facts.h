/* Facts about one 64-bit word.  Proved in proof/word_facts.c, by going through
 * the 64 bits; used by the proof of mm/tree/set512.h. */
#ifndef PROOF_WORD_FACTS_H
#define PROOF_WORD_FACTS_H

#include <stdint.h>

/*@ predicate bit(integer word, integer j) = (word & (1 << j)) != 0; */

#ifdef WORD_BY_BITS
#include "proof/word_by_bits.h"
#endif

/*@ lemma all_ones_has: \forall integer j; 0 <= j < 64 ==>
        bit(UINT64_MAX, j);

    lemma zero_has_not: \forall integer j; 0 <= j < 64 ==> !bit(0, j);

    lemma all_ones_is: \forall uint64_t word;
        (\forall integer j; 0 <= j < 64 ==> bit(word, j)) ==>
            word == UINT64_MAX;

    lemma zero_is: \forall uint64_t word;
        (\forall integer j; 0 <= j < 64 ==> !bit(word, j)) ==> word == 0;
*/

/* The trusted base: what the bit-scan instructions do (AMD64 manual volume 3,
 * BSF and BSR).  tests/host/test_set512.c tries them on every pair of ends. */
/*@ requires word != 0;
    assigns  \nothing;
    ensures  0 <= \result < 64 && bit(word, \result);
    ensures  \forall integer j; 0 <= j < \result ==> !bit(word, j);
*/
int __builtin_ctzll(unsigned long long word);

/*@ requires word != 0;
    assigns  \nothing;
    ensures  0 <= \result < 64 && bit(word, 63 - \result);
    ensures  \forall integer j; 63 - \result < j < 64 ==> !bit(word, j);
*/
int __builtin_clzll(unsigned long long word);

#endif
