srcs-y += vault.c
ta-parts := ta_command ta_key ta_sha256
kapu-libs := base vault
include $(sub-dir)/common/libraries.mk
