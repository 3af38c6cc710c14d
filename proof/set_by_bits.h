/* A set bit by bit: what the facts of mm/tree/set512.h are proved from.  Kept from
 * the proof of the functions, where it would send the provers round in circles:
 * it makes a new term of the kind it takes. */
#ifndef PROOF_SET_BY_BITS_H
#define PROOF_SET_BY_BITS_H

/*@ lemma has_is_bit{L}: \forall struct set512 *s, integer x, j;
        0 <= x < 8 && 0 <= j < 64 ==>
            (has(s, 64 * x + j) <==> bit(s->words[x], j));
*/

#endif
