/* The frame layer FRAMES=percpu: see mm/frame/percpu.h for what it is. */
#include "mm/frame/percpu.h"

#include "mm/frame/ways.h"

/* ---- Allocating ---- */

static paddr_t hand_out(paddr_t frame, uint8_t *mark, enum frame_size size)
{
    /* relaxed: as in mark.h; what CPUs keep is not uncached */
    __atomic_store_n(mark, frame_mark_of(size), __ATOMIC_RELAXED);
    return frame;
}

/* In the section: the 4K that was freed last, or PADDR_NONE. */
static paddr_t pop_ring(struct frame_cpu *cpu)
{
    if (cpu->ring_count == 0)
        return PADDR_NONE;
    if (cpu->from_ring != 0)
        cpu->from_ring--;
    uint32_t last = cpu->ring_begin + --cpu->ring_count;
    paddr_t frame = cpu->ring[last % FRAME_RING];
    const struct frame_gib *gib = &frame_zones.gib[frame >> SHIFT_1G];
    return hand_out(frame, &gib->marks[frame % SIZE_1G / SIZE_4K], FRAME_4K);
}

static inline paddr_t pop_word(struct frame_block *block, uint64_t bits)
{
    unsigned n = word_lowest(bits);
    frame_word_set(block->word, bits & (bits - 1));
    return hand_out(block->word_base + n * SIZE_4K, block->word_mark + n,
                    FRAME_4K);
}

/* The same with nothing in the block's word: of its next one, of the ring, or
 * of the zones. */
static __attribute__((noinline)) paddr_t pop_next(struct frame_cpu *cpu)
{
    struct frame_block *block = &cpu->block;
    if (set512_is_empty(&block->free)) {
        if (cpu->ring_count != 0 && cpu->from_ring != 0)
            return pop_ring(cpu);
        if (!frame_is_scarce(cpu))
            frame_refill(cpu);
        if (set512_is_empty(&block->free))
            return pop_ring(cpu);
    }
    frame_block_use(block, set512_lowest(&block->free) / SET512_WORD_BITS);
    return pop_word(block, frame_word_get(block->word));
}

/* In the section: a 4K that the CPU keeps, or PADDR_NONE. */
static inline paddr_t pop_4k(struct frame_cpu *cpu)
{
    uint64_t bits = frame_word_get(cpu->block.word);
    return __builtin_expect(bits != 0, 1) ? pop_word(&cpu->block, bits)
                                          : pop_next(cpu);
}

static __attribute__((noinline)) paddr_t pop_2m(struct frame_cpu *cpu)
{
    if (cpu->large_count == 0 && !frame_is_scarce(cpu))
        frame_refill_large(cpu);
    if (cpu->large_count == 0)
        return PADDR_NONE;
    paddr_t frame = cpu->large[--cpu->large_count];
    const struct frame_gib *gib = &frame_zones.gib[frame >> SHIFT_1G];
    return hand_out(frame, &gib->marks[frame % SIZE_1G / SIZE_4K], FRAME_2M);
}

static inline paddr_t pop(struct frame_cpu *cpu, enum frame_size size)
{
    return size == FRAME_4K   ? pop_4k(cpu)
           : size == FRAME_2M ? pop_2m(cpu)
                              : PADDR_NONE;
}

/* Where the CPU has none, or may not use it. */
static __attribute__((noinline)) enum mm_error
alloc_slowly(enum frame_size size, paddr_t *frame)
{
    struct frame_turn turn;
    *frame = PADDR_NONE;
    if (size > FRAME_1G)
        return MM_BAD_ARGUMENT;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    error = frame_take(&turn, size, frame);
    if (error != MM_OK && turn.nested) {
        *frame = frame_slot_take(turn.cpu, size);
        if (*frame != PADDR_NONE) {
            frame_mark_set(frame_place_of(*frame).mark, frame_mark_of(size));
            error = MM_OK;
        }
    }
    frame_turn_end(&turn);
    return error;
}

/* What the CPU keeps, if it may: PADDR_NONE is no error yet. */
static inline paddr_t alloc_fast(enum frame_size size)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (__builtin_expect(cpu == NULL || !cpu_section_enter(&cpu->section), 0))
        return PADDR_NONE;
    paddr_t frame = pop(cpu, size);
    cpu_section_leave(&cpu->section);
    return frame;
}

static __attribute__((noinline)) paddr_t alloc_or_none(enum frame_size size)
{
    paddr_t frame;
    (void)alloc_slowly(size, &frame);
    return frame;
}

paddr_t frame_alloc(enum frame_size size)
{
    paddr_t frame = alloc_fast(size);
    return __builtin_expect(frame != PADDR_NONE, 1) ? frame
                                                    : alloc_or_none(size);
}

