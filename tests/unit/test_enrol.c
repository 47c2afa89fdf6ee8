// SPDX-License-Identifier: Apache-2.0
/* Enrolment with real TPMs (swtpm): what proves itself gets a certificate, each impostor does not.
 */
#include "test_ca.h" /* before the fixture, whose SHA256 is OpenSSL's name too */

#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include "tpm2_fixture.h"

#include <kapu/eventlog.h>
#include <unistd.h>

#include "board_file.h"
#include "enrol.h"
#include "soft_board_record.h"
#include "soft_gateway.h"

#define DAYS 365U

/* ---- one board with its TPM ---- */

struct board {
    struct env *e;
    struct tpm2_session s;
    struct tpm2_entity ek, ak;
    struct tpm2_public ek_public, ak_public;
    uint8_t ek_area[256], ak_area[256], certificate[2048], spki[256];
    struct enrol_hello hello;
    struct bytes tls;
    struct soft_gateway g;
};

static void quote(void *ctx, const uint8_t nonce[32], struct wr *attest, uint8_t signature[64])
{
    struct board *b = ctx;
    struct tpm2_signature sig;
    const struct tpm2_auth a = by(&b->s);

    ok(b->e, tpm2_quote(&b->e->tpm, &b->ak, &a, (struct bytes){nonce, 32}, EVIDENCE_PCR_MASK,
                        attest, &sig));
    memcpy(signature, sig.r, 32);
    memcpy(signature + 32, sig.s, 32);
}

/* The TPM is brought to where the software's event log says it is. */
static void boot(struct board *b)
{
    const struct tpm2_auth a = by(&b->s);
    struct eventlog_reader r;
    struct eventlog_event ev;

    assert_int_equal(eventlog_open(&r, (struct bytes){b->g.log, b->g.log_n}), 0);
    while (eventlog_next(&r, &ev) == 1)
        ok(b->e, tpm2_pcr_extend(&b->e->tpm, ev.pcr, &a, ev.sha256.p));
}

static struct bytes public_area(const struct tpm2_public *pub, uint8_t *to, size_t n)
{
    struct wr w;

    wr_init(&w, to, n);
    tpm2_wr_public(&w, pub);
    assert_int_equal(w.err, 0);
    return wr_done(&w);
}

static void make_ak(struct board *b, uint32_t without)
{
    const struct tpm2_auth a = by(&b->s);

    tpm2_template_ak(&b->ak_public);
    b->ak_public.attributes &= ~without;
    ok(b->e, tpm2_create_primary(&b->e->tpm, TPM2_RH_ENDORSEMENT, &a, NO_SENSITIVE, &b->ak_public,
                                 &b->ak));
    b->hello.ak_public = public_area(&b->ak_public, b->ak_area, sizeof(b->ak_area));
}

static void make_tls_key(struct board *b)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    uint8_t *p = b->spki;
    int n = i2d_PUBKEY(key, NULL);

    assert_true(n > 0 && (size_t)n <= sizeof(b->spki));
    b->tls = (struct bytes){b->spki, (size_t)i2d_PUBKEY(key, &p)};
    EVP_PKEY_free(key);
}

static void board_begin(struct board *b, const struct test_ca *maker, const char *name)
{
    struct tpm2_auth a = by(&b->s);
    void *e = NULL;
    struct wr w;

    memset(b, 0, sizeof(*b));
    assert_int_equal(env_setup(&e), 0);
    b->e = e;
    env_session(b->e, &b->s, TPM2_SESSION_HMAC);
    tpm2_template_ek(&b->ek_public);
    ok(b->e, tpm2_create_primary(&b->e->tpm, TPM2_RH_ENDORSEMENT, &a, NO_SENSITIVE, &b->ek_public,
                                 &b->ek));
    make_ak(b, 0);
    soft_gateway_init(&b->g, name, "release");
    b->g.quote = quote;
    b->g.quote_ctx = b;
    assert_int_equal(
        evidence_ueid(SHA256, (struct bytes){b->ek.name.b, b->ek.name.n}, b->g.claims.ueid), 0);
    boot(b);
    make_tls_key(b);
    wr_init(&w, b->certificate, sizeof(b->certificate));
    test_ca_issue(maker, TEST_CA_EK, b->ek_public.x, b->ek_public.y, -1, 100, &w);
    b->hello.ek_certificate = wr_done(&w);
    b->hello.ek_public = public_area(&b->ek_public, b->ek_area, sizeof(b->ek_area));
}

static void board_end(struct board *b)
{
    void *e = b->e;

    env_teardown(&e);
}

