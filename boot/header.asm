; What a loader looks for in the file.
;
; The multiboot2 header, in the first 32 KiB, is GRUB's: Multiboot2
; Specification 2.0, section 3.1.  The ELF note is that of the PVH protocol, by
; which `qemu -kernel` finds another entry: Xen, docs/misc/pvh.pandoc.

MAGIC        equ 0xe85250d6
I386         equ 0                      ; entered in 32-bit protected mode
TAG_END      equ 0
TAG_REQUEST  equ 1                      ; information request
TAG_CONSOLE  equ 4                      ; which consoles we can use
TAG_SCREEN   equ 5                      ; a framebuffer is welcome
TAG_ALIGN    equ 6                      ; modules on page boundaries

OPTIONAL     equ 1                      ; a tag's flag
EGA_TEXT     equ 1 << 1                 ; TAG_CONSOLE: EGA text will do

INFO_MEMORY_MAP equ 6

section .multiboot2 progbits alloc noexec nowrite align=8

header:
    dd MAGIC
    dd I386
    dd header.end - header
    dd -(MAGIC + I386 + (header.end - header)) & 0xffffffff

.request:
    dw TAG_REQUEST
    dw 0                                ; not optional
    dd .request_end - .request
    dd INFO_MEMORY_MAP
.request_end:
    align 8, db 0

    dw TAG_ALIGN
    dw 0
    dd 8

    dw TAG_CONSOLE
    dw OPTIONAL
    dd 12
    dd EGA_TEXT
    align 8, db 0

.screen:
    dw TAG_SCREEN
    dw OPTIONAL
    dd .screen_end - .screen
    dd 1024                             ; preferred width, height, bits a pixel
    dd 768
    dd 32
.screen_end:
    align 8, db 0

    dw TAG_END
    dw 0
    dd 8
.end:

XEN_ELFNOTE_PHYS32_ENTRY equ 18         ; Xen, public/elfnote.h

extern start_pvh

section .note.pvh note alloc noexec nowrite align=4

    dd note_name.end - note_name
    dd 8                                ; bytes of the address
    dd XEN_ELFNOTE_PHYS32_ENTRY
note_name:
    db 'Xen', 0
.end:
    dq start_pvh
