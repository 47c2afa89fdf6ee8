srcs-y += memory.c
srcs-y += seed.c
