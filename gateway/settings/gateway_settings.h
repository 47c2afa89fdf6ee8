/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the operator is: /etc/kapu/operator of the verified root image, as kapu-link and
 * kapu-update read it. A line is NAME=VALUE or begins with '#'. The file is read to its last byte
 * or refused with line and reason: each setting is there once, a value is printable ASCII without
 * blanks.
 */
#ifndef KAPU_GATEWAY_SETTINGS_H
#define KAPU_GATEWAY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <kapu/bytes.h>

#define GATEWAY_SETTINGS_FILE "/etc/kapu/operator"

struct gateway_settings {
    char host[64], name[64]; /* address; name in its certificate */
    char releases[256];      /* URL of the server of releases */
    int port, enrol_port;    /* 1 to 65535 */
};

/* What is in such a file. false: `why` begins with "line N: ", or names what is missing. */
KAPU_MUST_CHECK bool gateway_settings_parse(struct bytes file, struct gateway_settings *s,
                                            char *why, size_t why_n);

/* false: `why` is a sentence that begins with the path, and *s is empty. */
KAPU_MUST_CHECK bool gateway_settings_read(const char *path, struct gateway_settings *s, char *why,
                                           size_t why_n);

#endif
