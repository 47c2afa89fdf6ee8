// SPDX-License-Identifier: Apache-2.0
/* kapu release: what a release is and who gets it, signed by several; and the sets of keys that may
 * sign. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "payload.h"
#include "pem_openssl.h"
#include "release_file.h"
#include "release_make.h"
#include "release_order.h"
#include "release_show.h"
#include "signer.h"

#define SHA (&crypto_openssl.sha256)
#define SETS_MAX 16u /* one after the other */

static const char help[] =
    "usage: kapu release make --firmware FILE --root FILE --version TEXT --hardware NAME\n"
    "                         --product NAME --out DIR [--expires DAYS] [--from-counter N]\n"
    "                         [--no-approval] [--level N] [--encrypt]\n"
    "       kapu release keys --role ROLE --threshold N [--set N] --out FILE KEY...\n"
    "       kapu release rollout --number N --out FILE (--gateway UEID)... [--halt] [--days N]\n"
    "                            MANIFEST\n"
    "       kapu release rollout --number N --out FILE --group NAME [--halt] [--days N] MANIFEST\n"
    "       kapu release membership --number N --out FILE --group NAME (--gateway UEID)... "
    "[--days N]\n"
    "       kapu release approve --gateway UEID --boot HEX --out FILE MANIFEST\n"
    "       kapu release sign --key KEY FILE\n"
    "       kapu release show [--json] FILE...\n"
    "       kapu release verify --keys FILE [--next FILE]... [--json] FILE\n"
    "                           [--firmware FILE] [--root FILE]\n"
    "       kapu release patch --firmware FILE --root FILE [--level N] DIR\n"
    "       kapu release rebuild [--firmware FILE --root FILE] [--json] DIR\n\n"
    "  make    a release of a firmware package and a root image: its manifest, which nobody has\n"
    "          signed yet, and what gateways fetch, in a new folder\n"
    "  keys    a set of keys (public or private, PEM), of which so many must sign; nobody has\n"
    "          signed it yet. The first set of a role is built into gateways; each one after it\n"
    "          is signed by enough keys of it and of the one before\n"
    "  rollout who gets the release of a manifest, until when; nobody has signed it yet\n"
    "  membership  which gateways are of a group; nobody has signed it yet\n"
    "  approve that the trial of a release is good, in one boot of one gateway; nobody has\n"
    "          signed it yet\n"
    "  sign    adds a signature to a manifest, a set, a rollout, a membership or an approval\n"
    "  show    what such a file says; its signatures are not looked at\n"
    "  verify  that enough keys of the set signed it, and that the parts are those it names\n"
    "  patch   adds to a release's folder the way from an earlier one, of which the files are "
    "given\n"
    "  rebuild puts a release together from its folder as a gateway does that has another one\n"
    "          (--firmware and --root), or none, and tells what it fetches; nothing is written\n\n"
    "  --role ROLE        whose keys: release, rollout, approval\n"
    "  --set N            number of the set, one more than that of the set before (1)\n"
    "  --number N         number of the rollout or membership, higher than those before\n"
    "  --gateway UEID     a gateway, by its UEID of 66 hexadecimal digits; once for each\n"
    "  --group NAME       the gateways of a group\n"
    "  --halt             halt the release: its trial ends, and it is not installed any longer\n"
    "  --days N           the rollout ends so many days from now; a membership is not taken\n"
    "                     later (30)\n"
    "  --boot HEX         the random name of the boot, 64 hexadecimal digits\n"
    "  --key KEY          private key: PEM file, or pkcs11: URI\n"
    "  --expires DAYS     a gateway does not start to install it later (365)\n"
    "  --from-counter N   the least security counter of a gateway that may take it (0)\n"
    "  --no-approval      a clean deep check alone confirms it\n"
    "  --encrypt          encrypt what gateways fetch, with a new key in the file 'key' of the "
    "folder:\n"
    "                     it must not come to the server of releases\n"
    "  --level N          how hard to compress what gateways fetch, 1 to 19 (19)\n"
    "  --next FILE        the set that followed; in order\n"
    "  --json             for machines\n";

struct options {
    const char *keys, *key, *out, *role;
    const char *next[SETS_MAX];
    size_t nexts;
    uint64_t threshold, set;
    bool json;
    struct release_parts parts;
    struct release_order order;
};

/* ---- keys ---- */

static enum release_role role_of(const char *text)
{
    for (int i = RELEASE_ROLE_RELEASE; text != NULL && i <= RELEASE_ROLE_APPROVAL; i++) {
        if (strcmp(text, release_role_name[i]) == 0)
            return (enum release_role)i;
    }
    return 0;
}