enum mm_error frame_try_alloc(enum frame_size size, paddr_t *frame)
{
    *frame = alloc_fast(size);
    return __builtin_expect(*frame != PADDR_NONE, 1)
               ? MM_OK
               : alloc_slowly(size, frame);
}

/* ---- Freeing ---- */

static inline void clear_mark(uint8_t *mark)
{
    __atomic_store_n(mark, MARK_NONE, __ATOMIC_RELAXED);
}

/* In the section: a 4K of the block's 2M, number n in it. */
static inline bool keep_in_block(struct frame_block *block, uint64_t n)
{
    if (__builtin_expect(frame_mark_byte(&block->mark[n]) != MARK_4K, 0))
        return false;
    clear_mark(&block->mark[n]);
    uint64_t *word = &block->free.words[n / SET512_WORD_BITS];
    frame_word_set(word, frame_word_get(word) | UINT64_C(1)
                                                    << n % SET512_WORD_BITS);
    return true;
}

/* In the section: a frame of a zone near whose mark was found so, into the ring
 * or beside the large ones.  False, and nothing changed: it is a mistake, or
 * there is no room. */
static __attribute__((noinline)) bool
keep_rarely(struct frame_cpu *cpu, paddr_t frame, uint8_t *mark, uint8_t found)
{
    if (found != MARK_4K && found != MARK_2M)
        return false;
    clear_mark(mark); /* first, for a handler may come meanwhile */
    if (found == MARK_4K && frame_flush(cpu)) {
        cpu->ring[(cpu->ring_begin + cpu->ring_count++) % FRAME_RING] = frame;
        return true;
    }
    if (found == MARK_2M &&
        (cpu->large_count < cpu->large_room || frame_flush_large(cpu))) {
        cpu->large[cpu->large_count++] = frame;
        return true;
    }
    hand_out(frame, mark, (enum frame_size)(found - MARK_4K));
    return false;
}

/* In the section: a frame of a zone near, into what the CPU keeps.  False, and
 * nothing changed: it is no such frame, or there is no room. */
static inline __attribute__((always_inline)) bool keep(struct frame_cpu *cpu,
                                                       paddr_t frame)
{
    uint64_t g = frame >> SHIFT_1G;
    if (__builtin_expect(frame % SIZE_4K != 0 || g >= frame_zones.gib_end, 0))
        return false;
    uint64_t in_block = (frame - cpu->block.base) / SIZE_4K;
    if (in_block < FRAMES_PER_2M)
        return keep_in_block(&cpu->block, in_block);
    const struct frame_gib *gib = &frame_zones.gib[g];
    if (__builtin_expect(!frame_is_near(cpu, gib->zone), 0))
        return false;
    uint64_t n = frame % SIZE_1G / SIZE_4K;
    uint8_t *mark = &gib->marks[n], found = frame_mark_byte(mark);
    /* its line comes until the frame leaves the ring */
    __builtin_prefetch(&gib->leaves[n / FRAMES_PER_2M], 1);
    if (__builtin_expect(found != MARK_4K || cpu->ring_count >= cpu->ring_room,
                         0))
        return keep_rarely(cpu, frame, mark, found);
    clear_mark(mark);
    cpu->ring[(cpu->ring_begin + cpu->ring_count++) % FRAME_RING] = frame;
    return true;
}

/* A handler in the middle of a call, where the zone is locked. */
static enum mm_error put_aside(const struct frame_turn *turn,
                               struct frame_place place, paddr_t frame)
{
    uint8_t mark = frame_mark_byte(place.mark);
    enum frame_size size = (enum frame_size)((mark & ~MARK_UNCACHED) - MARK_4K);
    bool stays = (unsigned)(place.zone - frame_zones.zone) <
                 frame_zones.boot_count; /* one that was added can go */
    if (!turn->nested || !stays || size > FRAME_1G)
        return MM_BUSY;
    if (!frame_mark_swap(place.mark, mark, (mark & MARK_UNCACHED) | MARK_NONE))
        return MM_NOT_HELD;
    if (frame_slot_put(turn->cpu, frame, size))
        return MM_OK;
    frame_mark_set(place.mark, frame_mark_of(size));
    return MM_BUSY;
}

static __attribute__((noinline)) enum mm_error free_slowly(paddr_t frame)
{
    struct frame_turn turn;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    struct frame_place place;
    error = frame_put(&turn, frame, &place);
    if (error == MM_BUSY)
        error = put_aside(&turn, place, frame);
    frame_turn_end(&turn);
    return error;
}

enum mm_error frame_free(paddr_t frame)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (__builtin_expect(cpu != NULL && cpu_section_enter(&cpu->section), 1)) {
        bool kept = keep(cpu, frame);
        cpu_section_leave(&cpu->section);
        if (__builtin_expect(kept, 1))
            return MM_OK;
    }
    return free_slowly(frame);
}
