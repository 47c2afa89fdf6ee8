/* SPDX-License-Identifier: Apache-2.0 */
/* What an inspection found, and the two ways to print it. */
#ifndef KAPU_CLI_RESULT_H
#define KAPU_CLI_RESULT_H

#include <stdio.h>

#include <kapu/introspect.h>

#include "symbols.h"

#define CHECKS_MAX 64

/* A growing array of records of one size. */
struct list {
    void *items;
    size_t n, capacity;
};

struct check_result {
    const struct introspect_check *check;
    int result;      /* number of findings, or a negative KAPU_E* */
    size_t findings; /* also of a check that could not be made as a whole */
    double seconds;
};

struct page_run {
    uint64_t pa;
    uint32_t pages;
    enum introspect_page kind;
};

/* Memory that the file lacks. */
struct absent {
    uint64_t pa, size;
};

struct result {
    const char *source;
    struct introspect *in;
    struct check_result checks[CHECKS_MAX];
    size_t checks_n;
    struct list findings, tasks, modules, sockets, code;
    struct list pages;  /* of struct page_run; only when a picture is wanted */
    struct list absent; /* of struct absent */
    int tasks_err, modules_err, sockets_err, code_err, pages_err;
    bool live, registers; /* of a machine that ran until it was looked at; registers are known */
    double seconds;
    struct symbols symbols; /* of the release's kernel, if reference.cbor is there */
};

/* Appends a copy; exits the program when there is no memory. */
void list_add(struct list *l, const void *item, size_t size);

/* Why a check was not done, for people. */
const char *check_error(int err);

/* Where in the kernel's image a finding is (symbols_finding); empty when it is not in it. */
void finding_symbol(const struct result *r, const struct finding *f, char to[SYMBOLS_FINDING_MAX]);

void print_text(FILE *to, const struct result *r, bool colour);
void print_json(FILE *to, const struct result *r);

#endif
