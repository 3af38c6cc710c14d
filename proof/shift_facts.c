/* Proves the facts of proof/shift_facts.h: each shift from the one before. */
#define STEP(k)                                                                \
    lemma right_##k : \forall integer v;                                       \
    v < 0 || ((v >> (k + 1)) == (v >> k) / 2 && (v >> k) == v / (1 << k) &&    \
              (v >> (k + 1)) == v / (1 << (k + 1)));

/*@ lemma right_twice: \forall integer v, k; 0 <= v && 0 <= k ==>
        ((v >> k) >> 1) == (v >> (k + 1));

    lemma right_halves: \forall integer v, k; 0 <= v && 0 <= k && 0 <= (v >> k)
        ==> (v >> (k + 1)) == (v >> k) / 2;

    STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)
    STEP(8) STEP(9) STEP(10) STEP(11) STEP(12) STEP(13) STEP(14) STEP(15)
    STEP(16) STEP(17) STEP(18) STEP(19) STEP(20) STEP(21) STEP(22) STEP(23)
    STEP(24) STEP(25) STEP(26) STEP(27) STEP(28) STEP(29) STEP(30) STEP(31)
    STEP(32) STEP(33) STEP(34) STEP(35) STEP(36) STEP(37) STEP(38) STEP(39)
*/

#include "proof/shift_facts.h"
