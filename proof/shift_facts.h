/* A shift to the right is a division, for the constants that page tables shift
 * by.  Proved one bit after another in proof/shift_facts.c. */
#ifndef PROOF_SHIFT_FACTS_H
#define PROOF_SHIFT_FACTS_H

#include <stdint.h>

/*@ lemma shift_12: \forall integer v; 0 <= v ==> (v >> 12) == v / 0x1000;
    lemma shift_21: \forall integer v; 0 <= v ==> (v >> 21) == v / 0x200000;
    lemma shift_30: \forall integer v; 0 <= v ==> (v >> 30) == v / 0x40000000;
    lemma shift_39: \forall integer v; 0 <= v ==> (v >> 39) == v / 0x8000000000;
*/

#endif
