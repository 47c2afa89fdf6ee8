srcs-y += attest.c
srcs-y += evidence.c
srcs-y += services.c
# Of lib/update only kapu/update_outcome.h, to read what the record says of the last trial: all that decides
# about updates, and verifies signatures for it, stays in the update TA.
global-incdirs-y += lib/update/include
ta-parts := ta_command ta_key ta_sha256
kapu-libs := base cbor evidence vault
include $(sub-dir)/common/libraries.mk
