#include "mm/frame_tree_blocks.h"

#include "mm/frame_tree_maps.h"

bool frame_tree_has_more(const struct frame_tree *tree, uint32_t i)
{
    return map_has(tree, SOME_4K_IN_2M, i);
}

void frame_tree_take_rest(struct frame_tree *tree, uint32_t i,
                          struct set512 *taken)
{
    uint32_t g = i / SET512_MEMBERS;

    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        taken->words[w] = tree->free_4k[i].words[w];
    if (!map_has(tree, SOME_4K_IN_2M, i))
        return;
    map_clear(tree, FREE_4K, i);
    if (map_remove(tree, SOME_4K_IN_2M, i))
        map_remove(tree, SOME_4K_IN_1G, g);
}

/* The lowest frame goes first and the highest last, each by itself, and the
 * tree brings its summaries up to date.  Between them the leaf is neither empty
 * nor full, whatever else is added to it: so nothing above it changes. */
void frame_tree_put_block(struct frame_tree *tree, uint32_t i,
                          const struct set512 *given)
{
    if (set512_is_empty(given))
        return;

    unsigned first = set512_lowest(given), last = set512_highest(given);

    frame_tree_free(tree, i * FRAMES_PER_2M + first);
    if (first == last)
        return;

    struct set512 rest = *given;

    set512_remove(&rest, last);
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        tree->free_4k[i].words[w] |= rest.words[w];
    frame_tree_free(tree, i * FRAMES_PER_2M + last);
}
