// SPDX-License-Identifier: Apache-2.0
/* kapu update publish: a release that was signed by enough comes to the server of releases and to
 * the store. What gateways may be reading is never changed. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"
#include "mapped.h"
#include "rebuild.h"
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

/* That the payload ends where its index says. */
static int check_end(const char *index, const char *payload)
{
    struct mapped file = {0};
    struct release_index x;
    char why[PACKAGE_WHY];
    uint32_t at = 0, n = 0;
    struct stat s;
    int err = mapped_open(index, INDEX_MAX, &file, why);

    if (err != 0)
        return fail("%s", why);
    err = release_index_decode((struct bytes){file.p, file.n}, &x);
    if (err == 0)
        err = release_frame(&x, release_frames(&x) - 1, &at, &n);
    mapped_close(&file);
    if (err != 0)
        return fail("%s: is no index", index);
    return stat(payload, &s) == 0 && (uint64_t)s.st_size == (uint64_t)at + n
               ? EXIT_DONE
               : fail("%s: has other bytes than the index says", payload);
}

static int check_content(const char *folder, const struct release_manifest *m)
{
    char index[PATH], payload[PATH], why[PACKAGE_WHY];
    const struct rebuild r = {.index = index, .payload = payload};
    struct install_figures figures;

    if (below(folder, "index", index) != EXIT_DONE ||
        below(folder, "payload", payload) != EXIT_DONE)
        return EXIT_FAILED;
    if (rebuild_release(m, &r, &figures, NULL, why) != 0)
        return fail("%s", why);
    return check_end(index, payload);
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

static int record(const struct operator* o, const struct update_options *p, struct store_release *r)
{
    struct store *store = o->fleet.store;
    char digest[HEX_MAX];
    bool known = false;
    int err;

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
    int lock = -1, status = EXIT_FAILED;
    char path[PATH];

    if (manifest == NULL || r == NULL)
        (void)fail("no memory");
    else if (below(folder, "manifest", path) == EXIT_DONE &&
             verify(o, p, path, manifest) == EXIT_DONE &&
             check_content(folder, &manifest->is.manifest) == EXIT_DONE &&
             describe(manifest, r) == EXIT_DONE && name_folder(p, r) == EXIT_DONE &&
             update_lock(o, 0, &lock) == EXIT_DONE &&
             (p->to == NULL || webroot_put(p->to, folder, r->folder) == EXIT_DONE))
        status = record(o, p, r);
    if (lock >= 0)
        close(lock);
    free(r);
    free(manifest);
    return status;
}
