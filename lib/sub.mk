# SPDX-License-Identifier: Apache-2.0
# Read by OP-TEE's build: our libraries in its core, from the same source lists as Meson and TF-A.
kapu-libs := base tis tpm2 eventlog bootstate fusebox nvbudget lastwords
srcs-y += $(foreach l,$(kapu-libs),$(addprefix $(l)/,$(shell cat $(sub-dir)/$(l)/sources.list)))
global-incdirs-y += $(addsuffix /include,$(kapu-libs))
# Of lib/update only kapu/update_refusals.h, to count what the update TA refused.
global-incdirs-y += update/include
