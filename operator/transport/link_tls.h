/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.3 of a link, which remembers why a handshake failed: libmosquitto says "A TLS error". */
#ifndef KAPU_LINK_TLS_H
#define KAPU_LINK_TLS_H

#include <mosquitto.h>

#include "transport.h"

struct link_tls;

/* Gives the client its TLS context. NULL: `why`. link_tls_free comes after mosquitto_destroy. */
struct link_tls *link_tls_set(struct mosquitto *client, const struct transport_options *o,
                              char *why, size_t n);
void link_tls_free(struct link_tls *t);

/* Before each try. */
void link_tls_begin(struct link_tls *t);
/* What is known of the failure of the last try; NULL: nothing. */
const char *link_tls_said(const struct link_tls *t);
/* Whether another try will come to the same: a certificate or a version is refused. */
bool link_tls_is_final(const struct link_tls *t);
/* A line of libmosquitto's log. */
void link_tls_heard(struct link_tls *t, const char *line);

#endif
