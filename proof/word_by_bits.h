/* A word bit by bit: what the facts of proof/word_facts.h are proved from. */
#ifndef PROOF_WORD_BY_BITS_H
#define PROOF_WORD_BY_BITS_H

#define BIT(j)                                                                 \
    lemma bit_##j : \forall uint64_t word;                                     \
    bit(word, j) <==> (word & (1 << j)) != 0;
#define IS_1(j) (word & (1 << j)) != 0 ==>
#define IS_0(j) (word & (1 << j)) == 0 ==>

#define ALL_64(EACH)                                                           \
    EACH(0) EACH(1) EACH(2) EACH(3) EACH(4) EACH(5) EACH(6) EACH(7)            \
    EACH(8) EACH(9) EACH(10) EACH(11) EACH(12) EACH(13) EACH(14) EACH(15)      \
    EACH(16) EACH(17) EACH(18) EACH(19) EACH(20) EACH(21) EACH(22) EACH(23)    \
    EACH(24) EACH(25) EACH(26) EACH(27) EACH(28) EACH(29) EACH(30) EACH(31)    \
    EACH(32) EACH(33) EACH(34) EACH(35) EACH(36) EACH(37) EACH(38) EACH(39)    \
    EACH(40) EACH(41) EACH(42) EACH(43) EACH(44) EACH(45) EACH(46) EACH(47)    \
    EACH(48) EACH(49) EACH(50) EACH(51) EACH(52) EACH(53) EACH(54) EACH(55)    \
    EACH(56) EACH(57) EACH(58) EACH(59) EACH(60) EACH(61) EACH(62) EACH(63)

/*@ lemma one_bit_of_ones: \forall integer j; 0 <= j < 64 ==>
        (0xffffffffffffffff & (1 << j)) != 0;

    lemma all_64_are_1: \forall uint64_t word;
        ALL_64(IS_1) word == 0xffffffffffffffff;

    lemma all_64_are_0: \forall uint64_t word; ALL_64(IS_0) word == 0;

    ALL_64(BIT)
*/

#endif
