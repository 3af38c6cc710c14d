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
    unsigned lowest = 64;

    /*@ loop invariant 0 <= k <= 64 && k <= lowest <= 64;
        loop invariant lowest < 64 ==> bit(word, lowest);
        loop invariant \forall integer j; k <= j < lowest ==> !bit(word, j);
        loop assigns k, lowest;
        loop variant k; */
    for (unsigned k = 64; k > 0; k--)
        if (word >> (k - 1) & 1)
            lowest = k - 1;
    return lowest;
}

/*@ requires word != 0;
    assigns  \nothing;
    ensures  0 <= \result < 64 && bit(word, \result);
    ensures  \forall integer j; \result < j < 64 ==> !bit(word, j);
*/
unsigned highest_by_trying(uint64_t word)
{
    unsigned highest = 64;

    /*@ loop invariant 0 <= k <= 64 && (highest < k || highest == 64);
        loop invariant highest < 64 ==> bit(word, highest);
        loop invariant \forall integer j; 0 <= j < k ==>
            highest == 64 || highest < j ==> !bit(word, j);
        loop assigns k, highest;
        loop variant 64 - k; */
    for (unsigned k = 0; k < 64; k++)
        if (word >> k & 1)
            highest = k;
    return highest;
}
