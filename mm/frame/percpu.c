/* The frame layer FRAMES=percpu: see mm/frame/percpu.h for what it is. */
#include "mm/frame/percpu.h"

#include "lib/string.h"
#include "mm/frame/owned.h"
#include "mm/frame/ways.h"
#include "mm/platform.h"

struct frame_cpus frame_cpus;

/* ---- Start-up ---- */

/* For what a handler of this CPU may do in the heap and the address space:
 * whether it interrupted a frame call. */
static bool is_inside(void)
{
    const struct frame_cpu *cpu = frame_this_cpu();
    /* relaxed: only this CPU stores it */
    return cpu != NULL && __atomic_load_n(&cpu->section.busy, __ATOMIC_RELAXED);
}

enum mm_error frame_turns_init(struct memory_map *map, paddr_t limit)
{
    uint64_t bytes = platform_cpu_count() * sizeof(struct frame_cpu);
    memset(&frame_cpus, 0, sizeof(frame_cpus));
    /* one more, so that the first can be at a multiple of their size */
    char *memory =
        frame_zones_take(map, bytes + sizeof(struct frame_cpu), limit);
    if (memory == NULL)
        return MM_OUT_OF_MEMORY;
    memory += -(uintptr_t)memory % sizeof(struct frame_cpu);
    frame_cpus.cpu = (struct frame_cpu *)memory;
    memset(frame_cpus.cpu, 0, bytes);
    for (unsigned c = 0; c < platform_cpu_count(); c++) {
        struct frame_cpu *cpu = &frame_cpus.cpu[c];
        cpu->home = frame_zones_home(c);
        cpu->block.base = FRAME_NO_BLOCK;
        cpu->ring_room = FRAME_RING;
    }
    cpu_order_inside = is_inside;
    return MM_OK;
}

void frame_turns_close(void)
{
    frame_cpus.count = 0;
}

/* An eighth of all 2Ms at most is with CPUs. */
static uint32_t room_for_large(void)
{
    uint64_t frames = 0;
    for (unsigned i = 0; i < frame_zones.count; i++)
        frames += frame_zones.zone[i].managed_frames;
    uint64_t room = frames / FRAMES_PER_2M / 8 / platform_cpu_count();
    return room < FRAME_LARGE ? (uint32_t)room : FRAME_LARGE;
}

void frame_turns_open(void)
{
    frame_cpus.large_room = room_for_large();
    for (unsigned c = 0; c < platform_cpu_count(); c++)
        frame_cpus.cpu[c].large_room = frame_cpus.large_room;
    frame_cpus.count = platform_cpu_count();
}

/* ---- Turns ---- */

enum mm_error frame_turn_begin(struct frame_turn *turn)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (cpu == NULL)
        return frame_cpus.count == 0 ? MM_NOT_READY : MM_BAD_ARGUMENT;
    *turn = (struct frame_turn){.cpu = cpu,
                                .small = cpu->home.small,
                                .large = cpu->home.large,
                                .first = cpu->home.first,
                                .count = cpu->home.count};
    /* relaxed, here and below: as in cpu_section_enter */
    turn->nested = __atomic_load_n(&cpu->section.busy, __ATOMIC_RELAXED) != 0;
    if (turn->nested)
        return MM_OK;
    turn->may_wait = cpu_order_allows_frames();
    turn->own = cpu_section_enter(&cpu->section);
    if (!turn->own)
        __atomic_store_n(&cpu->section.busy, CPU_SECTION_HANDS_OFF,
                         __ATOMIC_RELAXED);
    return MM_OK;
}

void frame_turn_end(const struct frame_turn *turn)
{
    if (turn->nested)
        return;
    if (turn->own)
        frame_slots_level(turn);
    cpu_section_leave(&turn->cpu->section);
}

bool frame_turn_lock(const struct frame_turn *turn, struct frame_zone *zone)
{
    return turn->may_wait ? cpu_lock_acquire_soon(&zone->lock)
                          : cpu_lock_try(&zone->lock);
}

void frame_turn_unlock(const struct frame_turn *turn, struct frame_zone *zone)
{
    (void)turn;
    cpu_lock_release(&zone->lock);
}

/* ---- Gathering ---- */

