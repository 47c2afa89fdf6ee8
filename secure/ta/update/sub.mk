srcs-y += update.c
global-incdirs-y += . wire
