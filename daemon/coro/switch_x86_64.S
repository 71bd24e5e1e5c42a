/* switch_x86_64.S - the switch for x86-64, System V ABI.
 *
 * What lies at the saved stack pointer, in words of eight bytes (scripts/tasks-gdb.py reads it too):
 *
 *	0	mxcsr (4 bytes), x87 control word (2 bytes)
 *	1	r15
 *	2	r14
 *	3	r13
 *	4	r12
 *	5	rbx
 *	6	rbp
 *	7	return address
 *
 * The rest of the vector state is the caller's to save (psABI 3.2.1), and so is nothing below the stack
 * pointer, because a switch is a call. It ends in a jump: a return would go elsewhere than the call that it is
 * paired with, so the processor would predict it wrong each time, while a jump it learns. Shadow stacks are not
 * switched, hence the object is not marked for them.
 */
#if defined(__x86_64__) && !defined(CORO_UCONTEXT)

#if defined(__CET__) && (__CET__ & 1)
#define LANDING_PAD endbr64
#define NOTRACK notrack
#else
#define LANDING_PAD
#define NOTRACK
#endif

#define FRAME_BYTES 64

	.text

/* void switch_to(struct switch_context *from, struct switch_context *to) */
	.globl	switch_to
	.type	switch_to, @function
	.p2align 4
switch_to:
	.cfi_startproc
	LANDING_PAD
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)

	/* Both sides have the same frame here, so the rules for unwinding hold across this. */
	movq	%rsp, (%rdi)
	movq	(%rsi), %rsp

	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	popq	%rdx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rdx
	/* What follows a call is no landing pad. */
	NOTRACK jmp	*%rdx
	.cfi_endproc
	.size	switch_to, . - switch_to

/* The outermost frame of a coroutine: nothing called it, so an unwinder ends here. It calls all that there is to call
 * on a stack itself, because a frame in between would lie on every one. */
	.type	switch_begin, @function
	.p2align 4
switch_begin:
	.cfi_startproc
	.cfi_undefined rip
	callq	*%r12
	movq	%r14, %rdi
	callq	*%r13
	callq	*%rbx
	ud2
	.cfi_endproc
	.size	switch_begin, . - switch_begin

/* void switch_init(struct switch_context *c, void *stack_bottom, size_t stack_bytes, const struct switch_begin *begin) */
	.globl	switch_init
	.type	switch_init, @function
	.p2align 4
switch_init:
	.cfi_startproc
	LANDING_PAD
	/* Above the frame SWITCH_SPARE_BYTES stay free, so that the outermost frame lies within its stack too. */
	leaq	-16(%rsi, %rdx), %rax
	andq	$-16, %rax
	subq	$FRAME_BYTES, %rax
	stmxcsr	(%rax)
	fnstcw	4(%rax)
	xorl	%edx, %edx
	movq	%rdx, 8(%rax)
	movq	%rdx, 48(%rax)
	movq	(%rcx), %rdx
	movq	%rdx, 32(%rax)
	movq	8(%rcx), %rdx
	movq	%rdx, 24(%rax)
	movq	16(%rcx), %rdx
	movq	%rdx, 16(%rax)
	movq	24(%rcx), %rdx
	movq	%rdx, 40(%rax)
	leaq	switch_begin(%rip), %rdx
	movq	%rdx, 56(%rax)
	movq	%rax, (%rdi)
	ret
	.cfi_endproc
	.size	switch_init, . - switch_init

#if defined(__CET__) && (__CET__ & 1)
/* GNU_PROPERTY_X86_FEATURE_1_AND with the bit for indirect branch tracking (x86-64 ABI, Linux extensions). */
	.section .note.gnu.property, "a"
	.p2align 3
	.long	4
	.long	16
	.long	5
	.asciz	"GNU"
	.long	0xc0000002
	.long	4
	.long	1
	.long	0
#endif

#endif

#if defined(__linux__) && defined(__ELF__)
	.section .note.GNU-stack, "", %progbits
#endif