enum frame_gathered frame_turn_gather(struct frame_turn *turn)
{
    struct frame_cpu *own = turn->cpu;
    if (!turn->may_wait)
        return FRAME_GATHERED_NOT;
    turn->own = false;
    /* release: who stops this CPU from now on sees what it did */
    __atomic_store_n(&own->section.busy, CPU_SECTION_HANDS_OFF,
                     __ATOMIC_RELEASE);
    if (!cpu_lock_acquire_soon(&frame_cpus.gather))
        return FRAME_GATHERED_NOT;
    for (unsigned c = 0; c < frame_cpus.count; c++)
        cpu_section_ask(&frame_cpus.cpu[c].section);
    platform_fence_cpus();
    bool all = true;
    for (unsigned c = 0; c < frame_cpus.count; c++) {
        struct frame_cpu *cpu = &frame_cpus.cpu[c];
        all &= cpu_section_wait(&cpu->section) && frame_give_back(turn, cpu);
    }
    return all ? FRAME_GATHERED_ALL : FRAME_GATHERED_SOME;
}

void frame_turn_release(struct frame_turn *turn)
{
    (void)turn;
    for (unsigned c = 0; c < frame_cpus.count; c++)
        cpu_section_release(&frame_cpus.cpu[c].section);
    cpu_lock_release(&frame_cpus.gather);
}

/* As of a moment ago: another CPU may be at work. */
__attribute__((no_sanitize("thread"))) static uint64_t
kept_by(const struct frame_cpu *cpu)
{
    uint64_t kept = cpu->ring_count + cpu->large_count * FRAMES_PER_2M +
                    set512_count(&cpu->block.free);
    for (unsigned s = 0; s < FRAME_SLOTS; s++)
        if (cpu->slot[s] != 0)
            kept += UINT64_C(1) << 9 * (cpu->slot[s] % SIZE_4K);
    return kept;
}

uint64_t frame_turn_kept(void)
{
    uint64_t kept = 0;
    for (unsigned c = 0; c < frame_cpus.count; c++)
        kept += kept_by(&frame_cpus.cpu[c]);
    return kept;
}

bool frame_turn_is_all_in_trees(void)
{
    for (unsigned c = 0; c < frame_cpus.count; c++)
        if (kept_by(&frame_cpus.cpu[c]) != 0)
            return false;
    return true;
}

/* ---- Allocating ---- */

static paddr_t hand_out(paddr_t frame, uint8_t *mark, enum frame_size size)
{
    /* relaxed: as in mark.h; what CPUs keep is not uncached */
    __atomic_store_n(mark, frame_mark_of(size), __ATOMIC_RELAXED);
    return frame;
}

/* In the section: the next word of the block that has a frame. */
static bool find_word(struct frame_block *block)
{
    if (set512_is_empty(&block->free))
        return false;
    block->word = set512_lowest(&block->free) / SET512_WORD_BITS;
    return true;
}

/* In the section: a 4K of the block, or PADDR_NONE. */
static inline paddr_t pop_4k(struct frame_cpu *cpu)
{
    struct frame_block *block = &cpu->block;
    if (__builtin_expect(block->free.words[block->word] == 0, 0) &&
        !find_word(block))
        return PADDR_NONE;
    uint64_t bits = block->free.words[block->word];
    unsigned n = block->word * SET512_WORD_BITS + word_lowest(bits);
    block->free.words[block->word] = bits & (bits - 1);
    return hand_out(block->base + n * SIZE_4K, block->mark + n, FRAME_4K);
}

static inline paddr_t pop_2m(struct frame_cpu *cpu)
{
    if (cpu->large_count == 0)
        return PADDR_NONE;
    paddr_t frame = cpu->large[--cpu->large_count];
    return hand_out(frame, frame_place_of(frame).mark, FRAME_2M);
}

static inline paddr_t pop(struct frame_cpu *cpu, enum frame_size size)
{
    return size == FRAME_4K   ? pop_4k(cpu)
           : size == FRAME_2M ? pop_2m(cpu)
                              : PADDR_NONE;
}

/* In the section: after filling what is empty.  A handler may have filled it
 * since the fast path was here. */
static paddr_t pop_filled(const struct frame_turn *turn, enum frame_size size)
{
    struct frame_cpu *cpu = turn->cpu;
    paddr_t frame = pop(cpu, size);
    if (frame != PADDR_NONE || size == FRAME_1G || frame_is_scarce(cpu))
        return frame;
    if (size == FRAME_2M) {
        frame_refill_large(turn);
        return pop_2m(cpu);
    }
    frame = frame_refill(turn);
    if (frame == PADDR_NONE)
        return pop_4k(cpu);
    return hand_out(frame, frame_place_of(frame).mark, FRAME_4K);
}

