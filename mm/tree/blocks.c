#include "mm/tree/blocks.h"

#include "mm/tree/maps.h"

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

/* ---- Runs ---- */

/* The bits of a word at which 2^order bits that are 1 begin, order below 6: of
 * positions that are multiples of 2^order. */
static uint64_t run_starts(uint64_t word, unsigned order)
{
    static const uint64_t multiples[] = {
        UINT64_C(0xffffffffffffffff), UINT64_C(0x5555555555555555),
        UINT64_C(0x1111111111111111), UINT64_C(0x0101010101010101),
        UINT64_C(0x0001000100010001), UINT64_C(0x0000000100000001)};

    for (unsigned shift = 0; shift < order; shift++)
        word &= word >> (1u << shift);
    return word & multiples[order];
}

/* The lowest member of the set at which such a run begins, or SET512_MEMBERS.
 */
static unsigned find_run(const struct set512 *set, unsigned order)
{
    unsigned step = order < 6 ? 1 : 1u << (order - 6);

    for (unsigned w = 0; w < SET512_WORDS; w += step) {
        uint64_t all = set->words[w];
        for (unsigned i = 1; i < step; i++)
            all &= set->words[w + i];
        uint64_t starts =
            order < 6 ? run_starts(all, order) : all == SET512_ALL_ONES;
        if (starts != 0)
            return w * SET512_WORD_BITS + word_lowest(starts);
    }
    return SET512_MEMBERS;
}

/* Takes first to end - 1 out of the leaf of 2M number i, which keeps some and
 * is not full: so nothing above it changes. */
static void thin(struct frame_tree *tree, uint32_t i, unsigned first,
                 unsigned end)
{
    struct set512 out;

    set512_clear(&out);
    set512_add_range(&out, first, end);
    SET512_UNROLL
    for (unsigned w = 0; w < SET512_WORDS; w++)
        tree->free_4k[i].words[w] &= ~out.words[w];
}

uint32_t frame_tree_take_run(struct frame_tree *tree, uint32_t i,
                             unsigned order)
{
    unsigned first = find_run(&tree->free_4k[i], order);

    if (first == SET512_MEMBERS)
        return FRAME_NONE;

    unsigned last = first + (1u << order) - 1;

    thin(tree, i, first, last);
    frame_tree_reserve(tree, i * FRAMES_PER_2M + last, FRAME_4K);
    return i * FRAMES_PER_2M + first;
}

uint32_t frame_tree_break_run(struct frame_tree *tree, uint32_t i,
                              unsigned order)
{
    frame_tree_reserve(tree, i * FRAMES_PER_2M, FRAME_4K);
    thin(tree, i, 1, 1u << order);
    return i * FRAMES_PER_2M;
}

/* ---- Looking ---- */

/* FRAME_NONE unless all of the frame at n lies below end. */
static uint32_t below(uint32_t n, enum frame_size size, uint32_t end)
{
    uint32_t frames = size == FRAME_4K   ? 1
                      : size == FRAME_2M ? FRAMES_PER_2M
                                         : FRAMES_PER_1G;

    return n < end && end - n >= frames ? n : FRAME_NONE;
}

uint32_t frame_tree_lowest_split(const struct frame_tree *tree)
{
    uint32_t g = map_lowest(tree, SOME_4K_IN_1G, 0);

    return map_lowest(tree, SOME_4K_IN_2M, g);
}

uint32_t frame_tree_lowest(const struct frame_tree *tree, enum frame_size size,
                           uint32_t end)
{
    uint32_t n = FRAME_NONE;

    if (size == FRAME_4K && !map_is_empty(tree, SOME_4K_IN_1G, 0))
        n = below(map_lowest(tree, FREE_4K, frame_tree_lowest_split(tree)),
                  size, end);
    if (n == FRAME_NONE && size != FRAME_1G &&
        !map_is_empty(tree, SOME_2M_IN_1G, 0)) {
        uint32_t g = map_lowest(tree, SOME_2M_IN_1G, 0);

        n = below(map_lowest(tree, FREE_2M, g) * FRAMES_PER_2M, size, end);
    }
    if (n == FRAME_NONE && !map_is_empty(tree, FREE_1G, 0))
        n = below(map_lowest(tree, FREE_1G, 0) * FRAMES_PER_1G, size, end);
    return n;
}

/* The lowest member of the set from `first` on, or SET512_MEMBERS. */
static unsigned lowest_from(const struct set512 *set, unsigned first)
{
    unsigned w = first / SET512_WORD_BITS;
    uint64_t word = set->words[w] & SET512_ALL_ONES << first % SET512_WORD_BITS;

    while (word == 0) {
        if (++w == SET512_WORDS)
            return SET512_MEMBERS;
        word = set->words[w];
    }
    return w * SET512_WORD_BITS + word_lowest(word);
}

uint32_t frame_tree_next_split(const struct frame_tree *tree, uint32_t i)
{
    uint32_t g = i / SET512_MEMBERS;

    if (g >= tree->gib_count)
        return BLOCK_NONE;

    unsigned n = lowest_from(&tree->some_4k_in_2m[g], i % SET512_MEMBERS);

    if (n == SET512_MEMBERS) {
        g = g + 1 == SET512_MEMBERS ? SET512_MEMBERS
                                    : lowest_from(&tree->some_4k_in_1g, g + 1);
        if (g == SET512_MEMBERS)
            return BLOCK_NONE;
        n = set512_lowest(&tree->some_4k_in_2m[g]);
    }
    return g * SET512_MEMBERS + n;
}
