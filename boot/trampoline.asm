; Where the other processors start.
;
; A startup interrupt names a page below 1 MiB; the processor begins there in
; real mode, with CS at the page.  kernel/cpu/smp.c copies this code to a page that
; it picks from the memory map, fills in the words at the end, and maps the page
; where it lies: so paging can go on in the middle of it.  The code finds out
; for itself where it is, and all processors may run it at once: what it writes
; is the same for each, and it needs no stack.
;
; The page is mapped only as long as somebody may be in it, and then nobody
; writes to it, but for the code itself before it has paging.  So each processor
; counts itself in first, and out in the kernel's text; one that finds the page
; closed takes itself off again and sleeps here, without paging.  The two words
; for that lie in the page below, which CPU 0 may always write.
;
; Intel SDM, volume 3, section 8.4.4.

%include "boot/layout.inc"

; AMD64 manual, volume 2, chapter 3
CR0_PE   equ 1 << 0
CR0_ET   equ 1 << 4
CR4_PAE  equ 1 << 5
MSR_EFER equ 0xc0000080
EFER_LME equ 1 << 8
EFER_NXE equ 1 << 11

CODE_32  equ 0x18                       ; beside KERNEL_CODE and KERNEL_DATA

%define HERE(label) (label - trampoline_start)

section .rodata progbits alloc noexec nowrite align=16

global trampoline_start, trampoline_end, trampoline_cr0, trampoline_cr3

; struct trampoline_gate (kernel/cpu/smp.c), in the page below
GATE_ENTERED    equ 0                   ; counted in, and no place for more
GATE_CLOSED     equ 4
PAGE_PARAGRAPHS equ 0x1000 >> 4         ; a page, as segments count

bits 16
trampoline_start:
    cli
    cld
    mov ax, cs
    mov ds, ax
    movzx ebx, ax
    sub ax, PAGE_PARAGRAPHS
    mov es, ax
    lock inc dword [es:GATE_ENTERED]
    cmp dword [es:GATE_CLOSED], 0
    jne too_late
    shl ebx, 4                          ; where this page is
    lea eax, [ebx + HERE(gdt)]
    mov [HERE(gdt_pointer) + 2], eax
    lea eax, [ebx + HERE(protected)]
    mov [HERE(to_protected)], eax
    lea eax, [ebx + HERE(in_long_mode)]
    mov [HERE(to_long)], eax
    o32 lgdt [HERE(gdt_pointer)]
    mov eax, CR0_PE | CR0_ET
    mov cr0, eax
    jmp far dword [HERE(to_protected)]
too_late:
    lock dec dword [es:GATE_ENTERED]
.sleep:
    hlt
    jmp .sleep

bits 32
protected:
    mov eax, KERNEL_DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov eax, CR4_PAE
    mov cr4, eax
    mov eax, [ebx + HERE(trampoline_cr3)]
    mov cr3, eax
    mov ecx, MSR_EFER
    xor edx, edx
    mov eax, EFER_LME | EFER_NXE
    wrmsr
    mov eax, [ebx + HERE(trampoline_cr0)] ; with caches on: INIT left them off
    mov cr0, eax
    jmp far dword [ebx + HERE(to_long)]

bits 64
in_long_mode:
    mov rax, ap_start
    jmp rax

    align 8
gdt:
    dq 0
    dq 0x00af9b000000ffff               ; KERNEL_CODE: as in boot/start32.asm
    dq 0x00cf93000000ffff               ; KERNEL_DATA
    dq 0x00cf9b000000ffff               ; CODE_32
gdt_pointer:
    dw gdt_pointer - gdt - 1
    dd 0
to_protected:
    dd 0
    dw CODE_32
to_long:
    dd 0
    dw KERNEL_CODE

    align 4
trampoline_cr0: dd 0                    ; the first CPU's
trampoline_cr3: dd 0
trampoline_end:

; In the kernel's own text: the processor looks up which one it is by what its
; local APIC says, since that is the identifier that interrupts are sent to.  It
; claims the place of that identifier by one exchange, takes the stack, and calls
; smp_enter with its number.  One that nobody expects, because the firmware has
; it disabled or because there are too many, sleeps; so does one whose place
; another has claimed.

extern idt_pointer, smp_enter, smp_places, smp_place_count, smp_passed
extern smp_late, smp_lapic_address, smp_lapic_registers

global ap_read_id, ap_find              ; for a test that changes the first

section .text progbits alloc exec nowrite align=16
bits 64

; struct smp_place (kernel/cpu/smp.c)
PLACE_APIC_ID equ 0
PLACE_NUMBER  equ 4
PLACE_STACK   equ 8
PLACE_CLAIMED equ 16
PLACE_BYTES   equ 24

; Intel SDM, volume 3, figures 10-5 and 10-26
MSR_APIC_BASE equ 0x1b
BASE_BSP      equ 1 << 8
BASE_X2APIC   equ 1 << 10
BASE_ENABLE   equ 1 << 11
MSR_X2APIC_ID equ 0x802
XAPIC_ID      equ 0x20                  ; in the upper 8 bits

ap_start:
    lidt [idt_pointer]
    lock inc dword [smp_passed]
    xor eax, eax
    mov fs, eax
    mov gs, eax
ap_read_id:                             ; edx = the identifier
    mov ecx, MSR_APIC_BASE
    rdmsr
    test eax, BASE_X2APIC
    jnz .read_x2
    and eax, BASE_BSP                   ; on, and where CPU 0 has it
    or eax, [smp_lapic_address]
    or eax, BASE_ENABLE
    mov edx, [smp_lapic_address + 4]
    wrmsr
    mov rsi, [smp_lapic_registers]
    test rsi, rsi
    jz .to_x2
    mov edx, [rsi + XAPIC_ID]
    shr edx, 24
    jmp ap_find
.to_x2:
    or eax, BASE_X2APIC                 ; from off it takes two steps
    wrmsr
.read_x2:
    mov ecx, MSR_X2APIC_ID
    rdmsr
    mov edx, eax
ap_find:
    mov rsi, smp_places
    mov ecx, [smp_place_count]
.next:
    sub ecx, 1
    jc .sleep
    cmp [rsi + PLACE_APIC_ID], edx
    je .found
    add rsi, PLACE_BYTES
    jmp .next
.found:
    mov eax, 1
    xchg [rsi + PLACE_CLAIMED], rax
    test rax, rax
    jnz .late
    mov rsp, [rsi + PLACE_STACK]
    mov edi, [rsi + PLACE_NUMBER]
    xor ebp, ebp                        ; a backtrace ends here
    call smp_enter
    ud2                                 ; it does not return
.late:
    lock inc dword [smp_late]
    mov ecx, MSR_APIC_BASE              ; off: an NMI for its twin would find it
    rdmsr                               ; without a stack
    and eax, ~(BASE_ENABLE | BASE_X2APIC)
    wrmsr
.sleep:
    cli
    hlt
    jmp .sleep
