/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operator's folder (tools/broker makes it), opened: store, policy, keys, where the brokers are.
 * Functions here say on stderr what is wrong.
 */
#ifndef KAPU_OPERATOR_H
#define KAPU_OPERATOR_H

#include "exchange.h"
#include "fleet.h"

#define OPERATOR_PATH 4096
#define OPERATOR_FILE 32 /* the longest name of a file in the folder, with a slash and an end */
#define LABEL_MAX 64u    /* what people call a gateway; bytes with the terminating zero */

/* What updates are signed by, and whose signatures gateways believe: settings of operator.conf. */
enum operator_update_file {
    OPERATOR_RELEASE_SET, /* sets of keys, as kapu release keys makes them, by role - 1 */
    OPERATOR_ROLLOUT_SET,
    OPERATOR_APPROVAL_SET,
    OPERATOR_ROLLOUT_KEY, /* private keys: PEM files or pkcs11: URIs */
    OPERATOR_APPROVAL_KEY,
    OPERATOR_UPDATE_FILES,
};

#define OPERATOR_VALUE 300 /* of a setting, with its end */

struct operator
{
    char folder[OPERATOR_PATH - OPERATOR_FILE];
    struct fleet fleet;
    char host[256];
    uint16_t port[2]; /* of the brokers, by enum protocol_place */
    uint32_t interval_s, nonce_s;
    char update_file[OPERATOR_UPDATE_FILES][OPERATOR_VALUE]; /* empty: not said */
};

/* `folder` is --operator's value, or NULL: KAPU_OPERATOR, build/operator, ~/.config/kapu. 0 or -1;
 * operator_close is right after both. */
int operator_open(struct operator* o, const char *folder);
/* The same for a command that changes nothing: the folder may be read-only. */
int operator_open_to_read(struct operator* o, const char *folder);
/* Reads the policy again, which may have changed. 0, or -1 after saying why; then it is not known.
 */
int operator_read_policy(struct operator* o);
void operator_close(struct operator* o);
/* The path of a file in the folder. */
const char *operator_path(const struct operator* o, const char *name, char to[OPERATOR_PATH]);

/* Where one of the files of updates is, or its URI; the name of the setting. NULL: not said. */
const char *operator_update_file(const struct operator* o, enum operator_update_file which,
                                 char to[OPERATOR_PATH]);
const char *operator_update_setting(enum operator_update_file which);

struct transport *operator_connect(const struct operator* o, enum protocol_place place);

/* The same for many gateways at once (exchange.h). */
struct exchange *operator_exchange(const struct operator* o, size_t n, exchange_fn heard,
                                   void *ctx);

/*
 * The gateway that a person means: its name, the beginning of it (at least 4 characters) that no
 * other has, or what it is called. 0, or -1 after saying why.
 */
int operator_find(const struct operator* o, const char *given, struct store_state *state);
/* The same, and one whose record is damaged: for removing it. */
int operator_find_to_remove(const struct operator* o, const char *given, struct store_state *state);
/* What a gateway is called; its name when it is not called anything. */
const char *operator_label(const struct operator* o, const char *name, char to[LABEL_MAX]);
/* The label must be nobody else's. NULL: it is called by its name again. */
int operator_set_label(const struct operator* o, const char *name, const char *label);

/* That each line of the file of labels is one, and none is there twice. 0, or -1 after saying why.
 */
int labels_check(const struct operator* o);
/* 0: *name is called that. */
int label_to_name(const struct operator* o, const char *label, char name[PROTOCOL_NAME_SIZE]);
/* Printable ASCII, not empty, no blanks at its ends. */
bool label_is_good(const char *label);

/* Who runs this, for the audit. */
const char *operator_user(void);

/* "2026-11-25T18:00:00Z" */
const char *operator_time(uint64_t ms, char to[32]);
/* Whole seconds from 1 to a day; 0: not that. */
uint32_t operator_seconds(const char *text);

/* A JSON string member: "name": "value", */
void json_member(FILE *to, const char *name, const char *value);

#endif
