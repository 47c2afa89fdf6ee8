srcs-y += boot.c
