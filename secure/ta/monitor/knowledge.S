/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of this release: made by the build, signed with OP-TEE's image, constant. */
	.section .rodata.knowledge, "a"

	.global kernel_profile, kernel_profile_end, allow_list, allow_list_end
	.balign 8
kernel_profile:
	.incbin "kernel.profile"
kernel_profile_end:
	.balign 8
allow_list:
	.incbin "allow.list"
allow_list_end:

	.section .note.GNU-stack, "", %progbits
