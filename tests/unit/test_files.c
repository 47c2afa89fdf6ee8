// SPDX-License-Identifier: Apache-2.0
/* The readers of settings and of PEM: nothing is passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pem.h"
#include "settings.h"
#include "text.h"

#define TEXT(s) ((struct bytes){(const uint8_t *)(s), strlen(s)})
#define BODY "AAECAwQFBgcICQoLDA0ODw=="
#define BLOCK "-----BEGIN A KEY-----\n" BODY "\n-----END A KEY-----\n"

static char why[256];

/* ---- settings ---- */

struct said {
    uint64_t number;
    char word[16];
    size_t words;
};

static bool set_number(void *into, size_t offset, char **word, size_t words)
{
    struct said *s = into;

    (void)offset;
    (void)words;
    return settings_number(word[0], 1000, &s->number);
}

static bool set_words(void *into, size_t offset, char **word, size_t words)
{
    struct said *s = into;

    (void)offset;
    s->words += words;
    return snprintf(s->word, sizeof(s->word), "%s", word[words - 1]) < (int)sizeof(s->word);
}

static const struct setting table[] = {
    {"number", "a number up to 1000", set_number, 0, 1, false},
    {"words", "up to three words", set_words, 0, 3, false},
    {"again", "a word", set_words, 0, 1, true},
};

static int parse(struct bytes text, struct said *s)
{
    memset(s, 0, sizeof(*s));
    return settings_parse(text, table, sizeof(table) / sizeof(table[0]), s, why, sizeof(why));
}

static void settings_are_read_to_the_last(void **state)
{
    struct said s;

    (void)state;
    assert_int_equal(parse(TEXT("# f\xc3\xbcr uns\r\n\n number\t7 # seven\nwords a b#c\nagain x\n"
                                "again y\n"),
                           &s),
                     0);
    assert_true(s.number == 7 && s.words == 4);
    assert_string_equal(s.word, "y");
    assert_int_equal(parse(TEXT("number 1000\n"), &s), 0);
}

static void settings_that_are_damaged_are_refused_with_their_line(void **state)
{
    static const struct {
        const char *text, *why;
    } row[] = {
        {"", "line 1: the end"},
        {"\n \n# number 3\n", "line 3: the end"},
        {"number\n", "line 1: 'number' has no value; it takes a number up to 1000"},
        {"number # 3\n", "line 1: 'number' has no value"},
        {"number 3\nnumber 3\n", "line 2: 'number' is there twice, first in line 1"},
        {"number 3 seconds\n", "line 1: invalid value for 'number'"},
        {"number 1001\n", "line 1: invalid value"},
        {"number 18446744073709551617\n", "line 1: invalid value"},
        {"number +3\n", "line 1: invalid value"},
        {"number 0x3\n", "line 1: invalid value"},
        {"words a b c d\n", "line 1: invalid value"},
        {"Number 3\n", "line 1: unknown setting 'Number'"},
        {"number 3\nwords a", "line 2: does not end"},
        {"number 3\n# and", "line 2: does not end"},
        {"number\v3\n", "line 1: has a control character"},
        {"number 3\rwords a\n", "line 1: has a control character"},
        {"# \x7f\n", "line 1: has a control character"},
        {"words \xc3\xa9\n", "line 1: has a character that is not ASCII"},
        {"words a\xc2\xa0# b\n", "line 1: has a character that is not ASCII"},
        {"\xef\xbb\xbfnumber 3\n", "line 1: begins with a byte order mark"},
    };
    static const uint8_t utf16[] = {0xff, 0xfe, 'n', 0, 'u', 0, '\n', 0},
                         zero[] = "number 3\n\0\nwords a\n";
    struct said s;
    char *longest = malloc(TEXT_LINE_MAX + 3);

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        assert_int_equal(parse(TEXT(row[i].text), &s), KAPU_EINVAL);
        if (strstr(why, row[i].why) != why)
            fail_msg("'%s' is not '%s'", why, row[i].why);
    }
    assert_int_equal(parse(BYTES_OF(utf16), &s), KAPU_EINVAL);
    assert_int_equal(parse((struct bytes){zero, sizeof(zero) - 1}, &s), KAPU_EINVAL);
    assert_non_null(strstr(why, "line 2: has a zero byte"));
    memset(longest, '#', TEXT_LINE_MAX + 1);
    memcpy(longest + TEXT_LINE_MAX + 1, "\n", 2);
    assert_int_equal(parse(TEXT(longest), &s), KAPU_EINVAL);
    assert_non_null(strstr(why, "too long"));
    free(longest);
}

