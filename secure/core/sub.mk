srcs-y += crypto.c
srcs-y += hardware_key.c
srcs-y += storage_counter.c
srcs-y += tis_port.c
srcs-y += trust.c
global-incdirs-y += include
