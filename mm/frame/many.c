/* Many frames in one call, and frames of zeros. */
#include "mm/frame.h"

#include "lib/string.h"
#include "mm/platform.h"

paddr_t frame_alloc_zeroed(enum frame_size size)
{
    paddr_t frame = frame_alloc(size);
    if (frame != PADDR_NONE)
        memset(phys_to_virt(frame), 0, frame_bytes(size));
    return frame;
}

size_t frame_alloc_many(enum frame_size size, size_t count, paddr_t *frames)
{
    size_t got = 0;
    while (got < count && frame_try_alloc(size, &frames[got]) == MM_OK)
        got++;
    return got;
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