/* ---- PEM ---- */

struct blocks {
    unsigned n;
    char label[PEM_LABEL_MAX];
    size_t bytes;
};

static const char *take(void *ctx, const char *label, struct bytes der)
{
    struct blocks *b = ctx;

    b->n++;
    b->bytes = der.n;
    snprintf(b->label, sizeof(b->label), "%s", label);
    for (size_t i = 0; i < der.n; i++) {
        if (der.p[i] != i)
            return "is not what was written";
    }
    return strcmp(label, "REFUSED") == 0 ? "is not wanted" : NULL;
}

static int pem(const char *text, struct blocks *b)
{
    memset(b, 0, sizeof(*b));
    return pem_parse(TEXT(text), take, b, why, sizeof(why));
}

static void all_blocks_are_read(void **state)
{
    static const struct {
        const char *text;
        unsigned blocks;
    } row[] = {
        {BLOCK, 1},
        {BLOCK BLOCK, 2},
        {"-----BEGIN A KEY-----\r\n" BODY "\r\n-----END A KEY-----\r\n", 1},
        {"-----BEGIN A KEY-----\n" BODY "\n-----END A KEY-----", 1}, /* no line feed at the end */
        /* joined without one */
        {"-----BEGIN A KEY-----\n" BODY "\n-----END A KEY-----" BLOCK BLOCK, 3},
        {"of the maker: M\xc3\xbcller\n\n" BLOCK "\tand of another\n" BLOCK, 2},
        {"-----BEGIN A KEY-----\nAAEC\n\nAw QFBg\t\ncICQoLDA0ODw==\n-----END A KEY-----\n", 1},
    };
    struct blocks b;

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        if (pem(row[i].text, &b) != 0)
            fail_msg("row %zu: %s", i, why);
        assert_int_equal(b.n, row[i].blocks);
        assert_int_equal(b.bytes, 16);
        assert_string_equal(b.label, "A KEY");
    }
}