static enum mm_error alloc_slowly(enum frame_size size, paddr_t *frame)
{
    struct frame_turn turn;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    *frame = turn.own ? pop_filled(&turn, size) : PADDR_NONE;
    if (*frame == PADDR_NONE)
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

enum mm_error frame_try_alloc(enum frame_size size, paddr_t *frame)
{
    struct frame_cpu *cpu = frame_this_cpu();
    if (__builtin_expect(cpu != NULL && cpu_section_enter(&cpu->section), 1)) {
        *frame = pop(cpu, size);
        cpu_section_leave(&cpu->section);
        if (__builtin_expect(*frame != PADDR_NONE, 1))
            return MM_OK;
    }
    *frame = PADDR_NONE;
    return size > FRAME_1G ? MM_BAD_ARGUMENT : alloc_slowly(size, frame);
}

/* ---- Freeing ---- */

static inline void clear_mark(uint8_t *mark)
{
    __atomic_store_n(mark, MARK_NONE, __ATOMIC_RELAXED);
}

/* In the section: a frame of a zone near, into what the CPU keeps.  False, and
 * nothing changed: it is no such frame, or there is no room. */
static inline bool keep(struct frame_cpu *cpu, paddr_t frame)
{
    uint64_t g = frame >> SHIFT_1G;
    if (__builtin_expect(frame % SIZE_4K != 0 || g >= frame_zones.gib_end, 0))
        return false;
    const struct frame_gib *gib = &frame_zones.gib[g];
    if (__builtin_expect(!frame_is_near(cpu, gib->zone), 0))
        return false;
    uint8_t *mark = &gib->marks[frame % SIZE_1G / SIZE_4K];
    uint8_t found = frame_mark_byte(mark);
    if (__builtin_expect(found == MARK_4K, 1)) {
        uint64_t n = (frame - cpu->block.base) / SIZE_4K;
        if (n < FRAMES_PER_2M)
            cpu->block.free.words[n / 64] |= UINT64_C(1) << n % 64;
        else if (cpu->ring_count < cpu->ring_room)
            cpu->ring[(cpu->ring_begin + cpu->ring_count++) % FRAME_RING] =
                frame;
        else
            return false;
        clear_mark(mark);
        return true;
    }
    if (found != MARK_2M || cpu->large_count >= cpu->large_room)
        return false;
    cpu->large[cpu->large_count++] = frame;
    clear_mark(mark);
    return true;
}

/* In the section: makes room, and tries again. */
static bool keep_flushed(const struct frame_turn *turn, paddr_t frame)
{
    if (frame_is_scarce(turn->cpu))
        return false;
    frame_flush(turn);
    frame_flush_large(turn);
    return keep(turn->cpu, frame);
}

/* A handler in the middle of a call, where the zone is locked. */
static enum mm_error put_aside(const struct frame_turn *turn,
                               struct frame_place place, paddr_t frame)
{
    uint8_t mark = frame_mark_byte(place.mark);
    enum frame_size size =
        (enum frame_size)((mark & ~MARK_UNCACHED) - MARK_4K);
    bool stays = (unsigned)(place.zone - frame_zones.zone) <
                 frame_zones.boot_count; /* one that was added can go */
    if (!turn->nested || !stays || size > FRAME_1G)
        return MM_BUSY;
    if (!frame_mark_swap(place.mark, mark,
                         (mark & MARK_UNCACHED) | MARK_NONE))
        return MM_NOT_HELD;
    if (frame_slot_put(turn->cpu, frame, size))
        return MM_OK;
    frame_mark_set(place.mark, frame_mark_of(size));
    return MM_BUSY;
}

static enum mm_error free_slowly(paddr_t frame)
{
    struct frame_turn turn;
    enum mm_error error = frame_turn_begin(&turn);
    if (error != MM_OK)
        return error;
    if (!turn.own || !keep_flushed(&turn, frame)) {
        struct frame_place place;
        error = frame_put(&turn, frame, &place);
        if (error == MM_BUSY)
            error = put_aside(&turn, place, frame);
    }
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
