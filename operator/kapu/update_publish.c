// SPDX-License-Identifier: Apache-2.0
/* kapu update publish: a release that was signed by enough comes to the server of releases and to
 * the store. What gateways may be reading is never changed. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"
#include "mapped.h"
#include "part.h"
#include "rebuild.h"
#include "release_key.h"
#include "update.h"
#include "webroot.h"

#define SHA (&crypto_openssl.sha256)
#define PATH 4096
#define INDEX_MAX (64u << 20)

static int below(const char *folder, const char *name, char path[PATH])
{
    return snprintf(path, PATH, "%s/%s", folder, name) < PATH
               ? EXIT_DONE
               : fail("%s: the name is too long", folder);
}

/* ---- what is published ---- */

static int verify(const struct operator* o, const struct update_options *p, const char *path,
                  struct release_file_read *manifest)
{
    struct release_file_read set;
    size_t good;
    int err;

    if (update_read_set(o, RELEASE_ROLE_RELEASE, p->release_keys, &set) != EXIT_DONE ||
        release_file_read_a(path, RELEASE_A_MANIFEST, manifest) != 0)
        return EXIT_FAILED;
    err = release_verify(SHA, &evidence_openssl, &release_manifest_kind, &manifest->seen,
                         &set.is.keys, &good);
    if (err == KAPU_EAUTH)
        return fail("%s: not verified: %zu of the release keys signed it, of which %u must", path,
                    good, set.is.keys.threshold);
    return err == 0 ? EXIT_DONE : fail("%s: its signatures cannot be verified", path);
}

static int index_end(const struct part *index, uint64_t *end)
{
    const struct bytes all = part_read_all(index);
    struct release_index x;
    uint32_t at = 0, n = 0;
    int err = all.p != NULL ? release_index_decode(all, &x) : KAPU_EIO;

    if (err == 0)
        err = release_frame(&x, release_frames(&x) - 1, &at, &n);
    *end = (uint64_t)at + n;
    free((void *)all.p);
    return err;
}

/* That the payload ends where its index says. */
static int check_end(const char *index, const char *payload, const uint8_t *key)
{
    struct part x = {0}, p = {0};
    char why[PACKAGE_WHY];
    uint64_t end = 0;
    int status;

    if (part_open(index, INDEX_MAX, key, &x, why) != 0 ||
        part_open(payload, RELEASE_SIZE_MAX - 1, key, &p, why) != 0)
        status = fail("%s", why);
    else if (index_end(&x, &end) != 0)
        status = fail("%s: not an index of a payload", index);
    else
        status = p.n == end ? EXIT_DONE : fail("%s: has other bytes than the index says", payload);
    part_close(&x);
    part_close(&p);
    return status;
}

/* `key`: gets that of a release that is encrypted. */
static int read_key(const char *folder, const struct release_manifest *m,
                    uint8_t key[CIPHER_KEY_SIZE])
{
    char path[PATH], why[PACKAGE_WHY];

    if (!m->encrypted)
        return EXIT_DONE;
    if (below(folder, RELEASE_KEY_FILE, path) != EXIT_DONE)
        return EXIT_FAILED;
    return release_key_read(path, m, key, why) == 0 ? EXIT_DONE : fail("%s", why);
}

static int check_content(const char *folder, const struct release_manifest *m, const uint8_t *key)
{
    char index[PATH], payload[PATH], why[PACKAGE_WHY];
    const struct rebuild r = {.index = index, .payload = payload, .key = key};
    struct install_figures figures;

    if (below(folder, "index", index) != EXIT_DONE ||
        below(folder, "payload", payload) != EXIT_DONE)
        return EXIT_FAILED;
    if (rebuild_release(m, &r, &figures, NULL, why) != 0)
        return fail("%s", why);
    return check_end(index, payload, key);
}

/* A patch, or the index of one, as the key opens it. Nobody believes patches; but one that is not
 * encrypted would give away the content. */
static bool opens(const char *path, const uint8_t *key)
{
    static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd}; /* of Zstandard (RFC 8878, 3.1.1) */
    const size_t n = strlen(path), end = strlen(".index");
    uint8_t first[sizeof(magic)];
    struct release_patch patch;
    struct part p = {0};
    char why[PACKAGE_WHY];
    struct bytes all;
    bool good = part_open(path, RELEASE_SIZE_MAX - 1, key, &p, why) == 0;

    if (good && n > end && strcmp(path + n - end, ".index") == 0) {
        all = part_read_all(&p);
        good = all.p != NULL && release_patch_decode(all, &patch) == 0;
        free((void *)all.p);
    } else if (good) {
        good =
            part_read(&p, 0, first, sizeof(first)) == 0 && memcmp(first, magic, sizeof(magic)) == 0;
    }
    part_close(&p);
    return good;
}

static int check_patches(const char *folder, const uint8_t *key)
{
    DIR *d = opendir(folder);
    const struct dirent *entry;
    int status = EXIT_DONE;
    char path[PATH];

    if (d == NULL)
        return fail("%s: %s", folder, strerror(errno));
    while (status == EXIT_DONE && (entry = readdir(d)) != NULL) {
        if (!webroot_is_patch(entry->d_name))
            continue;
        status = below(folder, entry->d_name, path);
        if (status == EXIT_DONE && !opens(path, key))
            status = fail("%s: is not encrypted with the key of this release: remove it, or make "
                          "it again (kapu release patch)",
                          path);
    }
    closedir(d);
    return status;
}

