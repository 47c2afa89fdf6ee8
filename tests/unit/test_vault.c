// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <kapu/vault.h>

#define TEST(name) cmocka_unit_test(name)

static const uint8_t transcript[VAULT_TRANSCRIPT_MAX] = {1, 2, 3, 47};

static struct bytes content_of(size_t transcript_n, uint8_t content[VAULT_TLS_CONTENT_MAX])
{
    struct wr w;

    wr_init(&w, content, VAULT_TLS_CONTENT_MAX);
    assert_int_equal(vault_tls_encode((struct bytes){transcript, transcript_n}, &w), 0);
    return wr_done(&w);
}

/* RFC 8446, 4.4.3 has the bytes of a server: those of a client differ in one word. */
static void a_clients_content_is_that_of_the_specification(void **state)
{
    static const char context[] = "TLS 1.3, client CertificateVerify";
    uint8_t content[VAULT_TLS_CONTENT_MAX];
    struct bytes c = content_of(32, content);

    (void)state;
    assert_int_equal(c.n, 64 + 33 + 1 + 32);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(c.p[i], 0x20);
    assert_memory_equal(c.p + 64, context, sizeof(context));
    assert_memory_equal(c.p + 98, transcript, 32);
}

static void a_transcript_comes_back_out_of_its_content(void **state)
{
    static const size_t sizes[] = {32, 48};
    uint8_t content[VAULT_TLS_CONTENT_MAX];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct bytes back, c = content_of(sizes[i], content);

        assert_int_equal(vault_tls_decode(c, &back), 0);
        assert_int_equal(back.n, sizes[i]);
        assert_memory_equal(back.p, transcript, sizes[i]);
    }
}

static void a_transcript_of_another_size_is_refused(void **state)
{
    uint8_t content[VAULT_TLS_CONTENT_MAX + 64], hash[80] = {0};
    struct wr w;

    (void)state;
    for (size_t n = 0; n <= sizeof(hash); n++) {
        const int err = n == 32 || n == 48 ? 0 : KAPU_EINVAL;

        wr_init(&w, content, sizeof(content));
        assert_int_equal(vault_tls_encode((struct bytes){hash, n}, &w), err);
        assert_int_equal(wr_done(&w).n, err == 0 ? 98 + n : 0);
    }
    wr_init(&w, content, VAULT_TLS_CONTENT_MAX - 1);
    assert_int_equal(vault_tls_encode(BYTES_OF(transcript), &w), KAPU_ESPACE);
}

/* Each bit of what comes before the transcript, each length. */
static void any_other_content_is_refused(void **state)
{
    uint8_t content[VAULT_TLS_CONTENT_MAX], longer[VAULT_TLS_CONTENT_MAX + 1] = {0};
    struct bytes back, c = content_of(32, content);

    (void)state;
    for (size_t bit = 0; bit < 98 * 8; bit++) {
        content[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(vault_tls_decode(c, &back), KAPU_EINVAL);
        content[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memcpy(longer, content_of(48, content).p, VAULT_TLS_CONTENT_MAX);
    for (size_t n = 0; n <= sizeof(longer); n++)
        assert_int_equal(vault_tls_decode((struct bytes){longer, n}, &back),
                         n == 98 + 32 || n == 98 + 48 ? 0 : KAPU_EINVAL);
}

static void a_servers_content_is_refused(void **state)
{
    uint8_t content[VAULT_TLS_CONTENT_MAX];
    struct bytes back, c = content_of(32, content);

    (void)state;
    memcpy(content + 64 + 9, "server", 6);
    assert_int_equal(vault_tls_decode(c, &back), KAPU_EINVAL);
    memcpy(content + 64 + 9, "client", 6);
    assert_int_equal(vault_tls_decode(c, &back), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_clients_content_is_that_of_the_specification),
        TEST(a_transcript_comes_back_out_of_its_content),
        TEST(a_transcript_of_another_size_is_refused),
        TEST(any_other_content_is_refused),
        TEST(a_servers_content_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
