/* The 16550 UART.  Registers: PC16550D data sheet, section 8. */
#include "drivers/serial.h"

#include <stdint.h>

#include "drivers/port.h"

enum {
    COM1 = 0x3f8,
    RBR = COM1 + 0, /* receiver buffer, read */
    THR = COM1 + 0, /* transmitter holding, write */
    DLL = COM1 + 0, /* divisor latch, with LCR_DLAB */
    IER = COM1 + 1,
    DLM = COM1 + 1, /* divisor latch, with LCR_DLAB */
    LCR = COM1 + 3,
    MCR = COM1 + 4,
    LSR = COM1 + 5,

    LCR_8N1 = 3,
    LCR_DLAB = 1 << 7,
    MCR_DTR = 1 << 0,
    MCR_RTS = 1 << 1,
    MCR_OUT2 = 1 << 3,
    MCR_LOOP = 1 << 4,
    LSR_DR = 1 << 0,
    LSR_THRE = 1 << 5,

    DIVISOR_115200 = 1,

    /* A port read takes about a microsecond; a byte at 115200 takes 87. */
    SPINS = 100000,
    LOST_MAX = 16,
};

static bool present;
static unsigned lost; /* bytes in a row that could not be sent */

/* Bytes that came in while the port was probed. */
static char early[32];
static unsigned early_count, early_taken;

static bool wait_for(uint8_t lsr_bit)
{
    for (unsigned i = 0; i < SPINS; i++)
        if (port_read8(LSR) & lsr_bit)
            return true;
    return false;
}

static void keep(uint8_t byte)
{
    if (early_count < sizeof(early))
        early[early_count++] = (char)byte;
}

static void keep_waiting_bytes(void)
{
    while (early_count < sizeof(early) && (port_read8(LSR) & LSR_DR))
        keep(port_read8(RBR));
}

/* Whether a byte that is sent comes back.  QEMU goes on receiving in loop-back
 * mode, so others may come before it; a port that is not there reads as all
 * ones for ever. */
static bool loops_back(uint8_t byte)
{
    keep_waiting_bytes();
    port_write8(THR, byte);
    for (unsigned i = 0; i < sizeof(early) && wait_for(LSR_DR); i++) {
        uint8_t got = port_read8(RBR);
        if (got == byte)
            return true;
        keep(got);
    }
    return false;
}

/* The FIFOs stay as they are: switching them on would throw away what has come
 * in, and a polled port gains nothing by them. */
bool serial_init(void)
{
    port_write8(IER, 0);
    port_write8(LCR, LCR_DLAB);
    port_write8(DLL, DIVISOR_115200);
    port_write8(DLM, 0);
    port_write8(LCR, LCR_8N1);
    port_write8(MCR, MCR_LOOP | MCR_RTS | MCR_OUT2);
    present = loops_back(0x00) && loops_back(0xa5);
    port_write8(MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
    if (!present)
        early_count = 0;
    else if (port_read8(LSR) & LSR_DR)
        keep(port_read8(RBR));
    else
        /* QEMU hands over what it held back in loop-back mode when this
         * register is read; what is read now is nothing. */
        port_read8(RBR);
    return present;
}

void serial_put(char c)
{
    if (!present)
        return;
    if (wait_for(LSR_THRE)) {
        port_write8(THR, (uint8_t)c);
        lost = 0;
    } else if (++lost == LOST_MAX) {
        present = false;
    }
}

int serial_get(void)
{
    if (early_taken < early_count)
        return (unsigned char)early[early_taken++];
    if (!present || !(port_read8(LSR) & LSR_DR))
        return -1;
    return port_read8(RBR);
}
