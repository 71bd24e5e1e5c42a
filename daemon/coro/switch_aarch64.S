/* switch_aarch64.S - the switch for 64-bit ARM, AAPCS64.
 *
 * What lies at the saved stack pointer, in words of eight bytes (scripts/tasks-gdb.py reads it too):
 *
 *	0 to 7		d8 to d15: the low halves of v8 to v15 (AAPCS64 6.1.2)
 *	8 to 17		x19 to x28
 *	18, 19		x29 (frame pointer), x30 (return address)
 *	20		fpcr
 *	21		nothing; the stack pointer keeps its 16 bytes
 */
#if defined(__aarch64__) && !defined(CORO_UCONTEXT)

/* `bti c` lies in the space of hints: older processors take it for a nop. */
#define LANDING_PAD hint #34

#define FRAME_BYTES 176

	.text

/* void switch_to(struct switch_context *from, struct switch_context *to) */
	.globl	switch_to
	.type	switch_to, %function
	.p2align 4
switch_to:
	.cfi_startproc
	LANDING_PAD
	sub	sp, sp, #FRAME_BYTES
	.cfi_def_cfa_offset FRAME_BYTES
	stp	d8, d9, [sp, #0]
	.cfi_rel_offset b8, 0
	.cfi_rel_offset b9, 8
	stp	d10, d11, [sp, #16]
	.cfi_rel_offset b10, 16
	.cfi_rel_offset b11, 24
	stp	d12, d13, [sp, #32]
	.cfi_rel_offset b12, 32
	.cfi_rel_offset b13, 40
	stp	d14, d15, [sp, #48]
	.cfi_rel_offset b14, 48
	.cfi_rel_offset b15, 56
	stp	x19, x20, [sp, #64]
	.cfi_rel_offset x19, 64
	.cfi_rel_offset x20, 72
	stp	x21, x22, [sp, #80]
	.cfi_rel_offset x21, 80
	.cfi_rel_offset x22, 88
	stp	x23, x24, [sp, #96]
	.cfi_rel_offset x23, 96
	.cfi_rel_offset x24, 104
	stp	x25, x26, [sp, #112]
	.cfi_rel_offset x25, 112
	.cfi_rel_offset x26, 120
	stp	x27, x28, [sp, #128]
	.cfi_rel_offset x27, 128
	.cfi_rel_offset x28, 136
	stp	x29, x30, [sp, #144]
	.cfi_rel_offset x29, 144
	.cfi_rel_offset x30, 152
	mrs	x9, fpcr
	str	x9, [sp, #160]

	/* Both sides have the same frame here, so the rules for unwinding hold across this. */
	mov	x10, sp
	str	x10, [x0]
	ldr	x10, [x1]
	mov	sp, x10

	/* Writing fpcr drains the pipeline on many cores, and it hardly ever differs. */
	ldr	x10, [sp, #160]
	cmp	x9, x10
	b.eq	1f
	msr	fpcr, x10
1:	ldp	d8, d9, [sp, #0]
	ldp	d10, d11, [sp, #16]
	ldp	d12, d13, [sp, #32]
	ldp	d14, d15, [sp, #48]
	ldp	x19, x20, [sp, #64]
	ldp	x21, x22, [sp, #80]
	ldp	x23, x24, [sp, #96]
	ldp	x25, x26, [sp, #112]
	ldp	x27, x28, [sp, #128]
	ldp	x29, x30, [sp, #144]
	/* The words stay below the stack pointer until the return, but no longer as a frame. */
	.cfi_restore b8
	.cfi_restore b9
	.cfi_restore b10
	.cfi_restore b11
	.cfi_restore b12
	.cfi_restore b13
	.cfi_restore b14
	.cfi_restore b15
	.cfi_restore x19
	.cfi_restore x20
	.cfi_restore x21
	.cfi_restore x22
	.cfi_restore x23
	.cfi_restore x24
	.cfi_restore x25
	.cfi_restore x26
	.cfi_restore x27
	.cfi_restore x28
	.cfi_restore x29
	.cfi_restore x30
	add	sp, sp, #FRAME_BYTES
	.cfi_def_cfa_offset 0
	ret
	.cfi_endproc
	.size	switch_to, . - switch_to

/* The outermost frame of a coroutine: nothing called it, so an unwinder ends here. It calls all that there is to call
 * on a stack itself, because a frame in between would lie on every one. */
	.type	switch_begin, %function
	.p2align 4
switch_begin:
	.cfi_startproc
	.cfi_undefined x30
	blr	x19
	mov	x0, x21
	blr	x20
	blr	x22
	brk	#1
	.cfi_endproc
	.size	switch_begin, . - switch_begin

/* void switch_init(struct switch_context *c, void *stack_bottom, size_t stack_bytes, const struct switch_begin *begin) */
	.globl	switch_init
	.type	switch_init, %function
	.p2align 4
switch_init:
	.cfi_startproc
	LANDING_PAD
	add	x9, x1, x2
	and	x9, x9, #-16
	sub	x9, x9, #FRAME_BYTES
	stp	xzr, xzr, [x9, #0]
	stp	xzr, xzr, [x9, #16]
	stp	xzr, xzr, [x9, #32]
	stp	xzr, xzr, [x9, #48]
	ldp	x10, x11, [x3, #0]
	stp	x10, x11, [x9, #64]
	ldp	x10, x11, [x3, #16]
	stp	x10, x11, [x9, #80]
	stp	xzr, xzr, [x9, #96]
	stp	xzr, xzr, [x9, #112]
	stp	xzr, xzr, [x9, #128]
	adr	x10, switch_begin
	stp	xzr, x10, [x9, #144]
	mrs	x10, fpcr
	stp	x10, xzr, [x9, #160]
	str	x9, [x0]
	ret
	.cfi_endproc
	.size	switch_init, . - switch_init

#if defined(__ARM_FEATURE_BTI_DEFAULT)
/* GNU_PROPERTY_AARCH64_FEATURE_1_AND with the bit for branch target identification. */
	.section .note.gnu.property, "a"
	.p2align 3
	.word	4
	.word	16
	.word	5
	.asciz	"GNU"
	.word	0xc0000000
	.word	4
	.word	1
	.word	0
#endif

#endif

#if defined(__linux__) && defined(__ELF__)
	.section .note.GNU-stack, "", %progbits
#endif
