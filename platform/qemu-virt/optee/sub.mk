srcs-y += memory.c
srcs-y += reset.c
srcs-y += seed.c
global-incdirs-y += .