/* What the secure world does with a challenge; false: the TPM does not open it, and says why. */
static uint32_t refused_with;
static bool activate(struct board *b, const struct enrol_challenge *c, uint8_t secret[32])
{
    const struct tpm2_entity endorsement = tpm2_entity_of(TPM2_RH_ENDORSEMENT);
    struct tpm2_session policy;
    const struct tpm2_auth a = by(&b->s), ek = by(&policy);
    struct wr out;
    int err;

    env_session(b->e, &policy, TPM2_SESSION_POLICY);
    ok(b->e, tpm2_policy_secret(&b->e->tpm, &policy, &endorsement, &a, (struct bytes){NULL, 0}));
    wr_init(&out, secret, 32);
    err = tpm2_activate_credential(&b->e->tpm, &b->ak, &a, &b->ek, &ek,
                                   (struct bytes){c->blob, c->blob_n},
                                   (struct bytes){c->secret, c->secret_n}, &out);
    refused_with = tpm2_rc_base(b->e->tpm.rc);
    ok(b->e, tpm2_session_end(&b->e->tpm, &policy));
    return err == 0 && out.at == 32;
}

static struct bytes answer(struct board *b, const struct enrol_challenge *c,
                           const uint8_t secret[32])
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    uint8_t tls[32];
    struct wr w;

    SHA256->hash(NULL, &b->tls, 1, tls);
    soft_gateway_enrol(&b->g, c->nonce, secret, tls);
    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(&b->g, c->nonce, &w);
    return wr_done(&w);
}

/* ---- the operator ---- */

static struct test_ca maker, stranger, operator_ca;
static struct x509_roots *roots;
static struct x509_ca *ca;
static struct fleet fleet;
static struct verifier_result result;
static char folder[64], why[ENROL_WHY];
static uint8_t certificate[X509_CERTIFICATE_MAX];
static size_t certificate_n;
static struct board board;
static struct enrol_terms terms;

/* ---- the factory ---- */

static struct soft_key factory;
static struct reference_keys factories;
static uint8_t record_file[BOARD_RECORD_MAX + 1];

/* What the factory knows of a board that it made. */
static struct board_record record_of(const struct board *b, uint64_t issued_ms)
{
    struct board_record r = {.platform = "soft", .issued_ms = issued_ms};
    struct tpm2_name ak;

    assert_int_equal(tpm2_public_name(SHA256, &b->ak_public, &ak), 0);
    memcpy(r.ek, b->ek.name.b, sizeof(r.ek));
    memcpy(r.ueid, b->g.claims.ueid, sizeof(r.ueid));
    memcpy(r.board, b->g.claims.boot.board, sizeof(r.board));
    memcpy(r.ak, ak.b, sizeof(r.ak));
    return r;
}

static struct bytes sign_record(const struct soft_key *key, const struct board_record *r)
{
    struct wr w;

    wr_init(&w, record_file, sizeof(record_file));
    soft_board_record_sign(key, r, &w);
    return wr_done(&w);
}

/* What kapu board add does with a file. */
static int add_file(struct bytes file)
{
    struct store_board b;
    enum store_added how;
    uint64_t older;
    int err;

    why[0] = '\0';
    err = board_file_read(file, &factories, fleet_now_ms(&fleet), &b, why, sizeof(why));
    return err == 0 ? fleet.store->ops->board_add(fleet.store, &b, NULL, &how, &older) : err;
}

static void record(const struct board *b)
{
    const struct board_record r = record_of(b, fleet_now_ms(&fleet));

    assert_int_equal(add_file(sign_record(&factory, &r)), 0);
}

/* ---- its folder ---- */

static const char *in_folder(const char *name)
{
    static char path[4][128];
    static unsigned i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof(path[i]), "%s/%s", folder, name);
    return path[i];
}

static int setup(void **state)
{
    struct verifier_reference ref = {.release = "0.5.0", .flavour = "gateway", .counter = 3};

    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/kapu-enrol-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    test_ca_make(&maker, "maker of TPMs");
    test_ca_make(&stranger, "stranger");
    test_ca_make(&operator_ca, "operator");
    soft_key_make(&factory, SOFT_FACTORY);
    factories = (struct reference_keys){.n = 1, .key = {factory.pub}};
    terms = (struct enrol_terms){.user = "somebody"};
    test_ca_write(&maker, in_folder("roots.pem"), NULL);
    test_ca_write(&operator_ca, in_folder("ca.pem"), in_folder("ca.key"));
    roots = x509_roots_load(in_folder("roots.pem"), why, sizeof(why));
    ca = x509_ca_load(in_folder("ca.pem"), in_folder("ca.key"), why, sizeof(why));
    fleet = (struct fleet){.store = store_sqlite_open(in_folder("state.db"), why, sizeof(why)),
                           .nonce_ms = FLEET_NONCE_MS};
    memset(fleet.key.b, 9, sizeof(fleet.key.b));
    policy_default(&fleet.policy);
    if (roots == NULL || ca == NULL || fleet.store == NULL)
        return -1;
    board_begin(&board, &maker, "gateway");
    record(&board);
    memcpy(ref.pcr, board.g.claims.boot.pcr, sizeof(ref.pcr));
    return fleet.store->ops->references_add(fleet.store, &ref, 1);
}

static int teardown(void **state)
{
    static const char *const files[] = {"roots.pem", "ca.pem",       "ca.key",
                                        "state.db",  "state.db-wal", "state.db-shm"};

    (void)state;
    board_end(&board);
    store_close(fleet.store);
    x509_ca_free(ca);
    x509_roots_free(roots);
    test_ca_free(&operator_ca);
    test_ca_free(&stranger);
    test_ca_free(&maker);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        unlink(in_folder(files[i]));
    return rmdir(folder);
}

