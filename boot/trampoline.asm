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

; In the kernel's own text: the processor looks up which one it is by the
; identifier of its local APIC, takes its stack, and calls smp_enter with its
; number.  One that nobody expects, because the firmware has it disabled or
; because there are too many, sleeps.

extern idt_pointer, smp_enter, smp_places, smp_place_count, smp_passed

section .text progbits alloc exec nowrite align=16
bits 64

; struct smp_place (kernel/cpu/smp.c)
PLACE_APIC_ID equ 0
PLACE_NUMBER  equ 4
PLACE_STACK   equ 8
PLACE_BYTES   equ 16

CPUID_TOPOLOGY equ 0xb                  ; its edx: the x2APIC identifier

ap_start:
    lidt [idt_pointer]
    lock inc dword [smp_passed]
    xor eax, eax
    mov fs, eax
    mov gs, eax
    cpuid
    cmp eax, CPUID_TOPOLOGY
    jb .short_id
    mov eax, CPUID_TOPOLOGY
    xor ecx, ecx
    cpuid
    test bx, bx                         ; no processors at this level: no leaf
    jnz .find
.short_id:
    mov eax, 1
    cpuid
    mov edx, ebx
    shr edx, 24
.find:
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
    mov rsp, [rsi + PLACE_STACK]
    mov edi, [rsi + PLACE_NUMBER]
    xor ebp, ebp                        ; a backtrace ends here
    call smp_enter
    ud2                                 ; it does not return
.sleep:
    cli
    hlt
    jmp .sleep
