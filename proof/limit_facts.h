/* A limit of physical addresses that is given in bits is whole pages.  Proved
 * by going through the numbers of bits; used by the proof of
 * mm/map/memory_map.c. */
#ifndef PROOF_LIMIT_FACTS_H
#define PROOF_LIMIT_FACTS_H

/*@ lemma limit_of_bits: \forall integer bits; 12 < bits <= 52 ==>
        0x2000 <= (1 << bits) <= 0x10000000000000 && (1 << bits) % 4096 == 0;
*/

#endif