static int finish(const struct enrol_hello *hello, const char *name, struct bytes message,
                  struct bytes tls)
{
    const struct enrol_answer a = {name, 60, message, tls};
    struct wr w;
    int err;

    why[0] = '\0';
    wr_init(&w, certificate, sizeof(certificate));
    err = enrol_finish(&fleet, roots, ca, DAYS, &terms, hello, &a, &result, &w, why);
    certificate_n = w.at;
    if (err != 0)
        assert_int_equal(certificate_n, 0);
    return err;
}

static void challenge(const struct board *b, struct enrol_challenge *c)
{
    if (enrol_challenge(&fleet, roots, &terms, &b->hello, c, why) != 0)
        fail_msg("%s", why);
}

static void not_challenged(const struct enrol_hello *hello, const char *reason)
{
    struct enrol_challenge c;

    assert_int_equal(enrol_challenge(&fleet, roots, &terms, hello, &c, why), KAPU_EAUTH);
    if (strstr(why, reason) == NULL)
        fail_msg("'%s' instead of '%s'", why, reason);
}

static void not_enrolled(int err, const char *reason)
{
    struct store_state s;

    if (err != KAPU_EAUTH || strstr(why, reason) == NULL)
        fail_msg("%d, '%s' instead of '%s'", err, why, reason);
    assert_int_equal(fleet.store->ops->gateway_of_ueid(fleet.store, board.g.claims.ueid, &s),
                     KAPU_ENOENT);
}

static void enrol(struct board *b, const char *name)
{
    struct enrol_challenge c;
    uint8_t secret[32];

    challenge(b, &c);
    assert_true(activate(b, &c, secret));
    if (finish(&b->hello, name, answer(b, &c, secret), b->tls) != 0)
        fail_msg("%s", why);
    b->g.claims.enrolment = false;
}

/* ---- who proves itself ---- */

static void a_genuine_gateway_is_enrolled_and_gets_its_certificate(void **state)
{
    const uint8_t *p = certificate;
    X509_STORE *trusted = X509_STORE_new();
    X509_STORE_CTX *c = X509_STORE_CTX_new();
    char cn[64];
    struct store_state s;
    uint8_t nonce[32], spki[256], *q = spki;
    struct trust_now t;
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    struct wr w;
    X509 *x;

    (void)state;
    enrol(&board, "gw-1");
    assert_int_equal(result.status, VERIFIER_AFFIRMING);
    x = d2i_X509(NULL, &p, (long)certificate_n);
    X509_STORE_add_cert(trusted, operator_ca.certificate);
    X509_STORE_CTX_init(c, trusted, x, NULL);
    X509_STORE_CTX_set_purpose(c, X509_PURPOSE_SSL_CLIENT);
    assert_int_equal(X509_verify_cert(c), 1);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
    assert_string_equal(cn, "gw-1");
    assert_int_equal(i2d_PUBKEY(X509_get0_pubkey(x), &q), (int)board.tls.n);
    assert_memory_equal(spki, board.tls.p, board.tls.n);
    assert_int_equal(X509_check_ca(x), 0);
    X509_free(x);
    X509_STORE_CTX_free(c);
    X509_STORE_free(trusted);

    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "gw-1", &s), 0);
    assert_int_equal(s.gateway.storage_starts, board.g.claims.software.storage_starts);
    assert_int_equal(s.gateway.storage_starts, 1);
    fleet_trust(&fleet.policy, &s, fleet_now_ms(&fleet), &t);
    assert_int_equal(t.trust, TRUST_YES);
    usleep(2000);
    assert_int_equal(fleet_challenge(&fleet, "gw-1", nonce), 0);
    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(&board.g, nonce, &w);
    assert_int_equal(fleet_answer(&fleet, "gw-1", wr_done(&w), &result), 0);
    assert_int_equal(result.status, VERIFIER_AFFIRMING);
}

static void a_chain_over_an_intermediate_authority_is_good(void **state)
{
    struct test_ca middle = {EVP_EC_gen("P-256"), NULL};
    uint8_t der[2048], leaf[2048], x[32], y[32];
    const uint8_t *p = der;
    struct enrol_challenge c;
    struct wr w;

    (void)state;
    assert_int_equal(openssl_p256_coordinates(middle.key, x, y), 0);
    wr_init(&w, der, sizeof(der));
    test_ca_issue(&maker, TEST_CA_AUTHORITY, x, y, -1, 100, &w);
    board.hello.intermediate[0] = wr_done(&w);
    middle.certificate = d2i_X509(NULL, &p, (long)w.at);
    wr_init(&w, leaf, sizeof(leaf));
    test_ca_issue(&middle, TEST_CA_EK, board.ek_public.x, board.ek_public.y, -1, 100, &w);
    board.hello.ek_certificate = wr_done(&w);
    not_challenged(&board.hello, "not genuine"); /* without the intermediate */
    board.hello.intermediates = 1;
    challenge(&board, &c);
    test_ca_free(&middle);
}

