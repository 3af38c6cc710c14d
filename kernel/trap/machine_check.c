/* The machine-check banks, and what happens to broken frames. */
#include "kernel/trap/machine_check.h"

#include <stdatomic.h>
#include <stddef.h>

#include "drivers/clock.h"
#include "drivers/mca.h"
#include "kernel/console/console.h"
#include "kernel/console/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/x86.h"
#include "lib/string.h"
#include "mm/frame.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

#define POLL_MS 2000

/* ---- The banks of this CPU ---- */

static unsigned bank_count(void)
{
    return cpu_get()->has[CPU_MCE] ? MCG_CAP_BANKS(read_msr(MSR_MCG_CAP)) : 0;
}

static bool is_amd(void)
{
    struct cpuid vendor = cpuid(0, 0);
    char name[12];
    memcpy(name, &vendor.ebx, 4);
    memcpy(name + 4, &vendor.edx, 4);
    memcpy(name + 8, &vendor.ecx, 4);
    return memcmp(name, "AuthenticAMD", 12) == 0 ||
           memcmp(name, "HygonGenuine", 12) == 0;
}

static struct mca_bank read_bank(unsigned i)
{
    struct mca_bank bank = {.status = read_msr(MSR_MC_STATUS + 4 * i)};
    /* the status says whether the other two registers are valid */
    if (bank.status & MCA_STATUS_ADDRESS)
        bank.address = read_msr(MSR_MC_ADDR + 4 * i);
    if (bank.status & MCA_STATUS_MISC)
        bank.misc = read_msr(MSR_MC_MISC + 4 * i);
    return bank;
}

static struct mca_error decode(const struct mca_bank *bank)
{
    struct mca_cpu cpu = {
        .is_amd = is_amd(),
        .can_recover = read_msr(MSR_MCG_CAP) & MCG_CAP_RECOVERY,
        .paddr_bits = cpu_get()->paddr_bits,
    };
    return mca_decode(&cpu, bank);
}

void machine_check_init(void)
{
    unsigned count = bank_count();
    if (count == 0)
        return;
    if (read_msr(MSR_MCG_CAP) & MCG_CAP_CTL)
        write_msr(MSR_MCG_CTL, UINT64_MAX);
    for (unsigned i = 0; i < count; i++)
        write_msr(MSR_MC_CTL + 4 * i, UINT64_MAX);
}

/* ---- Events ---- */

/* An event is written by the CPU that took the slot, in any context.  CPU 0
 * reports it and empties the slot. */
#define EVENTS_MAX 64

enum event_state { EVENT_EMPTY, EVENT_TAKEN, EVENT_WRITTEN };

static struct event {
    _Atomic unsigned state;
    unsigned cpu, bank;
    struct mca_error error;
    uint64_t status;
} events[EVENTS_MAX];

static _Atomic unsigned lost; /* events that found no empty slot */

static struct event *take_slot(void)
{
    for (unsigned i = 0; i < EVENTS_MAX; i++) {
        unsigned empty = EVENT_EMPTY;
        /* acquire: the reader of the slot's last event is done */
        if (atomic_compare_exchange_strong_explicit(
                &events[i].state, &empty, EVENT_TAKEN, memory_order_acquire,
                memory_order_relaxed))
            return &events[i];
    }
    return NULL;
}

static void note(unsigned bank, uint64_t status, struct mca_error error)
{
    struct event *event = take_slot();
    if (event == NULL) {
        atomic_fetch_add(&lost, 1);
        return;
    }
    event->cpu = platform_cpu();
    event->bank = bank;
    event->status = status;
    event->error = error;
    /* release: the event is complete */
    atomic_store_explicit(&event->state, EVENT_WRITTEN, memory_order_release);
}

static void note_and_clear_all(void)
{
    for (unsigned i = 0, count = bank_count(); i < count; i++) {
        struct mca_bank bank = read_bank(i);
        struct mca_error error = decode(&bank);
        if (error.severity == MCA_NOTHING)
            continue;
        note(i, bank.status, error);
        write_msr(MSR_MC_STATUS + 4 * i, 0);
    }
}

/* ---- The exception ---- */

static enum mca_severity worst(void)
{
    enum mca_severity found = MCA_NOTHING;
    for (unsigned i = 0, count = bank_count(); i < count; i++) {
        struct mca_bank bank = read_bank(i);
        enum mca_severity severity = decode(&bank).severity;
        if (severity > found)
            found = severity;
    }
    return found;
}

/* The interrupted code may be the answer to a CPU that waits for this one.  So
 * this waits for nobody, and uses no memory whose mapping could change. */
bool machine_check_handle(void)
{
    if (!(read_msr(MSR_MCG_STATUS) & MCG_STATUS_RIPV) || worst() == MCA_FATAL)
        return false;
    note_and_clear_all();
    write_msr(MSR_MCG_STATUS, 0);
    return true;
}

