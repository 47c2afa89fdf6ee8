srcs-y += attest.c
srcs-y += evidence.c
srcs-y += key.c
srcs-y += services.c
kapu-libs := base cbor evidence
include $(sub-dir)/common/libraries.mk