/* The links behind the board record hold by themselves, also where an operator does without it. */
static void without_records(void)
{
    assert_int_equal(fleet.store->ops->board_remove(fleet.store, board.g.claims.boot.board, NULL),
                     0);
    terms.without_record = "a test";
}

/* ---- boards that are not kapu's ---- */

/* A program on any machine that has a TPM of an accepted maker says all that a kapu board says. */
static void a_genuine_tpm_is_not_a_kapu_board(void **state)
{
    struct enrol_challenge c;
    struct board soft;
    struct store_state s;
    uint8_t secret[32];
    struct bytes message;

    (void)state;
    board_begin(&soft, &maker, "a program");
    not_challenged(&soft.hello, "no record of this board: a genuine TPM is not a kapu board: kapu "
                                "board add FILE");
    record(&soft); /* with it the same board is enrolled: nothing else kept it out */
    challenge(&soft, &c);
    assert_true(activate(&soft, &c, secret));
    message = answer(&soft, &c, secret);
    assert_int_equal(fleet.store->ops->board_remove(fleet.store, soft.g.claims.boot.board, NULL),
                     0);
    assert_int_equal(finish(&soft.hello, "gw-2", message, soft.tls), KAPU_EAUTH);
    assert_non_null(strstr(why, "no record of this board"));
    record(&soft);
    assert_int_equal(finish(&soft.hello, "gw-2", message, soft.tls), 0);
    assert_int_equal(result.status, VERIFIER_AFFIRMING);
    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "gw-2", &s), 0);
    assert_int_equal(s.gateway.record, VERIFIER_RECORD_GOOD);
    board_end(&soft);
}

static void the_record_of_another_board_is_none(void **state)
{
    struct board second;

    (void)state;
    board_begin(&second, &maker, "second"); /* the store has that of `board` */
    not_challenged(&second.hello, "no record of this board");
    board_end(&second);
}

static void an_attestation_key_that_is_not_on_record_is_refused(void **state)
{
    (void)state;
    ok(board.e, tpm2_flush_context(&board.e->tpm, board.ak.handle));
    make_ak(&board, TPM2_OA_NO_DA); /* restricted, fixed, of this TPM, but not the factory's */
    not_challenged(&board.hello, "its attestation key is another than that of its board record");
    terms.without_record = "a record that does not fit cannot be passed over";
    not_challenged(&board.hello, "its attestation key is another than that of its board record");
}

/* The TPM was taken off its board. */
static void another_board_than_the_one_on_record_is_refused(void **state)
{
    struct enrol_challenge c;
    uint8_t secret[32];

    (void)state;
    challenge(&board, &c);
    assert_true(activate(&board, &c, secret));
    board.g.claims.boot.board[3] ^= 1;
    not_enrolled(finish(&board.hello, "gw-1", answer(&board, &c, secret), board.tls),
                 "but its TPM is on record with board");
    board.g.claims.boot.board[3] ^= 1;
    assert_int_equal(finish(&board.hello, "gw-1", answer(&board, &c, secret), board.tls), 0);
}

