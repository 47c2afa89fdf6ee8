srcs-y += services.c
srcs-y += signature.c
srcs-y += update.c
ta-parts := ta_command ta_sha256
kapu-libs := base bootstate cbor evidence release update
include $(sub-dir)/common/libraries.mk
