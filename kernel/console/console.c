/* The console: the first serial port, the screen that GRUB set up, and the
 * keyboard. */
#include "kernel/console/console.h"

#include <stdarg.h>
#include <stdbool.h>

#include "boot/boot_info.h"
#include "drivers/keyboard.h"
#include "drivers/screen.h"
#include "drivers/serial.h"
#include "kernel/console/log.h"
#include "lib/bits.h"
#include "lib/format.h"
#include "mm/cpu/cpu_order.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

/* What boot/start32.asm mapped. */
#define EARLY_MAPPED (4 * GIB)

static bool ready, has_screen;

void console_init(void)
{
    if (ready)
        return;
    ready = true;
    serial_init();
}

static struct screen_mode mode_of(const struct boot_framebuffer *fb)
{
    return (struct screen_mode){
        .kind =
            fb->kind == BOOT_FRAMEBUFFER_TEXT ? SCREEN_EGA_TEXT : SCREEN_PIXELS,
        .pitch = fb->pitch,
        .width = fb->width,
        .height = fb->height,
        .bits_per_pixel = fb->bits_per_pixel,
        .red = {fb->red.position, fb->red.size},
        .green = {fb->green.position, fb->green.size},
        .blue = {fb->blue.position, fb->blue.size},
    };
}

static uint64_t bytes_of(const struct boot_framebuffer *fb)
{
    return (uint64_t)fb->pitch * fb->height;
}

void console_add_screen(const struct boot_framebuffer *fb)
{
    if (fb->kind != BOOT_FRAMEBUFFER_RGB && fb->kind != BOOT_FRAMEBUFFER_TEXT)
        return;
    bool reachable = fb->address < EARLY_MAPPED &&
                     bytes_of(fb) <= EARLY_MAPPED - fb->address;
    struct screen_mode mode = mode_of(fb);
    has_screen =
        screen_init(&mode, reachable ? phys_to_virt(fb->address) : NULL);
    if (!has_screen)
        log_line(LOG_WARNING, "console",
                 "the screen at 0x%lx, %u x %u, %u bits, pitch %u, cannot be "
                 "drawn on",
                 fb->address, fb->width, fb->height, fb->bits_per_pixel,
                 fb->pitch);
}

void console_hide_screen(void)
{
    screen_move(NULL);
}

void console_map_screen(const struct boot_framebuffer *fb)
{
    if (!has_screen) {
        log_line(LOG_INFO, "console",
                 "the loader has set up no screen that can be drawn on");
        return;
    }
    void *memory;
    enum mm_error error = kernel_space_map_device(
        fb->address, bytes_of(fb), PAGE_WRITE_COMBINING, "screen", &memory);
    if (error == MM_OK)
        screen_move(memory);
    else
        log_line(LOG_WARNING, "console", "cannot map the screen at 0x%lx: %s",
                 fb->address, mm_error_text(error));
}

void console_add_keyboard(void)
{
    enum keyboard_state state = keyboard_init();
    log_line(state == KEYBOARD_MUTE ? LOG_WARNING : LOG_INFO, "console", "%s",
             keyboard_state_text(state));
}

struct console_sink {
    struct format_sink sink;
    int printed;
};

static void put(struct format_sink *sink, char c)
{
    if (c == '\n')
        serial_put('\r');
    serial_put(c);
    screen_put(c);
    ((struct console_sink *)sink)->printed++;
}

/* Keeps the output of one call together.  A handler that interrupted a call on
 * the same CPU does not wait: it prints in the middle of that output. */
static struct cpu_lock lock;
static bool lock_is_broken;

void console_break_lock(void)
{
    lock_is_broken = true;
}

int printf(const char *format, ...)
{
    struct console_sink console = {{put}, 0};
    cpu_order_forbid();
    bool locked = !lock_is_broken && cpu_lock_acquire(&lock);
    console_init();
    va_list arguments;
    va_start(arguments, format);
    format_to(&console.sink, format, arguments);
    va_end(arguments);
    if (locked)
        cpu_lock_release(&lock);
    cpu_order_permit();
    return console.printed;
}

char console_get(void (*meanwhile)(void))
{
    for (;;) {
        int c = serial_get();
        if (c < 0)
            c = keyboard_get();
        if (c >= 0)
            return (char)c;
        meanwhile();
        __asm__ volatile("pause");
    }
}
