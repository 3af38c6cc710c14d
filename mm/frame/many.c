/* Many frames in one call, and frames of zeros. */
#include "mm/frame.h"

#include "lib/string.h"
#include "mm/frame/search.h"
#include "mm/platform.h"

paddr_t frame_alloc_zeroed(enum frame_size size)
{
    paddr_t frame = frame_alloc(size);
    if (frame != PADDR_NONE)
        memset(phys_to_virt(frame), 0, frame_bytes(size));
    return frame;
}

/* In the section: frames of the block's word, as many as are wanted or there;
 * the word is stored once. */
static size_t take_word(struct frame_block *block, size_t count,
                        paddr_t *frames)
{
    uint64_t bits = frame_word_get(block->word);
    size_t got = 0;
    for (; got < count && bits != 0; got++, bits &= bits - 1)
        frames[got] = block->word_base + word_lowest(bits) * SIZE_4K;
    if (got != 0)
        frame_word_set(block->word, bits);
    return got;
}

static size_t take_words(size_t count, paddr_t *frames)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL || !cpu_section_enter(&cpu->section))
        return 0;
    size_t got = take_word(&cpu->alloc, count, frames);
    cpu_section_leave(&cpu->section);
    return got;
}

/* A word, and then one frame by frame_alloc, which finds the next word. */
size_t frame_alloc_many(enum frame_size size, size_t count, paddr_t *frames)
{
    for (size_t got = 0;;) {
        if (size == FRAME_4K)
            got += take_words(count - got, frames + got);
        if (got == count)
            return got;
        paddr_t frame = frame_alloc(size);
        if (frame == PADDR_NONE)
            return got;
        frames[got++] = frame;
    }
}

enum mm_error frame_free_many(size_t count, const paddr_t *frames,
                              size_t *freed)
{
    for (*freed = 0; *freed < count; ++*freed) {
        enum mm_error error = frame_free(frames[*freed]);
        if (error != MM_OK)
            return error;
    }
    return MM_OK;
}