static void pem_that_is_damaged_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *why;
    } row[] = {
        {BLOCK "-----BEGIN A KEY-----\n" BODY "\n",
         "line 4: the block that begins here has no end"},
        {BLOCK "-----BEGIN A KEY-----\n" BODY "\n-----END A KE", "line 6: is not base64"},
        {BLOCK "-----BEGIN A KEY----", "line 4: has a mark that is damaged"},
        {BLOCK "--", "line 4: does not end"},
        {BLOCK "some words", "line 4: does not end"},
        {"----BEGIN A KEY-----\n" BODY "\n-----END A KEY-----\n", "line 1: has a mark that is dam"},
        {BODY "\n-----END A KEY-----\n", "line 2: ends a block that does not begin"},
        {"AAECAwQFBgcICQoLDA0ODwAAECAwQFBgcICQoLDA0ODw==\n" BLOCK,
         "line 1: is base64 outside of a block"},
        {"-----BEGIN A KEY-----\n" BLOCK, "line 2: begins a block in the middle of another"},
        {"-----BEGIN A KEY-----\n" BODY "\n-----END B KEY-----\n", "line 3: ends another block"},
        {"-----BEGIN A KEY-----\n-----END A KEY-----\n",
         "line 1: the block that begins here is no"},
        {"-----BEGIN A KEY-----\nAAECAwQ\n-----END A KEY-----\n", "line 1: the block that begins"},
        {"-----BEGIN A KEY-----\nAAE=CAwQ\n-----END A KEY-----\n", "line 1: the block that begins"},
        {"-----BEGIN A KEY-----\nAB==\n-----END A KEY-----\n", "line 1: the block that begins"},
        {"-----BEGIN A KEY-----\n====\n-----END A KEY-----\n", "line 1: the block that begins"},
        {"-----BEGIN A KEY-----\nAAE*\n-----END A KEY-----\n", "line 2: is not base64"},
        {"-----BEGIN A KEY-----\nProc-Type: 4,ENCRYPTED\n\n" BODY "\n-----END A KEY-----\n",
         "line 2: is"},
        {BLOCK "-----BEGIN REFUSED-----\n" BODY "\n-----END REFUSED-----\n",
         "line 4: is not wanted"},
        {"-----BEGIN A KEY-----\n" BODY "\n-----END A KEY-----and more\n",
         "line 3: has something after the end of a block"},
        {"a\vb\n" BLOCK, "line 1: has a control character"},
        {"\xef\xbb\xbf" BLOCK, "line 1: begins with a byte order mark"},
        {"0\x82\x01\x02", "line 1: is DER"},
    };
    struct blocks b;

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        assert_int_equal(pem(row[i].text, &b), KAPU_EINVAL);
        if (strstr(why, row[i].why) != why)
            fail_msg("row %zu: '%s' is not '%s'", i, why, row[i].why);
    }
    assert_int_equal(pem("words alone\n", &b), KAPU_ENOENT);
    assert_int_equal(pem("", &b), KAPU_ENOENT);
}

/* Cut anywhere, it is refused, but where a block ends; then the blocks before it are all there. */
static void a_cut_is_seen_wherever_it_is_in_a_block(void **state)
{
    const char text[] = BLOCK BLOCK;
    const size_t one = strlen(BLOCK);
    struct blocks b;
    char cut[sizeof(text)];

    (void)state;
    for (size_t n = 0; n <= strlen(text); n++) {
        const size_t in = n % one;
        int err;

        snprintf(cut, n + 1, "%s", text);
        err = pem(cut, &b);
        if (n > 0 && (in == 0 || in == one - 1))
            assert_int_equal(err, 0);
        else
            assert_int_not_equal(err, 0);
    }
}

static void a_file_is_read_whole_or_not_at_all(void **state)
{
    char path[] = "/tmp/kapu-whole-XXXXXX";
    int fd = mkstemp(path);
    uint8_t to[4];
    size_t n;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(whole_file(path, sizeof(to), to, &n, why, sizeof(why)), KAPU_EINVAL);
    assert_non_null(strstr(why, "is empty"));
    assert_int_equal(write(fd, "1234", 4), 4);
    assert_int_equal(whole_file(path, sizeof(to), to, &n, why, sizeof(why)), 0);
    assert_true(n == 4 && memcmp(to, "1234", 4) == 0);
    assert_int_equal(write(fd, "5", 1), 1);
    assert_int_equal(whole_file(path, sizeof(to), to, &n, why, sizeof(why)), KAPU_ERANGE);
    assert_true(n == 0 && strstr(why, path) == why);
    close(fd);
    unlink(path);
    assert_int_equal(whole_file(path, sizeof(to), to, &n, why, sizeof(why)), KAPU_ENOENT);
    assert_int_equal(whole_file("/tmp", sizeof(to), to, &n, why, sizeof(why)), KAPU_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_read_to_the_last),
        cmocka_unit_test(settings_that_are_damaged_are_refused_with_their_line),
        cmocka_unit_test(all_blocks_are_read),
        cmocka_unit_test(pem_that_is_damaged_is_refused_with_its_line),
        cmocka_unit_test(a_cut_is_seen_wherever_it_is_in_a_block),
        cmocka_unit_test(a_file_is_read_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
