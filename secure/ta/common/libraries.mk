# SPDX-License-Identifier: Apache-2.0
# Part of a trusted application's sub.mk: what several of them have, as ta-parts names it, our libraries that
# kapu-libs names, and QCBOR for lib/cbor, without floating point as on the host (lib/evidence/meson.build).
srcs-y += $(foreach l,$(kapu-libs),$(addprefix lib/$(l)/,$(shell cat $(sub-dir)/lib/$(l)/sources.list)))
srcs-y += $(patsubst %,common/%.c,$(ta-parts))
global-incdirs-y += . common wire $(addprefix lib/,$(addsuffix /include,$(kapu-libs)))
qcbor-srcs := $(if $(filter cbor,$(kapu-libs)),qcbor/src/qcbor_encode.c qcbor/src/qcbor_decode.c qcbor/src/UsefulBuf.c)
srcs-y += $(qcbor-srcs)
$(foreach s,$(qcbor-srcs),$(eval cflags-$(s)-y += -w))
cppflags-y += -isystem $(sub-dir)/qcbor/inc -isystem $(sub-dir)/qcbor/inc/qcbor
cppflags-y += -DQCBOR_DISABLE_FLOAT_HW_USE -DQCBOR_DISABLE_PREFERRED_FLOAT
cppflags-y += -DUSEFULBUF_DISABLE_ALL_FLOAT