static int write_set(const struct release_keys *k, const char *path)
{
    uint8_t content[RELEASE_CONTENT_MAX];
    struct release_signed s = {0};
    struct wr w;

    wr_init(&w, content, sizeof(content));
    if (release_keys_encode(k, &w) != 0)
        return fail("the set cannot be encoded");
    s.content = wr_done(&w);
    if (release_file_may_write(path, RELEASE_A_SET) != 0 ||
        release_file_write(path, RELEASE_A_SET, &s) != 0)
        return EXIT_FAILED;
    printf("%s: set %u of %s keys, of which %u of %zu must sign; nobody has signed it yet\n", path,
           k->version, release_role_name[k->role], k->threshold, k->keys);
    return EXIT_DONE;
}

static int keys(const struct options *o, char **path, int n)
{
    struct release_keys k = {.role = role_of(o->role)};
    char why[512];

    if (n < 1 || o->out == NULL)
        return EXIT_USAGE;
    if (k.role == 0)
        return fail("--role takes release, rollout or approval");
    if (n > (int)RELEASE_KEYS_MAX)
        return fail("a set has at most %u keys", RELEASE_KEYS_MAX);
    if (o->threshold < 1 || o->threshold > (uint64_t)n)
        return fail("--threshold takes a number from 1 to that of the keys, which is %d", n);
    if (o->set < 1 || o->set > UINT32_MAX)
        return fail("--set takes a number from 1");
    k.version = (uint32_t)o->set;
    k.threshold = (uint32_t)o->threshold;
    for (k.keys = 0; k.keys < (size_t)n; k.keys++) {
        /* a public key, or the public half of a private one */
        EVP_PKEY *key = pem_key(path[k.keys], PEM_PUBLIC_KEY | PEM_PRIVATE_KEY, why, sizeof(why));
        int err;

        if (key == NULL)
            return fail("%s", why);
        err = openssl_p256_coordinates(key, k.key[k.keys].x, k.key[k.keys].y);
        EVP_PKEY_free(key);
        if (err != 0)
            return fail("%s: its key is not an ECDSA key on P-256", path[k.keys]);
    }
    if (release_keys_sort(&k) != 0)
        return fail("two of the keys are the same: each of a set counts once");
    return write_set(&k, o->out);
}

/* ---- sign ---- */

/* Nobody else adds a signature between reading and writing, which would then be lost. */
static int sign(const struct options *o, char **path, int n)
{
    struct release_file_read f;
    struct signer by = {0};
    struct newfile new = {.fd = -1};
    int status = EXIT_FAILED;

    if (n != 1 || o->key == NULL)
        return EXIT_USAGE;
    if (release_file_read(path[0], &f) != 0 || signer_open(&by, "the key", o->key) != 0)
        goto out;
    if (newfile_open(&new, path[0], 0644) != 0) {
        (void)fail("%s: %s", path[0], newfile_fault());
        goto out;
    }
    if (release_file_read(path[0], &f) != 0)
        goto out;
    status = release_file_sign(path[0], f.what, &f.seen, &by);
    if (status == EXIT_DONE && release_file_put(&new, f.what, &f.seen) != 0)
        status = EXIT_FAILED;
    if (status == EXIT_DONE)
        printf("%s: %s, signed by %zu\n", path[0], release_about[f.what].name, f.seen.signatures);
out:
    newfile_drop(&new);
    signer_close(&by);
    return status;
}

/* ---- show ---- */

static int show(const struct options *o, char **path, int n)
{
    int status = EXIT_DONE, shown = 0;

    if (n < 1)
        return EXIT_USAGE;
    if (o->json)
        printf("[");
    for (int i = 0; i < n; i++) {
        struct release_file_read f;

        if (release_file_read(path[i], &f) != 0) {
            status = EXIT_FAILED;
        } else if (o->json) {
            printf("%s", shown++ > 0 ? ",\n " : "");
            release_show_json(path[i], &f);
        } else {
            release_show_text(path[i], &f);
        }
    }
    if (o->json)
        printf("]\n");
    return status;
}

/* ---- verify ---- */

/* The set that is in force after those that followed; 0 or -1. */
static int last_set(const struct options *o, struct release_file_read *set)
{
    if (release_file_read_a(o->keys, RELEASE_A_SET, set) != 0)
        return -1;
    for (size_t i = 0; i < o->nexts; i++) {
        struct release_file_read next;
        int err;

        if (release_file_read_a(o->next[i], RELEASE_A_SET, &next) != 0)
            return -1;
        err = release_keys_follow(SHA, &evidence_openssl, &next.seen, &set->is.keys, &next.is.keys);
        if (err != 0) {
            (void)fail("%s: %s", o->next[i],
                       err == KAPU_EPIN      ? "is a set of another role"
                       : err == KAPU_EREPLAY ? "is an older set than the one before it, or the same"
                       : err == KAPU_ESTALE  ? "sets between it and the one before it are missing"
                       : err == KAPU_EAUTH   ? "is not signed by enough keys of the set before it "
                                               "and of its own"
                                             : "its signatures cannot be verified");
            return -1;
        }
        set->is.keys = next.is.keys;
    }
    return 0;
}

