/* A map set by set: what the facts of mm/tree/map_model.h are proved
 * from.  Kept from the proof of the functions, as proof/set_by_bits.h is. */
#ifndef PROOF_MAP_BY_BITS_H
#define PROOF_MAP_BY_BITS_H

/*@ lemma in_is_has{L}: \forall struct frame_tree *t, integer map, s, i;
        0 <= s && 0 <= i < 512 ==>
            (512 * s + i) / 512 == s && (512 * s + i) % 512 == i &&
            (in(t, map, 512 * s + i) <==> has(set_of(t, map, s), i));
*/

#endif
