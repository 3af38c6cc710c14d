/* Code that all back-ends share: checking a layout, growing the region,
 * refusing a call, reporting a misuse. */
#include "mm/heap/backend.h"

#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/format.h"
#include "mm/platform.h"

enum mm_error layout_error(struct layout layout)
{
    if (layout.size == 0)
        return MM_EMPTY_RANGE;
    if (!is_power_of_two(layout.align) || layout.align > HEAP_ALIGN_MAX)
        return MM_BAD_ALIGNMENT;
    if (layout.size > (size_t)PTRDIFF_MAX - (layout.align - 1))
        return MM_RANGE_WRAPS;
    return MM_OK;
}

bool heap_grow(struct heap *heap, size_t bytes)
{
    struct heap_region *region = &heap->region;
    size_t room = region->limit - region->size;

    if (!region->grow || bytes > room)
        return false;

    size_t added = region->grow(region->context, bytes);
    if (added == 0)
        return false;
    ASSERT(added >= bytes && added <= room && is_aligned(added, HEAP_GRANULE),
           "grew by %zu bytes, asked for %zu of %zu", added, bytes, room);
    region->size += added;
    return true;
}

void heap_unback(struct heap *heap, vaddr_t from, vaddr_t to)
{
    const struct heap_region *region = &heap->region;
    vaddr_t page = align_up(from, PAGE_SIZE), end = align_down(to, PAGE_SIZE);

    if (!region->unback)
        return;
    while (page < end) {
        vaddr_t first = page;

        while (page < end && heap_has_memory(heap, page))
            page += PAGE_SIZE;
        if (page == first) {
            page += PAGE_SIZE;
            continue;
        }

        size_t row = page - first;
        /* counted first: a handler may look at what a pointer was */
        __atomic_store_n(&heap->without, heap->without + row, __ATOMIC_RELEASE);
        heap->without -=
            row - region->unback(region->context, (void *)first, row);
    }
}

bool heap_back_pages(struct heap *heap, vaddr_t from, vaddr_t to)
{
    const struct heap_region *region = &heap->region;

    for (vaddr_t page = align_down(from, PAGE_SIZE);
         heap->without > 0 && page < to; page += PAGE_SIZE) {
        if (heap_has_memory(heap, page))
            continue;
        if (!region->back(region->context, (void *)page, PAGE_SIZE)) {
            heap_unback(heap, from, page); /* what it got so far */
            return false;
        }
        heap->without -= PAGE_SIZE;
    }
    return true;
}

void heap_use_calls(struct heap *heap, const struct heap_calls *table)
{
    struct heap_calls *calls = &heap->calls;

    heap->table = table;
    /* release: heap_fail_allocation relies on it */
#define HEAP_USE(name)                                                         \
    __atomic_store_n(&calls->name, table->name, __ATOMIC_RELEASE)
    HEAP_USE(alloc);
    HEAP_USE(alloc_zeroed);
    HEAP_USE(alloc_back);
    HEAP_USE(dealloc);
    HEAP_USE(free);
    HEAP_USE(realloc);
    HEAP_USE(resize);
    HEAP_USE(usable_size);
    HEAP_USE(stats);
    HEAP_USE(class);
    HEAP_USE(check);
#undef HEAP_USE
    _Static_assert(sizeof(*calls) == 11 * sizeof(calls->alloc),
                   "all calls are copied above");
}

void *heap_realloc_by_resize(struct heap *heap, void *pointer,
                             struct layout layout, size_t new_size,
                             const void *caller)
{
    return heap->calls.resize(heap,
                              &(struct heap_claim){pointer, &layout, caller},
                              (struct layout){new_size, layout.align});
}

/* ---- Refusing and reporting ---- */

void heap_refuse(struct heap *heap, enum mm_error error)
{
    /* relaxed: a count; and if several calls fail at once, any of their errors
     * may be the last */
    __atomic_fetch_add(&heap->stats.failures, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&heap->error, error, __ATOMIC_RELAXED);
}

static const char *const fault_names[] = {
#define HEAP_FAULT_NAME(name, sentence) #name,
    HEAP_FAULTS(HEAP_FAULT_NAME)
#undef HEAP_FAULT_NAME
};

/* Size of a buffer for one part of a report. */
#define REPORT_PART (HEAP_NAME_MAX + 16)

static const char *const fault_texts[] = {
#define HEAP_FAULT_TEXT(name, sentence) sentence,
    HEAP_FAULTS(HEAP_FAULT_TEXT)
#undef HEAP_FAULT_TEXT
};

const char *heap_fault_text(enum heap_fault fault)
{
    return fault_texts[fault];
}

/* Writes ", freed by ..." (what is "freed by") if caller is known, else
 * nothing; returns the buffer. */
static const char *by(const char *what, const void *caller, char *buffer)
{
    char name[HEAP_NAME_MAX];

    buffer[0] = '\0';
    if (caller) {
        platform_name_code(caller, name, sizeof(name));
        format_string(buffer, REPORT_PART, ", %s %s", what, name);
    }
    return buffer;
}

_Noreturn void heap_report(const struct heap *heap, enum heap_fault fault,
                           const struct heap_claim *claim,
                           const struct heap_block *block)
{
    struct layout claimed = claim->layout ? *claim->layout : block->layout;
    char allocated[REPORT_PART], freed[REPORT_PART], called[REPORT_PART];
    char damage[REPORT_PART] = "";

    if (block->damage)
        format_string(damage, sizeof(damage), ", byte %ld of it is 0x%02x",
                      (long)((vaddr_t)block->damage - (vaddr_t)block->start),
                      block->damage_byte);
    assert_failed(__FILE__, __LINE__, fault_names[fault],
                  "heap %s: %s: pointer %p of %zu bytes aligned to %zu, block "
                  "%p of %zu bytes aligned to %zu%s%s%s%s",
                  heap->backend->name, fault_texts[fault], claim->pointer,
                  claimed.size, claimed.align, block->start, block->layout.size,
                  block->layout.align, damage,
                  by("allocated by", block->allocated_by, allocated),
                  by("freed by", block->freed_by, freed),
                  by("called from", claim->caller, called));
}
