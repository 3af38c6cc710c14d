/* Proves the facts of proof/word_facts.h, and that what is trusted of the
 * bit-scan instructions is true of a loop that tries one bit after another. */
#define WORD_BY_BITS
#include "proof/word_facts.h"

/*@ requires word != 0;
    assigns  \nothing;
    ensures  0 <= \result < 64 && bit(word, \result);
    ensures  \forall integer j; 0 <= j < \result ==> !bit(word, j);
*/
unsigned lowest_by_trying(uint64_t word)
{
    /*@ loop invariant 0 <= k <= 64;
        loop invariant \forall integer j; 0 <= j < k ==> !bit(word, j);
        loop assigns k;
        loop variant 64 - k; */
    for (unsigned k = 0; k < 64; k++) {
        if (word >> k & 1)
            return k;
        //@ assert clear: !bit(word, k);
    }
    //@ assert never: \false;
    return 64;
}

/*@ requires word != 0;
    assigns  \nothing;
    ensures  0 <= \result < 64 && bit(word, \result);
    ensures  \forall integer j; \result < j < 64 ==> !bit(word, j);
*/
unsigned highest_by_trying(uint64_t word)
{
    /*@ loop invariant 0 <= k <= 64;
        loop invariant \forall integer j; k <= j < 64 ==> !bit(word, j);
        loop assigns k;
        loop variant k; */
    for (unsigned k = 64; k > 0; k--) {
        if (word >> (k - 1) & 1)
            return k - 1;
        //@ assert clear: !bit(word, k - 1);
    }
    //@ assert never: \false;
    return 64;
}
