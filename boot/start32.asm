; From GRUB to long mode.
;
; GRUB enters `start` in 32-bit protected mode, paging off, eax = magic,
; ebx = physical address of the boot information (Multiboot2 Specification,
; section 3.3).  This code is linked where it is loaded; all that it shares
; with the kernel is linked KERNEL_BASE higher.  It checks the machine, maps
; the first 4 GiB by 2 MiB pages, and leaves through a far jump for start64.
; Its memory is given to the frame allocator once the kernel has page tables of
; its own.
;
; A check that fails is told on the first serial port and on the EGA text
; screen, then QEMU is left by its debug exit, and any other machine halts.

%include "boot/layout.inc"

%define PHYSICAL(symbol) (symbol - KERNEL_BASE)

MULTIBOOT2_MAGIC equ 0x36d76289

; AMD64 Architecture Programmer's Manual, volume 2, chapter 3
CR0_PG   equ 1 << 31
CR0_WP   equ 1 << 16
CR4_PAE  equ 1 << 5
MSR_EFER equ 0xc0000080
EFER_LME equ 1 << 8
EFER_NXE equ 1 << 11

EFLAGS_ID equ 1 << 21

; volume 3, appendix E: CPUID function 0x80000001, edx
CPUID_EXTENDED equ 0x80000001
CPUID_NX       equ 1 << 20
CPUID_LM       equ 1 << 29

; volume 2, section 5.3: page-table entries
PAGE_P  equ 1 << 0
PAGE_RW equ 1 << 1
PAGE_PS equ 1 << 7

COM1          equ 0x3f8
COM_LCR       equ COM1 + 3
COM_LSR       equ COM1 + 5
COM_LSR_THRE  equ 1 << 5
SERIAL_SPINS  equ 100000                ; far more than a byte takes at 115200

EGA_TEXT      equ 0xb8000
EGA_CELLS     equ 80 * 25
EGA_WHITE_RED equ 0x4f

DEBUG_EXIT       equ 0xf4
DEBUG_EXIT_PANIC equ 0x11               ; the same as in drivers/debug_exit.h

extern boot_stack_top, start64

section .boot.text progbits alloc exec nowrite align=16
bits 32

global start
start:
    cli
    cld
    mov esp, PHYSICAL(boot_stack_top)
    mov edi, ebx                        ; the first argument of kernel_main

    mov esi, message_loader
    cmp eax, MULTIBOOT2_MAGIC
    jne fail

    call has_cpuid
    mov esi, message_cpuid
    jz fail

    call extended_features
    mov esi, message_long_mode
    test edx, CPUID_LM
    jz fail
    mov esi, message_nx
    test edx, CPUID_NX
    jz fail

    call build_early_tables
    jmp enter_long_mode

; Zero flag set if there is no CPUID: then the ID flag cannot be changed.
; AMD64 manual, volume 3, section 3.3 (CPUID).
has_cpuid:
    pushfd
    pop eax
    mov ecx, eax
    xor eax, EFLAGS_ID
    push eax
    popfd
    pushfd
    pop eax
    push ecx
    popfd
    xor eax, ecx
    test eax, EFLAGS_ID
    ret

; edx: the extended feature flags, 0 if the CPU has none.
extended_features:
    mov eax, CPUID_EXTENDED & 0x80000000
    cpuid
    xor edx, edx
    cmp eax, CPUID_EXTENDED
    jb .none
    mov eax, CPUID_EXTENDED
    cpuid
.none:
    ret

; The first 4 GiB, three times over: at 0 for this code, in the direct map for
; C, and the first of them at KERNEL_BASE.  The loader cleared the tables.
build_early_tables:
    mov eax, early_pdpt + (PAGE_P | PAGE_RW)
    mov [early_pml4], eax
    mov [early_pml4 + 8 * ((DIRECT_MAP_BASE >> 39) & 511)], eax
    mov eax, early_pdpt_high + (PAGE_P | PAGE_RW)
    mov [early_pml4 + 8 * ((KERNEL_BASE >> 39) & 511)], eax

    mov eax, early_pd + (PAGE_P | PAGE_RW)
    mov [early_pdpt_high + 8 * ((KERNEL_BASE >> 30) & 511)], eax
    xor ecx, ecx