static void a_record_that_was_changed_is_not_taken(void **state)
{
    const struct board_record r = record_of(&board, fleet_now_ms(&fleet) + 1);
    struct bytes file = sign_record(&factory, &r);

    (void)state;
    for (size_t bit = 0; bit < file.n * 8; bit++) {
        record_file[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (add_file(file) == 0)
            fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
        record_file[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t n = 0; n < file.n; n++)
        assert_int_not_equal(add_file((struct bytes){file.p, n}), 0);
    assert_int_not_equal(add_file((struct bytes){file.p, file.n + 1}), 0);
    assert_int_equal(add_file(file), 0);
}

static void each_reason_not_to_take_a_record_is_told(void **state)
{
    static const char *const told[] = {"signed by a factory key that is not believed (kid ",
                                       "its signature does not verify",
                                       "its UEID is not that of its endorsement key",
                                       "with a date that is to come",
                                       "of another type",
                                       "not a board record"};
    struct board_record r = record_of(&board, fleet_now_ms(&fleet) + 1);
    struct evidence_token t = {.payload = {record_file, 20}};
    struct soft_key other;
    struct bytes file;
    struct wr w;
    uint8_t out[BOARD_RECORD_MAX];

    (void)state;
    soft_key_make(&other, "another factory");
    for (unsigned i = 0; i < 6; i++) {
        file = sign_record(i == 0 ? &other : &factory, &r);
        if (i == 1)
            record_file[file.n - 1] ^= 1;
        if (i == 2) {
            r.ueid[5] ^= 1;
            file = sign_record(&factory, &r);
            r.ueid[5] ^= 1;
        }
        if (i == 3) {
            r.issued_ms += 2 * BOARD_FILE_AHEAD_MS;
            file = sign_record(&factory, &r);
        }
        if (i == 4) { /* reference values of a release, in the place of a record */
            wr_init(&w, out, sizeof(out));
            assert_int_equal(evidence_signed_encode(&reference_kind, &t, &w), 0);
            file = wr_done(&w);
        }
        if (i == 5)
            file = BYTES_STR("hello");
        assert_int_not_equal(add_file(file), 0);
        if (strstr(why, told[i]) == NULL)
            fail_msg("'%s' instead of '%s'", why, told[i]);
    }
}

static void an_older_record_played_again_is_not_taken(void **state)
{
    struct board_record r = record_of(&board, fleet_now_ms(&fleet) - 1000);

    (void)state;
    r.ak[7] ^= 1; /* of before the board was at the factory again */
    assert_int_equal(add_file(sign_record(&factory, &r)), KAPU_EREPLAY);
    enrol(&board, "gw-1");
}

static int keep_audit(void *ctx, const struct store_audit *a)
{
    snprintf(ctx, 256, "%s %s %s: %s", a->user, a->subject, a->what, a->why);
    return 0;
}

static void an_override_is_audited_and_warned_of_for_ever(void **state)
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    char audit[256] = "";
    struct store_state s;
    struct trust_now t;
    uint8_t nonce[32];
    struct wr w;

    (void)state;
    without_records();
    terms.without_record = "a board of the laboratory";
    enrol(&board, "gw-1");
    assert_int_equal(result.status, VERIFIER_WARNING);
    assert_int_equal(fleet.store->ops->audits(fleet.store, keep_audit, audit), 0);
    assert_string_equal(audit,
                        "somebody gw-1 enrolled without a board record: a board of the laboratory");
    terms.without_record = NULL; /* it does not hang on who asks later */
    usleep(2000);
    assert_int_equal(fleet_challenge(&fleet, "gw-1", nonce), 0);
    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(&board.g, nonce, &w);
    assert_int_equal(fleet_answer(&fleet, "gw-1", wr_done(&w), &result), 0);
    assert_int_equal(result.status, VERIFIER_WARNING);
    assert_non_null(strstr(result.reason[0].text, "without a board record (a board of the lab"));
    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "gw-1", &s), 0);
    fleet_trust(&fleet.policy, &s, fleet_now_ms(&fleet), &t);
    assert_int_equal(t.trust, TRUST_WARNED);
    assert_non_null(strstr(t.text, "without a board record"));
    record(&board); /* what was missing comes */
    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "gw-1", &s), 0);
    assert_int_equal(s.gateway.record, VERIFIER_RECORD_GOOD);
}

/* ---- boards that come back from the factory ---- */

static struct bytes evidence_of(struct board *b)
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    uint8_t nonce[32];
    struct wr w;

    usleep(2000); /* a later nonce */
    assert_int_equal(fleet_challenge(&fleet, "gw-1", nonce), 0);
    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(&b->g, nonce, &w);
    return wr_done(&w);
}

static int count_results(void *ctx, const struct store_result *r)
{
    unsigned *n = ctx;

    (void)r;
    ++*n;
    return 0;
}

static void a_board_with_a_new_key_is_renewed_by_all_of_the_proof(void **state)
{
    struct enrol_challenge c;
    struct board_record r;
    struct store_state s;
    uint8_t secret[32];
    unsigned results = 0;

    (void)state;
    enrol(&board, "gw-1");
    ok(board.e, tpm2_flush_context(&board.e->tpm, board.ak.handle));
    make_ak(&board, TPM2_OA_NO_DA); /* another name and another key */
    assert_int_equal(fleet_answer(&fleet, "gw-1", evidence_of(&board), &result), 0);
    assert_false(result.authentic);
    assert_non_null(strstr(result.reason[0].text, "kapu enroll --renew gw-1"));
    terms.renew = true;
    not_challenged(&board.hello, "another than that of its board record");
    r = record_of(&board, fleet_now_ms(&fleet) + 1);
    assert_int_equal(add_file(sign_record(&factory, &r)), 0);
    terms.renew = false;
    not_challenged(&board.hello, "enrolled already, as 'gw-1'");
    terms.renew = true;
    challenge(&board, &c);
    memset(secret, 0, sizeof(secret)); /* it says so, and proves nothing */
    assert_int_equal(finish(&board.hello, "gw-1", answer(&board, &c, secret), board.tls),
                     KAPU_EAUTH);
    assert_non_null(strstr(why, "has not opened the challenge"));
    board.g.claims.enrolment = false;
    assert_int_equal(fleet_answer(&fleet, "gw-1", evidence_of(&board), &result), 0);
    assert_int_equal(result.status, VERIFIER_CONTRAINDICATED);
    usleep(2000);
    challenge(&board, &c);
    assert_true(activate(&board, &c, secret));
    if (finish(&board.hello, "gw-1", answer(&board, &c, secret), board.tls) != 0)
        fail_msg("%s", why);
    board.g.claims.enrolment = false;
    assert_int_equal(fleet_answer(&fleet, "gw-1", evidence_of(&board), &result), 0);
    assert_int_equal(result.status, VERIFIER_AFFIRMING);
    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "gw-1", &s), 0);
    assert_int_equal(s.gateway.record, VERIFIER_RECORD_GOOD);
    assert_int_equal(
        fleet.store->ops->history(fleet.store, s.gateway.ueid, UINT32_MAX, count_results, &results),
        0);
    assert_int_equal(results, 5); /* two enrolments, two that were refused, and the last one */
}

