/* The figures of a heap: what its live blocks are, were asked for and take. */
#include "mm/heap/backend.h"

static void raise_peak(size_t *peak, size_t value)
{
    if (*peak < value)
        *peak = value;
}

void heap_count(struct heap_stats *stats, struct heap_class *classes,
                const struct heap_block *block)
{
    struct heap_class *class = &classes[heap_class_of(block->layout.size)];

    stats->blocks++;
    stats->requested += block->layout.size;
    stats->held += block->held;
    raise_peak(&stats->peak_blocks, stats->blocks);
    raise_peak(&stats->peak_requested, stats->requested);
    raise_peak(&stats->peak_held, stats->held);
    class->blocks++;
    class->requested += block->layout.size;
    class->held += block->held;
    raise_peak(&class->peak_blocks, class->blocks);
}

void heap_discount(struct heap_stats *stats, struct heap_class *classes,
                   const struct heap_block *block)
{
    struct heap_class *class = &classes[heap_class_of(block->layout.size)];

    stats->blocks--;
    stats->requested -= block->layout.size;
    stats->held -= block->held;
    class->blocks--;
    class->requested -= block->layout.size;
    class->held -= block->held;
}

bool heap_copy_class(const struct heap_class *classes, unsigned number,
                     struct heap_class *class)
{
    if (number >= HEAP_CLASSES)
        return false;
    *class = classes[number];
    class->most = number < HEAP_CLASSES - 1 ? (size_t)16 << number : SIZE_MAX;
    return true;
}
