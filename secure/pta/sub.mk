srcs-y += boot.c
srcs-y += monitor.c