static void what_was_never_enrolled_is_not_renewed(void **state)
{
    (void)state;
    terms.renew = true;
    not_challenged(&board.hello, "not enrolled: there is nothing to renew");
}

/* ---- TPMs that are not genuine ---- */

static void issue(const struct test_ca *by_whom, enum test_ca_kind kind, int from, int to)
{
    struct wr w;

    wr_init(&w, board.certificate, sizeof(board.certificate));
    test_ca_issue(by_whom, kind, board.ek_public.x, board.ek_public.y, from, to, &w);
    board.hello.ek_certificate = wr_done(&w);
}

static void a_tpm_of_a_foreign_maker_is_refused(void **state)
{
    (void)state;
    issue(&stranger, TEST_CA_EK, -1, 100);
    not_challenged(&board.hello, "the TPM is not genuine");
}

static void a_certificate_of_another_time_or_purpose_is_refused(void **state)
{
    (void)state;
    issue(&maker, TEST_CA_EK, -100, -1);
    not_challenged(&board.hello, "ran out on");
    issue(&maker, TEST_CA_EK, 1, 100);
    not_challenged(&board.hello, "is not valid before");
    issue(&maker, TEST_CA_TLS, -1, 100);
    not_challenged(&board.hello, "no certificate for an endorsement key");
    issue(&maker, TEST_CA_AUTHORITY, -1, 100);
    not_challenged(&board.hello, "no certificate for an endorsement key");
    issue(&maker, TEST_CA_EK_AUTHORITY, -1, 100);
    not_challenged(&board.hello, "no certificate for an endorsement key");
}

static void a_damaged_certificate_is_refused(void **state)
{
    struct enrol_challenge c;
    size_t n = board.hello.ek_certificate.n;

    (void)state;
    for (size_t i = 0; i < n; i += 7) {
        board.certificate[i] ^= 0x10;
        assert_int_equal(enrol_challenge(&fleet, roots, &terms, &board.hello, &c, why), KAPU_EAUTH);
        board.certificate[i] ^= 0x10;
    }
    for (size_t i = 0; i < n; i += 13) {
        board.hello.ek_certificate.n = i;
        assert_int_equal(enrol_challenge(&fleet, roots, &terms, &board.hello, &c, why), KAPU_EAUTH);
    }
}

static void an_endorsement_key_that_is_not_the_certified_one_is_refused(void **state)
{
    struct tpm2_public pub = board.ek_public;
    struct soft_key other;

    (void)state;
    soft_key_make(&other, "an EK in software");
    memcpy(pub.x, other.pub.x, 32);
    memcpy(pub.y, other.pub.y, 32);
    board.hello.ek_public = public_area(&pub, board.ek_area, sizeof(board.ek_area));
    not_challenged(&board.hello, "another than that of its certificate");
    pub = board.ek_public;
    pub.attributes |= TPM2_OA_USER_WITH_AUTH;
    board.hello.ek_public = public_area(&pub, board.ek_area, sizeof(board.ek_area));
    not_challenged(&board.hello, "not of the profile's template");
    pub = board.ek_public;
    pub.policy[0] ^= 1;
    board.hello.ek_public = public_area(&pub, board.ek_area, sizeof(board.ek_area));
    not_challenged(&board.hello, "not of the profile's template");
    board.hello.ek_public.n -= 1;
    not_challenged(&board.hello, "malformed");
}

/* ---- attestation keys that prove nothing ---- */

