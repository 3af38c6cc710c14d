; The first 64-bit code, in the higher half.
;
; Fills the interrupt descriptor table before any C runs, so that a fault in
; the first C instruction is reported like any other, and calls kernel_main.

%include "boot/layout.inc"

; AMD64 manual, volume 2, section 4.8.4: a present 64-bit interrupt gate
GATE_INTERRUPT equ 0x8e00
VECTORS        equ 256

extern kernel_main, trap_stubs

section .text progbits alloc exec nowrite align=16
bits 64

; edi: physical address of the boot information; esi: the loader's magic.
global start64
start64:
    mov rsp, boot_stack_top
    xor ebp, ebp                        ; a backtrace ends here

    mov ax, KERNEL_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax

    call fill_idt
    lidt [idt_pointer]

    mov edi, edi                        ; the upper half is not ours to trust
    call kernel_main
    ud2                                 ; it does not return

; One gate a vector, each to its stub in kernel/trap/trap_entry.asm.
fill_idt:
    mov rax, trap_stubs
    mov rdx, idt
    mov ecx, VECTORS
.gate:
    mov rbx, rax
    mov [rdx], bx                       ; offset 15:0
    mov word [rdx + 2], KERNEL_CODE
    mov word [rdx + 4], GATE_INTERRUPT
    shr rbx, 16
    mov [rdx + 6], bx                   ; offset 31:16
    shr rbx, 16
    mov [rdx + 8], ebx                  ; offset 63:32
    add rax, TRAP_STUB_BYTES
    add rdx, 16
    dec ecx
    jnz .gate
    ret

section .rodata progbits alloc noexec nowrite align=8

idt_pointer:
    dw VECTORS * 16 - 1
    dq idt

section .bss nobits alloc noexec write align=4096

global idt, idt_pointer
idt: resb VECTORS * 16

; See kernel/cpu/stacks.h: a guard page below each.
section .stacks nobits alloc noexec write align=4096

global stacks, boot_stack_top
stacks:
    resb PAGE_BYTES + STACK_BYTES
boot_stack_top:
    resb (STACKS - 1) * (PAGE_BYTES + STACK_BYTES)