static int verify_signatures(const char *path, const struct release_file_read *f,
                             const struct release_keys *k)
{
    const enum release_role role =
        f->what == RELEASE_A_SET ? f->is.keys.role : release_about[f->what].role;
    size_t good;
    int err;

    if (role != k->role)
        return fail("%s: %s is signed by %s keys; the set is of %s keys", path,
                    release_about[f->what].a_name, release_role_name[role],
                    release_role_name[k->role]);
    err = release_verify(SHA, &evidence_openssl, release_about[f->what].kind, &f->seen, k, &good);
    if (err == KAPU_EAUTH)
        return fail("%s: not verified: %zu of the set's keys signed it, of which %u must", path,
                    good, k->threshold);
    if (err != 0)
        return fail("%s: its signatures cannot be verified (error %d)", path, err);
    return EXIT_DONE;
}

static int verify(const struct options *o, char **path, int n)
{
    struct release_file_read set, f;
    int status;

    if (n != 1 || o->keys == NULL)
        return EXIT_USAGE;
    if (last_set(o, &set) != 0 || release_file_read(path[0], &f) != 0)
        return EXIT_FAILED;
    status = verify_signatures(path[0], &f, &set.is.keys);
    if (status == EXIT_DONE && (o->parts.firmware != NULL || o->parts.root != NULL))
        status = f.what == RELEASE_A_MANIFEST ? release_check_parts(&f.is.manifest, &o->parts)
                                              : fail("%s: is %s, which names no parts", path[0],
                                                     release_about[f.what].a_name);
    if (status != EXIT_DONE)
        return status;
    if (o->json) {
        release_show_json(path[0], &f);
        printf("\n");
    } else {
        release_show_text(path[0], &f);
        printf("verified: signed by %u or more keys of set %u\n", set.is.keys.threshold,
               set.is.keys.version);
    }
    return EXIT_DONE;
}

/* ---- options ---- */

enum {
    NEXT = 256,
    EXPIRES,
    FROM_COUNTER,
    THRESHOLD,
    SET,
    LEVEL,
    NUMBER,
    GATEWAY,
    GROUP,
    HALT,
    DAYS,
    BOOT
};