static void an_attestation_key_with_other_attributes_is_refused(void **state)
{
    static const struct {
        uint32_t off, on;
        const char *why;
    } row[] = {
        {TPM2_OA_RESTRICTED, 0, "not restricted"},
        {TPM2_OA_FIXED_TPM, 0, "can leave its TPM"},
        {TPM2_OA_FIXED_PARENT, 0, "can be moved"},
        {TPM2_OA_SENSITIVE_DATA_ORIGIN, 0, "not made by its TPM"},
        {TPM2_OA_SIGN, 0, "cannot sign"},
        {0, TPM2_OA_DECRYPT, "can decrypt"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct tpm2_public pub = board.ak_public;

        pub.attributes = (pub.attributes & ~row[i].off) | row[i].on;
        board.hello.ak_public = public_area(&pub, board.ak_area, sizeof(board.ak_area));
        not_challenged(&board.hello, row[i].why);
    }
    board.hello.ak_public = board.hello.ek_public;
    not_challenged(&board.hello, "no ECDSA key");
}

/* CVE-2022-1053, CVE-2021-3406: the proof must be of the key that signs, with its real attributes.
 */
static void an_unrestricted_key_that_is_said_to_be_restricted_opens_nothing(void **state)
{
    struct tpm2_public lie;
    struct enrol_challenge c;
    uint8_t secret[32];

    (void)state;
    ok(board.e, tpm2_flush_context(&board.e->tpm, board.ak.handle));
    make_ak(&board, TPM2_OA_RESTRICTED);
    not_challenged(&board.hello, "not restricted");
    lie = board.ak_public;
    lie.attributes |= TPM2_OA_RESTRICTED;
    board.hello.ak_public = public_area(&lie, board.ak_area, sizeof(board.ak_area));
    not_challenged(&board.hello, "another than that of its board record");
    without_records();
    challenge(&board, &c);
    assert_false(activate(&board, &c, secret));
    assert_int_equal(refused_with, TPM2_RC_INTEGRITY);
}

static void a_key_in_software_opens_nothing(void **state)
{
    struct enrol_challenge c;
    uint8_t secret[32] = {0};

    (void)state;
    board.hello.ak_public = public_area(&board.g.ak_public, board.ak_area, sizeof(board.ak_area));
    not_challenged(&board.hello, "another than that of its board record");
    without_records();
    challenge(&board, &c);
    assert_false(activate(&board, &c, secret));
    board.g.quote = NULL; /* it signs what it likes, but has no secret */
    not_enrolled(finish(&board.hello, "gw-1", answer(&board, &c, secret), board.tls),
                 "has not opened the challenge");
}

static void a_key_that_is_substituted_after_the_challenge_is_refused(void **state)
{
    struct enrol_challenge c;
    uint8_t secret[32];

    (void)state;
    without_records();
    challenge(&board, &c);
    assert_true(activate(&board, &c, secret));
    board.g.quote = NULL;
    board.hello.ak_public = public_area(&board.g.ak_public, board.ak_area, sizeof(board.ak_area));
    not_enrolled(finish(&board.hello, "gw-1", answer(&board, &c, secret), board.tls),
                 "has not opened the challenge");
}

static void a_quote_by_another_key_than_the_proven_one_is_refused(void **state)
{
    struct enrol_challenge c;
    uint8_t secret[32];

    (void)state;
    challenge(&board, &c);
    assert_true(activate(&board, &c, secret));
    board.g.quote = NULL;
    not_enrolled(finish(&board.hello, "gw-1", answer(&board, &c, secret), board.tls),
                 "not signed by the enrolled attestation key");
}

static void the_challenge_of_one_tpm_cannot_be_answered_by_another(void **state)
{
    struct board second;
    struct enrol_challenge c;
    uint8_t secret[32];

    (void)state;
    board_begin(&second, &maker, "second");
    record(&second);
    challenge(&board, &c);
    assert_false(activate(&second, &c, secret));
    assert_true(activate(&board, &c, secret));
    not_enrolled(finish(&second.hello, "gw-2", answer(&second, &c, secret), second.tls),
                 "never made for this TPM");
    board_end(&second);
}

/* ---- substituted keys of TEE and TLS, old answers ---- */

static void another_tls_key_than_the_proven_one_gets_no_certificate(void **state)
{
    const struct bytes first = {board.spki, board.tls.n};
    uint8_t secret[32], other[256];
    struct enrol_challenge c;
    struct bytes message;

    (void)state;
    challenge(&board, &c);
    assert_true(activate(&board, &c, secret));
    message = answer(&board, &c, secret);
    memcpy(other, first.p, first.n);
    make_tls_key(&board);
    not_enrolled(finish(&board.hello, "gw-1", message, board.tls), "another than the one");
    not_enrolled(finish(&board.hello, "gw-1", message, BYTES_STR("no key")), "not on P-256");
    assert_int_equal(finish(&board.hello, "gw-1", message, (struct bytes){other, first.n}), 0);
}

static void another_tee_key_than_the_proven_one_is_refused(void **state)
{
    struct enrol_challenge c;
    uint8_t secret[32];
    struct wr w;
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];

    (void)state;
    challenge(&board, &c);
    assert_true(activate(&board, &c, secret));
    (void)answer(&board, &c, secret);
    soft_key_make(&board.g.tee, "another TEE"); /* the claims still name the first */
    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(&board.g, c.nonce, &w);
    not_enrolled(finish(&board.hello, "gw-1", wr_done(&w), board.tls),
                 "another key than the one enrolled");
    board.g.claims.key = board.g.tee.pub; /* they name it, the activation does not */
    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(&board.g, c.nonce, &w);
    not_enrolled(finish(&board.hello, "gw-1", wr_done(&w), board.tls),
                 "has not opened the challenge");
}

static uint64_t later(void *ctx)
{
    return *(uint64_t *)ctx;
}

static void an_answer_that_comes_too_late_is_refused(void **state)
{
    struct enrol_challenge c;
    uint8_t secret[32];
    uint64_t when;

    (void)state;
    challenge(&board, &c);
    assert_true(activate(&board, &c, secret));
    when = fleet_now_ms(&fleet) + FLEET_NONCE_MS + 1000;
    fleet.now_ms = later;
    fleet.clock_ctx = &when;
    not_enrolled(finish(&board.hello, "gw-1", answer(&board, &c, secret), board.tls),
                 "time is over");
}

static void evidence_that_is_not_for_an_enrolment_is_refused(void **state)
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    struct enrol_challenge c;
    struct wr w;

    (void)state;
    challenge(&board, &c);
    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(&board.g, c.nonce, &w);
    not_enrolled(finish(&board.hello, "gw-1", wr_done(&w), board.tls), "not for an enrolment");
    not_enrolled(finish(&board.hello, "gw-1", BYTES_STR("hello"), board.tls), "malformed");
}

