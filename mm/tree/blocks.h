/* Blocks of a frame tree: the 4K frames of one 2M, many at once.
 *
 * A CPU that owns a 2M takes all of its available 4Ks in one step, hands them
 * out itself, and gives back what it has left in another (mm/frame/percpu.h).  To
 * the tree they are held as 4Ks all that time.
 *
 * Each function is made of those of mm/tree/tree.h and of steps on one leaf
 * that no summary depends on.  As there: nothing locks, and a tree is one
 * thread's at a time.
 */
#ifndef MM_TREE_BLOCKS_H
#define MM_TREE_BLOCKS_H

#include "mm/tree/tree.h"

/* No 2M has this number. */
#define BLOCK_NONE UINT32_MAX

/* A run is 2 to the power of at most this many frames. */
#define FRAME_RUN_ORDER_MAX 8

/* Whether 2M number i is split and has a 4K available. */
bool frame_tree_has_more(const struct frame_tree *tree, uint32_t i);

/* Frees a 4K into a leaf that has some, in a word that keeps some 0: so no
 * summary changes.  False, and nothing changed: it is none such. */
static inline bool frame_tree_put_among_others(struct frame_tree *tree,
                                               uint32_t n)
{
    struct set512 *leaf = &tree->free_4k[n / FRAMES_PER_2M];
    uint64_t *word = &leaf->words[n / SET512_WORD_BITS % SET512_WORDS];
    uint64_t others = *word, bit = UINT64_C(1) << n % SET512_WORD_BITS;

    if ((others & bit) != 0 || (others | bit) == SET512_ALL_ONES ||
        set512_is_empty(leaf))
        return false;
    *word = others | bit;
    return true;
}

/* Takes every available 4K of 2M number i, in which a 4K is held; they are held
 * as 4Ks now.  Which they are goes to `taken`: maybe none. */
void frame_tree_take_rest(struct frame_tree *tree, uint32_t i,
                          struct set512 *taken);

/* The lowest frame of that size that is available below frame number end: out
 * of the smallest block that serves, as the tree allocates 4Ks.  FRAME_NONE if
 * there is none; nothing is taken. */
uint32_t frame_tree_lowest(const struct frame_tree *tree, enum frame_size size,
                           uint32_t end);

/* The number of the lowest 2M that is split and has a 4K available.  There is
 * one. */
uint32_t frame_tree_lowest_split(const struct frame_tree *tree);

/* The next 2M from number i on that is split and has a 4K available, or
 * BLOCK_NONE; any number. */
uint32_t frame_tree_next_split(const struct frame_tree *tree, uint32_t i);

/* Takes 2^order 4Ks in a row, the first a multiple of 2^order, out of 2M number
 * i, which is split; returns the first, or FRAME_NONE if it has no such run. */
uint32_t frame_tree_take_run(struct frame_tree *tree, uint32_t i,
                             unsigned order);

/* The same at the beginning of 2M number i, which is available as a whole. */
uint32_t frame_tree_break_run(struct frame_tree *tree, uint32_t i,
                              unsigned order);

/* Makes those 4Ks of 2M number i available.  All of them are held as 4Ks. */
void frame_tree_put_block(struct frame_tree *tree, uint32_t i,
                          const struct set512 *given);

#endif