static const struct option long_options[] = {
    {"keys", required_argument, NULL, 'k'},
    {"key", required_argument, NULL, 'K'},
    {"next", required_argument, NULL, NEXT},
    {"out", required_argument, NULL, 'o'},
    {"role", required_argument, NULL, 'r'},
    {"threshold", required_argument, NULL, THRESHOLD},
    {"set", required_argument, NULL, SET},
    {"firmware", required_argument, NULL, 'f'},
    {"root", required_argument, NULL, 'R'},
    {"version", required_argument, NULL, 'v'},
    {"hardware", required_argument, NULL, 'H'},
    {"product", required_argument, NULL, 'p'},
    {"expires", required_argument, NULL, EXPIRES},
    {"from-counter", required_argument, NULL, FROM_COUNTER},
    {"level", required_argument, NULL, LEVEL},
    {"number", required_argument, NULL, NUMBER},
    {"gateway", required_argument, NULL, GATEWAY},
    {"group", required_argument, NULL, GROUP},
    {"halt", no_argument, NULL, HALT},
    {"days", required_argument, NULL, DAYS},
    {"boot", required_argument, NULL, BOOT},
    {"no-approval", no_argument, NULL, 'n'},
    {"encrypt", no_argument, NULL, 'e'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int take_number(const char *name, const char *text, uint64_t most, uint64_t *to)
{
    char *end;

    errno = 0;
    *to = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *to <= most)
        return 0;
    (void)fail("--%s takes a number, not '%s'", name, text);
    return -1;
}

static int take_order(struct release_order *o, int c)
{
    switch (c) {
    case NUMBER:
        return take_number("number", optarg, UINT64_MAX, &o->number);
    case DAYS:
        return take_number("days", optarg, UINT64_MAX, &o->days);
    case GATEWAY:
        if (o->gateways < RELEASE_GATEWAYS_MAX)
            o->gateway[o->gateways] = optarg;
        o->gateways++;
        return 0;
    case GROUP:
        if (o->group != NULL)
            return fail("--group can be given once");
        o->group = optarg;
        return 0;
    case HALT:
        o->halt = true;
        return 0;
    case BOOT:
        o->boot = optarg;
        return 0;
    default:
        return -1;
    }
}

static int take(struct options *o, int c)
{
    uint64_t number = 0;
    int err = 0;

    switch (c) {
    case NEXT:
        if (o->nexts == SETS_MAX) {
            (void)fail("--next can be given %u times", SETS_MAX);
            return -1;
        }
        o->next[o->nexts++] = optarg;
        break;
    case EXPIRES:
        err = take_number("expires", optarg, 36500, &number);
        o->parts.expires_days = (uint32_t)number;
        break;
    case FROM_COUNTER:
        err = take_number("from-counter", optarg, UINT32_MAX, &number);
        o->parts.counter_from = (uint32_t)number;
        break;
    case LEVEL:
        err = take_number("level", optarg, PAYLOAD_LEVEL, &number);
        if (err == 0 && number == 0)
            err = fail("--level takes a number from 1 to %d", PAYLOAD_LEVEL);
        o->parts.level = (int)number;
        break;
    case THRESHOLD:
        err = take_number("threshold", optarg, UINT32_MAX, &o->threshold);
        break;
    case SET:
        err = take_number("set", optarg, UINT32_MAX, &o->set);
        break;
    default:
        err = take_order(&o->order, c);
    }
    return err;
}

/* 0, or the status to end with. */
static int parse(int argc, char **argv, struct options *o)
{
    int c;

    while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (c) {
        case 'k':
            o->keys = optarg;
            break;
        case 'K':
            o->key = optarg;
            break;
        case 'o':
            o->out = optarg;
            break;
        case 'r':
            o->role = optarg;
            break;
        case 'f':
            o->parts.firmware = optarg;
            break;
        case 'R':
            o->parts.root = optarg;
            break;
        case 'v':
            o->parts.version = optarg;
            break;
        case 'H':
            o->parts.hardware = optarg;
            break;
        case 'p':
            o->parts.product = optarg;
            break;
        case 'n':
            o->parts.no_approval = true;
            break;
        case 'e':
            o->parts.encrypt = true;
            break;
        case 'j':
            o->json = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_DONE);
        default:
            if (take(o, c) != 0)
                return EXIT_USAGE;
        }
    }
    return 0;
}

static int make(const struct options *o, char **word, int n)
{
    (void)word;
    return n == 0 && o->out != NULL ? release_make(&o->parts, o->out) : EXIT_USAGE;
}

static int rollout(const struct options *o, char **path, int n)
{
    if (n != 1 || o->out == NULL)
        return EXIT_USAGE;
    return release_order_rollout(&o->order, path[0], o->out);
}

static int membership(const struct options *o, char **word, int n)
{
    (void)word;
    return n == 0 && o->out != NULL ? release_order_membership(&o->order, o->out) : EXIT_USAGE;
}

static int approve(const struct options *o, char **path, int n)
{
    if (n != 1 || o->out == NULL)
        return EXIT_USAGE;
    return release_order_approval(&o->order, path[0], o->out);
}

static int patch(const struct options *o, char **path, int n)
{
    if (n != 1 || o->parts.firmware == NULL || o->parts.root == NULL)
        return EXIT_USAGE;
    return release_patch(path[0], &o->parts);
}

static int rebuild(const struct options *o, char **path, int n)
{
    if (n != 1 || (o->parts.firmware == NULL) != (o->parts.root == NULL))
        return EXIT_USAGE;
    return release_rebuild(path[0], &o->parts, o->json);
}

int command_release(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct options *o, char **word, int n);
    } verbs[] = {
        {"make", make},       {"keys", keys},
        {"rollout", rollout}, {"membership", membership},
        {"approve", approve}, {"sign", sign},
        {"show", show},       {"verify", verify},
        {"patch", patch},     {"rebuild", rebuild},
    };
    struct options o = {
        .set = 1, .parts = {.expires_days = 365, .level = PAYLOAD_LEVEL}, .order = {.days = 30}};
    int status = parse(argc, argv, &o);

    if (status == 0 && optind < argc) {
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
            if (strcmp(argv[optind], verbs[i].name) == 0) {
                status = verbs[i].run(&o, argv + optind + 1, argc - optind - 1);
                if (status == EXIT_USAGE)
                    fputs(help, stderr);
                return status;
            }
        }
        (void)fail("release: there is no command '%s'", argv[optind]);
    }
    fputs(help, stderr);
    return EXIT_USAGE;
}
