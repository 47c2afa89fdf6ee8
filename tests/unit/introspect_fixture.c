// SPDX-License-Identifier: Apache-2.0
#include "introspect_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct kernel_model model;
struct introspect in;

int fresh(void **state)
{
    struct introspect_setup setup;

    (void)state;
    model_build(&model, crypto_openssl.sha256);
    setup = model_setup(&model, crypto_openssl.sha256);
    assert_int_equal(introspect_init(&in, &setup), 0);
    assert_int_equal(introspect_locate(&in, &model.regs, 1), 0);
    return 0;
}

const struct introspect_check *check(const char *id)
{
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].id, id) == 0)
            return &table[i];
    }
    fail_msg("no check %s", id);
    return NULL;
}

bool finds(const char *id, const char *finding)
{
    model.found_n = 0;
    if (introspect_run(&in, check(id)) <= 0)
        return false;
    for (size_t i = 0; i < model.found_n; i++) {
        if (strcmp(model.found[i].id, finding) == 0)
            return true;
    }
    return false;
}

uint64_t image(uint32_t offset)
{
    return MODEL_LINKED + MODEL_SLIDE + offset;
}
