/* Turns of the layer percpu: their begin and end, and what stops them. */
#include "lib/string.h"
#include "mm/frame/percpu.h"
#include "mm/platform.h"

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
        frame_block_use(&cpu->block, 0);
        cpu->slots_changed = true;
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
    *turn = (struct frame_turn){.cpu = cpu, .home = &cpu->home};
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

/* One that was late and has left its section since cannot come back either. */
void frame_turn_save(struct frame_turn *turn)
{
    (void)turn;
    for (unsigned c = 0; c < frame_cpus.count; c++) {
        struct frame_cpu *cpu = &frame_cpus.cpu[c];
        if (__atomic_load_n(&cpu->section.busy, __ATOMIC_ACQUIRE) == 1)
            continue;
        cpu->ring_room = cpu->large_room = 0;
        cpu->scarce = FRAME_SCARCE;
    }
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
