srcs-y += claims.c
srcs-y += core.c
srcs-y += look.c
srcs-y += monitor.c
srcs-y += report.c
srcs-y += knowledge.S
kapu-libs := base introspect cbor evidence
include $(sub-dir)/common/libraries.mk
