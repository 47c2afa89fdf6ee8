/* SPDX-License-Identifier: Apache-2.0 */
/* A model kernel that a test may break, and the library over it. */
#ifndef KAPU_TEST_INTROSPECT_FIXTURE_H
#define KAPU_TEST_INTROSPECT_FIXTURE_H

#include "crypto_openssl.h"
#include "kernel_model.h"

extern struct kernel_model model;
extern struct introspect in;

/* A new model, opened and located: what each test starts with. */
int fresh(void **state);
/* A check by its identifier. */
const struct introspect_check *check(const char *id);
/* Whether a check makes that finding; all that it makes are in model.found. */
bool finds(const char *id, const char *finding);
/* An offset of the image, as the running model kernel sees it. */
uint64_t image(uint32_t offset);

#endif
