/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking gateways: MQTT 5 over TLS 1.3 with a client certificate, to a broker of the operator's.
 * What travels is kapu/protocol.h's; bodies are passed on unread.
 *
 * A connection lives as long as its struct transport: when the broker goes away, it is looked for
 * again, and a request under way is sent again. One thread; nothing happens outside of the calls.
 *
 * Trust: the broker can withhold messages, repeat them and change them: evidence is signed and says
 * for which nonce it is. It holds each enrolled gateway to its own topics; a reply counts only when
 * it comes on the topic of the gateway that was asked, with the correlation data of this request.
 *
 * The caller ignores SIGPIPE. Errors: KAPU_ETIMEOUT: no reply in time; KAPU_EIO: it cannot work at
 * all (files, certificates, the broker refuses). transport_said tells a person why.
 */
#ifndef KAPU_TRANSPORT_H
#define KAPU_TRANSPORT_H

#include <kapu/protocol.h>

struct transport_options {
    const char *host; /* as the broker's certificate has it */
    uint16_t port;
    const char *ca, *certificate, *key; /* files, PEM */
};

struct transport_message {
    enum protocol_place place;
    char name[PROTOCOL_NAME_SIZE]; /* of the gateway */
    size_t n;
    uint8_t body[PROTOCOL_BODY_MAX];
};

struct transport;

/* Connects; NULL after saying why in `why`. */
struct transport *transport_open(const struct transport_options *o, enum protocol_place place,
                                 uint32_t timeout_ms, char *why, size_t why_n);
void transport_close(struct transport *t);

/*
 * Sends a request and waits for its reply. It may reach the gateway more than once, with the same
 * correlation data; the first reply counts. Only that gateway's replies are subscribed to: the
 * broker queues a bounded number of messages for a client and drops the rest, so a gateway that
 * floods its topic must not share a queue with others. Asking another gateway takes a new session.
 */
KAPU_MUST_CHECK int transport_request(struct transport *t, const char *name, struct bytes body,
                                      uint32_t timeout_ms, struct transport_message *reply);

/* Waits for what a gateway says without being asked (a hello), of all that there are. One that
 * floods can hide the others here, so do not look for a gateway whose name is known. */
KAPU_MUST_CHECK int transport_listen(struct transport *t, uint32_t timeout_ms,
                                     struct transport_message *hello);

/* While a reply is waited for, `stop` is asked several times a second; when it says so, there is
 * none (KAPU_ETIMEOUT). NULL: nobody is asked. */
void transport_stop_when(struct transport *t, bool (*stop)(void *ctx), void *ctx);

/* Keeps the connection alive for that time. */
void transport_idle(struct transport *t, uint32_t ms);

/* Why the last call gave no reply. */
const char *transport_said(const struct transport *t);

#endif
