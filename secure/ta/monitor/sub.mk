srcs-y += core.c
srcs-y += look.c
srcs-y += monitor.c
srcs-y += report.c
srcs-y += knowledge.S
kapu-libs := base introspect
srcs-y += $(foreach l,$(kapu-libs),$(addprefix lib/$(l)/,$(shell cat $(sub-dir)/lib/$(l)/sources.list)))
global-incdirs-y += . wire $(addprefix lib/,$(addsuffix /include,$(kapu-libs)))
