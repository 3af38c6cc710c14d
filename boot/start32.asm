; From the loader to long mode.
;
; GRUB enters `start` in 32-bit protected mode, paging off, eax = magic,
; ebx = physical address of the boot information (Multiboot2 Specification,
; section 3.3).  A loader of the PVH protocol enters `start_pvh` in the same
; mode, ebx = physical address of its start info (boot/pvh.h).  This code is
; linked where it is loaded; all that it shares with the kernel is linked
; KERNEL_BASE higher.  It checks the machine, maps the first 4 GiB by 2 MiB
; pages, and leaves through a far jump for start64.
; Its memory is given to the frame allocator once the kernel has page tables of
; its own.
;
; A check that fails is told on the first serial port and on the screen, EGA
; text or the loader's framebuffer of 32 bits a pixel; then QEMU is left by its
; debug exit, and any other machine halts.

%include "boot/layout.inc"

%define PHYSICAL(symbol) (symbol - KERNEL_BASE)

MULTIBOOT2_MAGIC equ 0x36d76289
PVH_MAGIC        equ 0x336ec578         ; as in boot/pvh.h

; Multiboot2 Specification, section 3.6.12: framebuffer information
TAG_FRAMEBUFFER equ 8
FB_ADDRESS      equ 8                   ; 64 bits
FB_PITCH        equ 16
FB_WIDTH        equ 20
FB_BITS         equ 28                  ; a byte, a pixel's
FB_TYPE         equ 29                  ; a byte
FB_RGB          equ 1

FONT_FIRST  equ ' '                     ; as in drivers/font.h
FONT_WIDTH  equ 8
FONT_HEIGHT equ 16

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

extern boot_stack_top, start64, font_8x16

section .boot.text progbits alloc exec nowrite align=16
bits 32

global start
start:
    cli
    cld
    mov esp, PHYSICAL(boot_stack_top)
    mov [loader_magic], eax
    mov edi, ebx                        ; the first argument of kernel_main

    xor ebp, ebp                        ; no boot information to look into
    mov esi, message_loader
    cmp eax, MULTIBOOT2_MAGIC
    jne fail
    mov ebp, ebx
    jmp check_machine

; This loader says by the entry that it is one: eax holds nothing, and whether
; ebx leads to a start info is for boot/pvh.c to say.
global start_pvh
start_pvh:
    cli
    cld
    mov esp, PHYSICAL(boot_stack_top)
    mov dword [loader_magic], PVH_MAGIC
    mov dword [framebuffer], 0          ; it does not tell of one
    mov edi, ebx
    xor ebp, ebp

check_machine:
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
; C, and the first of them at KERNEL_BASE.  The tables are cleared first: QEMU's
; PVH loader leaves there what this kernel had in that memory before a reboot.
build_early_tables:
    mov edx, edi
    mov edi, early_pml4
    mov ecx, 7 * PAGE_BYTES / 4
    xor eax, eax
    rep stosd
    mov edi, edx
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

; AMD64 manual, volume 2, section 14.6.1: PAE, then LME, then paging.  Of what
; the firmware left in CR4 nothing stays: with LA57, say, these would be tables
; of the wrong depth.
enter_long_mode:
    mov eax, CR4_PAE
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

; esi: a message that ends in 0; ebp: boot information, or 0.  Does not come
; back.
fail:
    push esi
    call find_framebuffer
    mov edi, EGA_TEXT
    mov ecx, EGA_CELLS
    mov eax, (EGA_WHITE_RED << 8) | ' '
    rep stosw
    mov edi, EGA_TEXT
    xor ebp, ebp                        ; column and row of the framebuffer
    xor ebx, ebx
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

; Keeps what is known of a framebuffer that print can use.
find_framebuffer:
    test ebp, ebp
    jz .none
    mov ecx, [ebp]                      ; the block's size; from here on, how
    sub ecx, 8                          ; much of it is left from this tag on
    jb .none
    add ebp, 8
.tag:
    cmp ecx, FB_TYPE + 1
    jb .none
    cmp dword [ebp], TAG_FRAMEBUFFER
    je .found
    mov eax, [ebp + 4]                  ; the tag's size
    cmp eax, 8
    jb .none
    cmp eax, ecx                        ; so nothing below can wrap
    ja .none
    add eax, 7
    and eax, ~7
    add ebp, eax
    sub ecx, eax
    ja .tag
    jmp .none
.found:
    cmp byte [ebp + FB_TYPE], FB_RGB
    jne .none
    cmp byte [ebp + FB_BITS], 32
    jne .none
    cmp dword [ebp + FB_ADDRESS + 4], 0
    jne .none
    mov eax, [ebp + FB_ADDRESS]
    mov [framebuffer], eax
    mov eax, [ebp + FB_PITCH]
    mov [framebuffer_pitch], eax
    mov eax, [ebp + FB_WIDTH]
    shr eax, 3                          ; by FONT_WIDTH
    mov [framebuffer_columns], eax
.none:
    ret

; Prints esi to the serial port, to the text screen at edi and to column ebp,
; row ebx of the framebuffer.
print:
    lodsb
    test al, al
    jz .done
    call put_serial
    cmp al, ' '                         ; CR and LF are for the serial line
    jb print
    mov ah, EGA_WHITE_RED
    stosw
    cmp dword [framebuffer], 0
    je print
    call put_pixels
    jmp print
.done:
    ret

put_pixels:
    push esi
    push edi
    cmp ebp, [framebuffer_columns]
    jb .place
    xor ebp, ebp
    inc ebx
.place:
    movzx esi, al
    sub esi, FONT_FIRST
    shl esi, 4                          ; by FONT_HEIGHT
    add esi, PHYSICAL(font_8x16)
    mov edi, ebx
    imul edi, [framebuffer_pitch]
    shl edi, 4
    add edi, [framebuffer]
    mov eax, ebp
    shl eax, 5                          ; FONT_WIDTH pixels of 4 bytes
    add edi, eax
    mov ch, FONT_HEIGHT
.line:
    mov dl, [esi]
    mov cl, FONT_WIDTH
.pixel:
    shl dl, 1
    sbb eax, eax                        ; all ones if the bit was 1
    stosd
    dec cl
    jnz .pixel
    inc esi
    add edi, [framebuffer_pitch]
    sub edi, FONT_WIDTH * 4
    dec ch
    jnz .line
    inc ebp
    pop edi
    pop esi
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

loader_magic:        resd 1             ; the second argument of kernel_main

framebuffer:         resd 1             ; 0: none, or none that print can use
framebuffer_pitch:   resd 1
framebuffer_columns: resd 1

section .boot.text
bits 64

long_mode:
    mov esi, [abs loader_magic]
    mov rax, start64
    jmp rax
