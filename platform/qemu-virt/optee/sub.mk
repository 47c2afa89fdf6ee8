srcs-y += memory.c
