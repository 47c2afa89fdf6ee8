// SPDX-License-Identifier: Apache-2.0
/* The FIFO driver against register models that behave, misbehave, and hide a real TPM. */
#include "tpm2_fixture.h"

#include "tis_model.h"

struct bench {
    struct tis_model model;
    struct tis_port port;
    struct tis tis;
    struct bytes answer; /* that the model's TPM gives */
    uint8_t rsp[256];
    size_t n;
};

static const uint8_t command[12] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8};
static const uint8_t answer[20] = {0x80, 0x01, 0, 0, 0, 20, 0, 0, 0, 0,
                                   0,    8,    1, 2, 3, 4,  5, 6, 7, 8};

static int give_answer(void *ctx, struct bytes cmd, uint8_t *rsp, size_t capacity, size_t *n)
{
    const struct bench *b = ctx;

    (void)capacity;
    assert_int_equal(cmd.n, sizeof(command));
    assert_memory_equal(cmd.p, command, sizeof(command));
    memcpy(rsp, b->answer.p, b->answer.n);
    *n = b->answer.n;
    return 0;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    *state = b;
    tis_model_init(&b->model, (struct tpm2_transport){.transceive = give_answer, .ctx = b});
    b->port = tis_model_port(&b->model);
    b->answer = BYTES_OF(answer);
    return tis_open(&b->tis, &b->port, 0);
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static int go(struct bench *b)
{
    return tis_transceive(&b->tis, BYTES_OF(command), b->rsp, sizeof(b->rsp), &b->n);
}

/* The fault gives this error within so many milliseconds; without it all is well again. */
static void fails_with(struct bench *b, int error, uint32_t within_ms)
{
    uint64_t start = b->model.now_us;

    assert_int_equal(go(b), error);
    assert_int_equal(b->n, 0);
    assert_true(b->model.now_us - start <= (uint64_t)within_ms * 1000);
    assert_true(b->model.state == TIS_IDLE || b->model.state == TIS_READY);
    memset(&b->model.fault, 0, sizeof(b->model.fault));
    b->answer = BYTES_OF(answer);
    assert_int_equal(go(b), 0);
    assert_int_equal(b->n, sizeof(answer));
    assert_memory_equal(b->rsp, answer, sizeof(answer));
}

static void commands_and_answers_pass_whole_at_any_burst_count(void **state)
{
    struct bench *b = *state;

    for (uint32_t burst = 1; burst < 80; burst++) {
        b->model.burst = burst;
        assert_int_equal(go(b), 0);
        assert_int_equal(b->n, sizeof(answer));
        assert_memory_equal(b->rsp, answer, sizeof(answer));
    }
    b->model.burst = 0xffff;
    assert_int_equal(go(b), 0);
    assert_int_equal(b->model.overruns, 0);
}

static void a_tpm_left_amid_a_command_is_made_ready_again(void **state)
{
    struct bench *b = *state;

    b->model.state = TIS_COMPLETION;
    assert_int_equal(go(b), 0);
    b->model.state = TIS_RECEPTION;
    assert_int_equal(go(b), 0);
}

static void an_absent_tpm_is_an_io_error(void **state)
{
    struct bench *b = *state;
    struct tis t;

    b->model.fault.absent = true;
    assert_int_equal(tis_open(&t, &b->port, 0), KAPU_EIO);
    assert_int_equal(go(b), KAPU_EIO);
    b->model.fault.absent = false;
    tis_close(&b->tis);
    b->model.fault.no_id = true;
    assert_int_equal(tis_open(&t, &b->port, 0), KAPU_EIO);
    assert_int_equal(b->model.holder, 0xff);
}

static void a_locality_is_taken_one_at_a_time_and_let_go(void **state)
{
    struct bench *b = *state;
    struct tis other;

    assert_int_equal(tis_open(&other, &b->port, 5), KAPU_EARG);
    assert_int_equal(tis_open(&other, &b->port, 3), KAPU_ETIMEOUT);
    tis_close(&b->tis);
    assert_int_equal(go(b), KAPU_EARG);
    assert_int_equal(tis_open(&other, &b->port, 3), 0);
    assert_int_equal(b->model.holder, 3);
    assert_int_equal(tis_transceive(&other, BYTES_OF(command), b->rsp, sizeof(b->rsp), &b->n), 0);
    tis_close(&other);
    assert_int_equal(b->model.holder, 0xff);
}

static void a_locality_taken_away_is_an_io_error(void **state)
{
    struct bench *b = *state;

    b->model.holder = 4;
    assert_int_equal(go(b), KAPU_EIO);
    b->model.holder = 0;
    b->model.fault.hangs_up = true;
    assert_int_equal(go(b), KAPU_EIO);
}

static void a_burst_count_stuck_at_zero_times_out(void **state)
{
    struct bench *b = *state;

    b->model.fault.burst_in_zero = true;
    fails_with(b, KAPU_ETIMEOUT, 1000);
    b->model.fault.burst_out_zero = true;
    fails_with(b, KAPU_ETIMEOUT, 1000);
}

static void a_status_never_valid_or_ready_times_out(void **state)
{
    struct bench *b = *state;

    b->model.fault.never_valid = true;
    fails_with(b, KAPU_ETIMEOUT, 500);
    b->model.fault.never_ready = true;
    fails_with(b, KAPU_ETIMEOUT, 5000);
}

static void a_tpm_that_miscounts_the_command_times_out(void **state)
{
    struct bench *b = *state;

    b->model.fault.forgets = true;
    fails_with(b, KAPU_ETIMEOUT, 500);
    b->model.fault.insatiable = true;
    fails_with(b, KAPU_ETIMEOUT, 500);
}

static void a_command_that_never_ends_is_aborted_after_its_time(void **state)
{
    struct bench *b = *state;

    b->model.fault.never_done = true;
    b->tis.command_ms = 3000;
    fails_with(b, KAPU_ETIMEOUT, 3100);
}

static void a_slow_command_is_waited_for(void **state)
{
    struct bench *b = *state;

    b->model.run_us = TIS_COMMAND_MS * 1000 - 1000;
    assert_int_equal(go(b), 0);
}

static void an_answer_larger_than_the_buffer_is_refused(void **state)
{
    struct bench *b = *state;
    uint8_t large[20] = {0x80, 0x01, 0, 0, 1, 1, 0, 0, 0, 0};
    uint8_t huge[20] = {0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};

    b->answer = BYTES_OF(large);
    fails_with(b, KAPU_ESPACE, 500);
    b->answer = BYTES_OF(huge);
    fails_with(b, KAPU_ESPACE, 500);
    assert_int_equal(tis_transceive(&b->tis, BYTES_OF(command), b->rsp, 9, &b->n), KAPU_ESPACE);
}

static void an_answer_whose_size_is_not_its_own_is_refused(void **state)
{
    struct bench *b = *state;
    uint8_t shorter[20] = {0x80, 0x01, 0, 0, 0, 9, 0, 0, 0, 0};

    b->answer = BYTES_OF(shorter);
    fails_with(b, KAPU_EIO, 500);
    b->model.fault.truncate = 7;
    fails_with(b, KAPU_ETIMEOUT, 1000);
    b->model.fault.truncate = 15;
    fails_with(b, KAPU_ETIMEOUT, 1000);
    b->model.fault.surplus = true;
    fails_with(b, KAPU_EIO, 500);
}

static void a_command_too_short_to_be_one_is_not_sent(void **state)
{
    struct bench *b = *state;

    assert_int_equal(tis_transceive(&b->tis, (struct bytes){command, 9}, b->rsp, 256, &b->n),
                     KAPU_EARG);
}

static void a_real_tpm_behind_the_registers_serves_the_library(void **state)
{
    struct tis_model model;
    struct tis_port port;
    struct tpm2_session s;
    struct tis tis;
    uint8_t v[600] = {0};
    struct tpm2_nv nv = {.index = TPM2_NV_FIRST + 1,
                         .attributes = TPM2_NVA_AUTH_READ | TPM2_NVA_AUTH_WRITE,
                         .size = sizeof(v)};
    struct env *e;
    void *made;

    (void)state;
    assert_int_equal(env_setup(&made), 0);
    e = made;
    tis_model_init(&model, swtpm_transport(&e->swtpm));
    port = tis_model_port(&model);
    assert_int_equal(tis_open(&tis, &port, 0), 0);
    e->tpm.io = (struct tpm2_transport){.transceive = tis_transceive, .ctx = &tis};
    for (uint32_t burst = 1; burst < 4000; burst = burst * 3 + 1) {
        struct tpm2_auth a = by(&s);

        model.burst = burst;
        env_session(e, &s, TPM2_SESSION_HMAC);
        ok(e, tpm2_nv_define(&e->tpm, TPM2_RH_OWNER, &a, &nv, (struct bytes){NULL, 0}));
        ok(e, tpm2_nv_write(&e->tpm, nv.index, &a, &nv, 0, BYTES_OF(v)));
        ok(e, tpm2_nv_read(&e->tpm, nv.index, &a, &nv, 0, v, sizeof(v)));
        ok(e, tpm2_nv_undefine(&e->tpm, TPM2_RH_OWNER, &a, &nv));
        ok(e, tpm2_session_end(&e->tpm, &s));
        nv.attributes &= ~TPM2_NVA_WRITTEN;
        v[0]++;
    }
    assert_int_equal(model.overruns, 0);
    tis_close(&tis);
    env_teardown(&made);
}

#define on_bench(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_bench(commands_and_answers_pass_whole_at_any_burst_count),
        on_bench(a_tpm_left_amid_a_command_is_made_ready_again),
        on_bench(an_absent_tpm_is_an_io_error),
        on_bench(a_locality_is_taken_one_at_a_time_and_let_go),
        on_bench(a_locality_taken_away_is_an_io_error),
        on_bench(a_burst_count_stuck_at_zero_times_out),
        on_bench(a_status_never_valid_or_ready_times_out),
        on_bench(a_tpm_that_miscounts_the_command_times_out),
        on_bench(a_command_that_never_ends_is_aborted_after_its_time),
        on_bench(a_slow_command_is_waited_for),
        on_bench(an_answer_larger_than_the_buffer_is_refused),
        on_bench(an_answer_whose_size_is_not_its_own_is_refused),
        on_bench(a_command_too_short_to_be_one_is_not_sent),
        cmocka_unit_test(a_real_tpm_behind_the_registers_serves_the_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