.pdpt:
    mov [early_pdpt + ecx * 8], eax
    add eax, PAGE_BYTES
    inc ecx
    cmp ecx, 4
    jb .pdpt

    mov eax, PAGE_P | PAGE_RW | PAGE_PS
    xor ecx, ecx
.pd:
    mov [early_pd + ecx * 8], eax
    add eax, 2 * 1024 * 1024
    inc ecx
    cmp ecx, 4 * 512
    jb .pd
    ret

; AMD64 manual, volume 2, section 14.6.1: PAE, then LME, then paging.
enter_long_mode:
    mov eax, cr4
    or eax, CR4_PAE
    mov cr4, eax
    mov eax, early_pml4
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME | EFER_NXE
    wrmsr
    mov eax, cr0
    or eax, CR0_PG | CR0_WP
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    jmp KERNEL_CODE:long_mode

; esi: a message that ends in 0.  Does not come back.
fail:
    mov edi, EGA_TEXT
    mov ecx, EGA_CELLS
    mov eax, (EGA_WHITE_RED << 8) | ' '
    rep stosw
    mov edi, EGA_TEXT
    push esi
    mov esi, message_prefix
    call print
    pop esi
    call print
    mov esi, message_end
    call print
    mov al, DEBUG_EXIT_PANIC
    out DEBUG_EXIT, al
.halt:
    hlt
    jmp .halt

; Prints esi to the serial port and to the text screen at edi.
print:
    lodsb
    test al, al
    jz .done
    call put_serial
    cmp al, ' '                         ; CR and LF are for the serial line
    jb print
    mov ah, EGA_WHITE_RED
    stosw
    jmp print
.done:
    ret

; Sends al; gives up after a bounded wait where there is no port.
put_serial:
    mov ah, al
    mov ecx, SERIAL_SPINS
    mov dx, COM_LSR
.wait:
    in al, dx
    test al, COM_LSR_THRE
    loopz .wait
    mov al, ah
    mov dx, COM1
    out dx, al
    ret

section .boot.rodata progbits alloc noexec nowrite align=8

message_prefix:
    db 'Copse cannot start: ', 0
message_loader:
    db 'it was not loaded by multiboot2 (eax is not 0x36d76289). '
    db 'Boot it from its ISO, or with "multiboot2" in GRUB.', 0
message_cpuid:
    db 'this CPU has no CPUID instruction, so it is not x86-64.', 0
message_long_mode:
    db 'this CPU has no long mode (CPUID 0x80000001 edx bit 29). '
    db 'It needs an x86-64 CPU.', 0
message_nx:
    db 'this CPU has no NX bit (CPUID 0x80000001 edx bit 20), or the firmware '
    db 'set-up switched it off ("execute disable").', 0
message_end:
    db 13, 10, 0

    align 8, db 0
boot_gdt:
    dq 0
    dq 0x00af9b000000ffff               ; KERNEL_CODE: 64-bit, present, accessed
    dq 0x00cf93000000ffff               ; KERNEL_DATA: writable, accessed
boot_gdt_end:

boot_gdt_pointer:
    dw boot_gdt_end - boot_gdt - 1
    dq boot_gdt

section .boot.bss nobits alloc noexec write align=4096

early_pml4:      resb PAGE_BYTES
early_pdpt:      resb PAGE_BYTES
early_pdpt_high: resb PAGE_BYTES
early_pd:        resb 4 * PAGE_BYTES

section .boot.text
bits 64

long_mode:
    mov rax, start64
    jmp rax