void machine_check_explain(const struct trap_frame *frame)
{
    (void)frame;
    uint64_t status = read_msr(MSR_MCG_STATUS);
    printf("MCG_STATUS 0x%lx: the interrupted code can%s go on\n", status,
           status & MCG_STATUS_RIPV ? "" : "not");
    for (unsigned i = 0, count = bank_count(); i < count; i++) {
        struct mca_bank bank = read_bank(i);
        struct mca_error error = decode(&bank);
        if (error.severity != MCA_NOTHING)
            printf("bank %u: %s error, %s: status 0x%lx, address 0x%lx, "
                   "misc 0x%lx\n",
                   i, mca_severity_name(error.severity), error.kind,
                   bank.status, bank.address, bank.misc);
    }
}

/* ---- In words ---- */

/* Looks for mappings of a frame outside the direct map. */
struct search {
    paddr_t frame;
    unsigned found;
};

static bool tell_mapping(void *context, const struct page_leaf *leaf)
{
    struct search *search = context;
    if (leaf->vaddr - DIRECT_MAP_BASE < DIRECT_MAP_BYTES ||
        search->frame - leaf->paddr >= leaf->bytes)
        return true;
    char sentence[KERNEL_SPACE_SENTENCE];
    vaddr_t vaddr = leaf->vaddr + (search->frame - leaf->paddr);
    kernel_space_explain(vaddr, sentence, sizeof(sentence));
    log_line(LOG_ERROR, "mce", "  it is mapped at 0x%lx: %s", vaddr, sentence);
    search->found++;
    return true;
}

static void tell_holder(paddr_t frame)
{
    struct search search = {.frame = frame};
    page_table_visit(kernel_space_table(), tell_mapping, &search);
    if (search.found > 0)
        return;
    char sentence[KERNEL_SPACE_SENTENCE];
    kernel_space_explain(DIRECT_MAP_BASE + frame, sentence, sizeof(sentence));
    log_line(LOG_ERROR, "mce", "  it is mapped nowhere but in the %s",
             sentence);
}

static void tell_frame(paddr_t frame, enum mm_error retired)
{
    switch (retired) {
    case MM_OK:
        log_line(LOG_ERROR, "mce", "  frame 0x%lx was free, and is taken out",
                 frame);
        break;
    case MM_STILL_HELD:
        log_line(LOG_ERROR, "mce",
                 "  frame 0x%lx is held, and is taken out when it is freed",
                 frame);
        tell_holder(frame);
        break;
    default:
        log_line(LOG_ERROR, "mce", "  frame 0x%lx stays: %s", frame,
                 mm_error_text(retired));
        tell_holder(frame);
        break;
    }
}

/* How often each frame was corrected.  Few frames are, so only the last few are
 * remembered. */
#define CORRECTED_FRAMES_MAX 16
#define CORRECTED_MAX        3

static struct {
    paddr_t frame;
    unsigned count;
} corrected[CORRECTED_FRAMES_MAX];

/* Whether this was the time at which the frame must be taken out of use. */
static bool count_corrected(paddr_t frame)
{
    static unsigned next;
    for (unsigned i = 0; i < CORRECTED_FRAMES_MAX; i++)
        if (corrected[i].count > 0 && corrected[i].frame == frame)
            return ++corrected[i].count == CORRECTED_MAX;
    corrected[next].frame = frame;
    corrected[next].count = 1;
    next = (next + 1) % CORRECTED_FRAMES_MAX;
    return false;
}

static void tell(const struct event *event)
{
    const struct mca_error *error = &event->error;
    log_line(LOG_ERROR, "mce", "CPU %u, bank %u: %s error, %s, status 0x%lx%s",
             event->cpu, event->bank, mca_severity_name(error->severity),
             error->kind, event->status,
             error->overflow ? ", and others were lost" : "");
    if (!error->has_address)
        return;
    if (error->severity >= MCA_DEFERRED || count_corrected(error->paddr))
        tell_frame(error->paddr, frame_retire(error->paddr));
    else
        log_line(LOG_ERROR, "mce", "  frame 0x%lx stays in use", error->paddr);
}

static void look(void *argument)
{
    (void)argument;
    note_and_clear_all();
}

void machine_check_poll(void)
{
    if (bank_count() == 0)
        return;
    smp_run_on_all(look, NULL);
    for (unsigned i = 0; i < EVENTS_MAX; i++) {
        /* acquire: the event is complete */
        if (atomic_load_explicit(&events[i].state, memory_order_acquire) !=
            EVENT_WRITTEN)
            continue;
        tell(&events[i]);
        /* release: this CPU is done with the slot */
        atomic_store_explicit(&events[i].state, EVENT_EMPTY,
                              memory_order_release);
    }
    unsigned missed = atomic_exchange(&lost, 0);
    if (missed > 0)
        log_line(LOG_ERROR, "mce", "%u errors more than there was room for",
                 missed);
}

void machine_check_poll_now_and_then(void)
{
    static struct clock_limit next;
    if (!clock_has_passed(&next))
        return;
    machine_check_poll();
    next = clock_limit_in_ms(POLL_MS);
}
