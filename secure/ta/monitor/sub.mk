srcs-y += claims.c
srcs-y += core.c
srcs-y += look.c
srcs-y += monitor.c
srcs-y += report.c
srcs-y += knowledge.S
srcs-y += sha256_armv8a_ce_a64.S
cflags-y += -O2 # a deep check is paid for by Linux, every half minute
ta-parts := ta_command ta_sha256
kapu-libs := base introspect cbor evidence
include $(sub-dir)/common/libraries.mk