/* ---- its folder ---- */

static bool is_folder_name(const char *name)
{
    const size_t n = strlen(name);

    return n >= 1 && n <= PROTOCOL_FOLDER_MAX && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == n;
}

static void plain(char *name)
{
    for (char *c = name; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
        else if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-", *c) == NULL)
            *c = '-';
    }
    if (name[0] == '.')
        name[0] = '-';
}

static int name_folder(const struct update_options *p, struct store_release *r)
{
    char made[RELEASE_CLASS_MAX + RELEASE_VERSION_MAX + 2];

    snprintf(made, sizeof(made), "%s-%s", r->product, r->version);
    plain(made);
    if (p->folder != NULL && !is_folder_name(p->folder))
        return fail("--folder takes 1 to %u characters: a-z, 0-9, '-' and '.', and no '.' in front",
                    PROTOCOL_FOLDER_MAX);
    if (p->folder == NULL && !is_folder_name(made))
        return fail("'%s' is too long for a folder: name another one with --folder", made);
    snprintf(r->folder, sizeof(r->folder), "%s", p->folder != NULL ? p->folder : made);
    return EXIT_DONE;
}

/* ---- the command ---- */

static int describe(const struct release_file_read *manifest, struct store_release *r)
{
    const struct release_manifest *m = &manifest->is.manifest;
    struct wr w;

    memset(r, 0, sizeof(*r));
    if (release_digest(SHA, manifest->seen.content, r->digest) != 0)
        return fail("SHA-256 failed");
    memcpy(r->identity, m->identity, sizeof(r->identity));
    r->counter = m->counter;
    r->approval = m->approval;
    snprintf(r->version, sizeof(r->version), "%.*s", (int)m->version.n, m->version.p);
    snprintf(r->hardware, sizeof(r->hardware), "%.*s", (int)m->hardware.n, m->hardware.p);
    snprintf(r->product, sizeof(r->product), "%.*s", (int)m->product.n, m->product.p);
    wr_init(&w, r->manifest, sizeof(r->manifest));
    if (release_signed_encode(&release_manifest_kind, &manifest->seen, &w) != 0)
        return fail("the manifest cannot be encoded");
    r->manifest_n = w.at;
    return EXIT_DONE;
}

/* The key first: what is published can be rolled out. */
static int record(const struct operator* o, const struct update_options *p, struct store_release *r,
                  const uint8_t *key)
{
    struct store *store = o->fleet.store;
    char digest[HEX_MAX];
    bool known = false;
    int err;

    if (key != NULL && update_key_keep(o, r, key) != EXIT_DONE)
        return EXIT_FAILED;
    r->published_ms = fleet_now_ms(&o->fleet);
    err = store->ops->updates->release_add(store, r, &known);
    if (err == KAPU_EPIN)
        return fail(known ? "this release was published before, in another folder"
                          : "folder %s: another release was published there",
                    r->folder);
    if (err != 0)
        return update_store_failed(o);
    hex(r->digest, sizeof(r->digest), digest);
    if (p->json) {
        printf("{");
        json_member(stdout, "release", digest);
        json_member(stdout, "version", r->version);
        json_member(stdout, "product", r->product);
        json_member(stdout, "hardware", r->hardware);
        json_member(stdout, "folder", r->folder);
        printf("\"counter\": %u, \"known\": %s}\n", r->counter, known ? "true" : "false");
    } else {
        printf("release %s (%s, %s, security counter %u)%s\n  folder  %s\n  digest  %s\n",
               r->version, r->product, r->hardware, r->counter,
               known ? " was published before" : " is published", r->folder, digest);
    }
    return EXIT_DONE;
}

int update_publish(struct operator* o, const struct update_options *p, const char *folder)
{
    struct release_file_read *manifest = calloc(1, sizeof(*manifest));
    struct store_release *r = calloc(1, sizeof(*r));
    const struct release_manifest *m = NULL;
    uint8_t key[CIPHER_KEY_SIZE] = {0};
    int lock = -1, status = EXIT_FAILED;
    char path[PATH];

    if (manifest != NULL)
        m = &manifest->is.manifest;
    if (manifest == NULL || r == NULL)
        (void)fail("no memory");
    else if (below(folder, "manifest", path) == EXIT_DONE &&
             verify(o, p, path, manifest) == EXIT_DONE && read_key(folder, m, key) == EXIT_DONE &&
             check_content(folder, m, m->encrypted ? key : NULL) == EXIT_DONE &&
             (!m->encrypted || check_patches(folder, key) == EXIT_DONE) &&
             describe(manifest, r) == EXIT_DONE && name_folder(p, r) == EXIT_DONE &&
             update_lock(o, 0, &lock) == EXIT_DONE &&
             (p->to == NULL || webroot_put(p->to, folder, r->folder) == EXIT_DONE))
        status = record(o, p, r, m->encrypted ? key : NULL);
    kapu_wipe(key, sizeof(key));
    if (lock >= 0)
        close(lock);
    free(r);
    free(manifest);
    return status;
}
