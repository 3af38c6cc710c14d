; Where the CPU enters the kernel on an exception or interrupt.
;
; Each vector has a stub that makes the stack look the same for all of them:
; an error code (0 where the CPU pushes none) and the vector.  The rest is
; saved here, in the order of struct trap_frame (kernel/trap/trap.h).

%include "boot/layout.inc"

extern trap_handle

; struct trap_frame
FRAME_RIP    equ 17 * 8
FRAME_RFLAGS equ 19 * 8
FRAME_RSP    equ 20 * 8

%macro POP_REGISTERS 0
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16                         ; vector and error code
%endmacro

section .text progbits alloc exec nowrite align=16
bits 64

; AMD64 manual, volume 2, section 8.2: vectors for which the CPU pushes an
; error code: 8, 10-14, 17, 21, 29, 30.
%define HAS_ERROR_CODE(v) ((0x60227d00 >> (v)) & 1)

global trap_stubs
trap_stubs:
%assign vector 0
%rep 256
    align TRAP_STUB_BYTES
%if vector >= 32 || !HAS_ERROR_CODE(vector)
    push 0
%endif
    push dword vector
    jmp near trap_common
%assign vector vector + 1
%endrep

    align 16
trap_common:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    call trap_handle
    test al, al
    jnz .keep_nmis_out
    POP_REGISTERS
    iretq

; The same without iretq, which would let the next NMI in, onto the stack of the
; one that this trap has interrupted.  rip and rflags go where that code would
; push next; they may take the places of ss and rsp.
.keep_nmis_out:
    mov rax, [rsp + FRAME_RSP]
    mov rcx, [rsp + FRAME_RIP]
    mov rdx, [rsp + FRAME_RFLAGS]
    sub rax, 16
    mov [rax + 8], rcx
    mov [rax], rdx
    mov [rsp + FRAME_RIP], rax
    POP_REGISTERS
    mov rsp, [rsp]
    popfq
    ret

; void trap_wait(void), with interrupts off: lets them in until one comes.  No
; interrupt comes between sti and hlt, but an NMI may, and then others: so
; trap_handle goes on behind the hlt if it was not begun.
    align 16
global trap_wait, trap_wait_hlt
trap_wait:
    sti
trap_wait_hlt:
    hlt
    cli
    ret
