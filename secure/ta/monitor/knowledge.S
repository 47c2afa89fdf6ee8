/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of this release: made by the build, signed with OP-TEE's image, constant. */
	.section .rodata.knowledge, "a"

	.global kernel_profile, kernel_profile_size, allow_list, allow_list_size
	.balign 8
kernel_profile:
	.incbin "kernel.profile"
1:
	.balign 8
allow_list:
	.incbin "allow.list"
2:
	.balign 8
kernel_profile_size:
	.8byte 1b - kernel_profile
allow_list_size:
	.8byte 2b - allow_list

	.section .note.GNU-stack, "", %progbits
