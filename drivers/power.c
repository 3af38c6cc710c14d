/* Power off where no ACPI is needed for it. */
#include "drivers/power.h"

#include "drivers/debug_exit.h"
#include "drivers/port.h"

/* PM1a control: SLP_EN with the SLP_TYP 0 that these machines' \_S5_ has. */
#define SLEEP_ENABLE (1 << 13)

void power_off(void)
{
    debug_exit(DEBUG_EXIT_SUCCESS);
    port_write16(0x604, SLEEP_ENABLE);  /* QEMU pc and q35 */
    port_write16(0xb004, SLEEP_ENABLE); /* Bochs */
}