static void a_compromised_gateway_is_not_enrolled(void **state)
{
    struct enrol_challenge c;
    uint8_t secret[32];

    (void)state;
    soft_gateway_finding(&board.g, EVIDENCE_ALARM, "text.page", "__arm64_sys_kill+0x10", 0,
                         "4 bytes");
    challenge(&board, &c);
    assert_true(activate(&board, &c, secret));
    not_enrolled(finish(&board.hello, "gw-1", answer(&board, &c, secret), board.tls),
                 "kernel text differs");
}

/* ---- identities ---- */

static void an_identity_is_enrolled_once(void **state)
{
    struct board second;
    struct enrol_challenge c;
    uint8_t secret[32];

    (void)state;
    enrol(&board, "gw-1");
    not_challenged(&board.hello, "enrolled already, as 'gw-1'");
    board_begin(&second, &maker, "second");
    record(&second);
    challenge(&second, &c);
    assert_true(activate(&second, &c, secret));
    assert_int_equal(finish(&second.hello, "gw-1", answer(&second, &c, secret), second.tls),
                     KAPU_EAUTH);
    assert_non_null(strstr(why, "its name belongs to another gateway"));
    memcpy(second.g.claims.boot.board, board.g.claims.boot.board, 16);
    assert_int_equal(finish(&second.hello, "gw-2", answer(&second, &c, secret), second.tls),
                     KAPU_EAUTH);
    assert_non_null(strstr(why, "but its TPM is on record with board"));
    record(&second); /* as if the factory had put another TPM on that board */
    assert_int_equal(finish(&second.hello, "gw-2", answer(&second, &c, secret), second.tls),
                     KAPU_EAUTH);
    assert_non_null(strstr(why, "its board belongs to another gateway"));
    board_end(&second);
}

static void a_name_that_a_topic_or_path_could_not_have_is_refused(void **state)
{
    static const char *const bad[] = {"", "a/b", "#", "+", "..", ".x", "a b", "-x", "caf\xc3\xa9"};
    struct enrol_challenge c;
    uint8_t secret[32];
    struct bytes message;

    (void)state;
    challenge(&board, &c);
    assert_true(activate(&board, &c, secret));
    message = answer(&board, &c, secret);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        not_enrolled(finish(&board.hello, bad[i], message, board.tls),
                     "cannot be a gateway's name");
}

static void authorities_that_are_none_are_not_loaded(void **state)
{
    (void)state;
    assert_null(x509_roots_load(in_folder("ca.key"), why, sizeof(why)));
    assert_non_null(strstr(why, "a block that is not a certificate"));
    assert_null(x509_roots_load("/nonexistent", why, sizeof(why)));
    assert_null(x509_ca_load(in_folder("roots.pem"), in_folder("ca.key"), why, sizeof(why)));
    assert_non_null(strstr(why, "no authority's certificate for the key"));
    assert_null(x509_ca_load(in_folder("ca.pem"), "/nonexistent", why, sizeof(why)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_genuine_gateway_is_enrolled_and_gets_its_certificate),
        TEST(a_chain_over_an_intermediate_authority_is_good),
        TEST(a_genuine_tpm_is_not_a_kapu_board),
        TEST(the_record_of_another_board_is_none),
        TEST(an_attestation_key_that_is_not_on_record_is_refused),
        TEST(another_board_than_the_one_on_record_is_refused),
        TEST(a_record_that_was_changed_is_not_taken),
        TEST(each_reason_not_to_take_a_record_is_told),
        TEST(an_older_record_played_again_is_not_taken),
        TEST(an_override_is_audited_and_warned_of_for_ever),
        TEST(a_board_with_a_new_key_is_renewed_by_all_of_the_proof),
        TEST(what_was_never_enrolled_is_not_renewed),
        TEST(a_tpm_of_a_foreign_maker_is_refused),
        TEST(a_certificate_of_another_time_or_purpose_is_refused),
        TEST(a_damaged_certificate_is_refused),
        TEST(an_endorsement_key_that_is_not_the_certified_one_is_refused),
        TEST(an_attestation_key_with_other_attributes_is_refused),
        TEST(an_unrestricted_key_that_is_said_to_be_restricted_opens_nothing),
        TEST(a_key_in_software_opens_nothing),
        TEST(a_key_that_is_substituted_after_the_challenge_is_refused),
        TEST(a_quote_by_another_key_than_the_proven_one_is_refused),
        TEST(the_challenge_of_one_tpm_cannot_be_answered_by_another),
        TEST(another_tls_key_than_the_proven_one_gets_no_certificate),
        TEST(another_tee_key_than_the_proven_one_is_refused),
        TEST(an_answer_that_comes_too_late_is_refused),
        TEST(evidence_that_is_not_for_an_enrolment_is_refused),
        TEST(a_compromised_gateway_is_not_enrolled),
        TEST(an_identity_is_enrolled_once),
        TEST(a_name_that_a_topic_or_path_could_not_have_is_refused),
        TEST(authorities_that_are_none_are_not_loaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
