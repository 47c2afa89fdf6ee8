// SPDX-License-Identifier: Apache-2.0
#include "release_make.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"
#include "newfile.h"
#include "patch.h"
#include "payload.h"
#include "rebuild.h"
#include "release_file.h"
#include "release_key.h"

#define SHA (&crypto_openssl.sha256)
#define DAY_MS 86400000ull
#define PATH 4096
#define MANIFEST "manifest"
#define INDEX "index"
#define PAYLOAD "payload"

/* Now, or the date that a reproducible build gives (SOURCE_DATE_EPOCH). */
static uint64_t made_ms(void)
{
    const char *given = getenv("SOURCE_DATE_EPOCH");
    struct timespec t;

    if (given != NULL && given[0] != '\0')
        return strtoull(given, NULL, 10) * 1000;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct bytes text(const char *s)
{
    return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* `key_check`: NULL: it is not encrypted. */
static struct release_manifest manifest_of(const struct package *p, const struct release_parts *r,
                                           const struct release_file *index,
                                           const uint8_t *key_check)
{
    struct release_manifest m = {
        .version = text(r->version),
        .hardware = text(r->hardware),
        .product = text(r->product),
        .counter = p->counter,
        .counter_from = r->counter_from,
        .made_ms = made_ms(),
        .firmware = p->firmware,
        .root = {.size = p->root_size},
        .index = *index,
        .approval = !r->no_approval,
        .encrypted = key_check != NULL,
    };

    m.expires_ms = m.made_ms + r->expires_days * DAY_MS;
    memcpy(m.identity, p->identity, sizeof(m.identity));
    memcpy(m.root.salt, p->root_salt, sizeof(m.root.salt));
    memcpy(m.root.hash, p->root_hash, sizeof(m.root.hash));
    if (key_check != NULL)
        memcpy(m.key_check, key_check, sizeof(m.key_check));
    return m;
}

static int write_manifest(const char *path, const struct release_manifest *m)
{
    uint8_t content[RELEASE_CONTENT_MAX];
    struct release_signed s = {0};
    struct wr w;

    wr_init(&w, content, sizeof(content));
    if (release_manifest_encode(m, &w) != 0)
        return fail("a manifest cannot say that: --version takes 1 to %u printable characters, "
                    "--hardware and --product 1 to %u; --from-counter is at most the firmware's "
                    "security counter, which is %u",
                    RELEASE_VERSION_MAX, RELEASE_CLASS_MAX, m->counter);
    s.content = wr_done(&w);
    return release_file_write(path, RELEASE_A_MANIFEST, &s) == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* A line each 30 s, or when a terminal looks on each time it changes. */
struct teller {
    time_t told;
    unsigned percent;
};

static void tell(void *ctx, unsigned percent)
{
    struct teller *t = ctx;
    const time_t now = time(NULL);

    if (percent == t->percent || (!isatty(STDERR_FILENO) && now - t->told < 30))
        return;
    t->percent = percent;
    t->told = now;
    fprintf(stderr, isatty(STDERR_FILENO) ? "\r  payload %3u %%%s" : "  payload %u %%%s\n", percent,
            percent == 100 && isatty(STDERR_FILENO) ? "\n" : "");
}

static const char *below(const char *folder, const char *name, char to[PATH])
{
    return snprintf(to, PATH, "%s/%s", folder, name) < PATH ? to : NULL;
}

/* All three files into a folder that is thrown away if one of them fails. `key`: NULL: they are not
 * encrypted. */
static int make_files(const struct package *p, const struct release_parts *r, const char *folder,
                      const uint8_t *key, const uint8_t *key_check)
{
    char payload[PATH], index[PATH], manifest[PATH], why[PACKAGE_WHY];
    struct teller teller = {.told = time(NULL)};
    const struct payload_options options = {
        .level = r->level, .told = tell, .ctx = &teller, .key = key};
    struct release_file found;
    struct release_manifest m;
    int status;

    if (below(folder, PAYLOAD, payload) == NULL || below(folder, INDEX, index) == NULL ||
        below(folder, MANIFEST, manifest) == NULL)
        return fail("%s: the name is too long", folder);
    /* what cannot be said in a manifest is found out before the long work */
    found = (struct release_file){.size = 1};
    m = manifest_of(p, r, &found, key_check);
    status = write_manifest(manifest, &m);
    if (status != EXIT_DONE)
        return status;
    if (payload_make(p, r->firmware, r->root, payload, index, &found, &options, why) != 0)
        return fail("%s", why);
    m = manifest_of(p, r, &found, key_check);
    return write_manifest(manifest, &m);
}

static int make_in(const struct package *p, const struct release_parts *r, const char *folder)
{
    uint8_t key[CIPHER_KEY_SIZE], check[CIPHER_CHECK_SIZE];
    char path[PATH], why[PACKAGE_WHY];
    int status;

    if (!r->encrypt)
        return make_files(p, r, folder, NULL, NULL);
    if (below(folder, RELEASE_KEY_FILE, path) == NULL)
        return fail("%s: the name is too long", folder);
    if (release_key_make(path, key, why) != 0)
        return fail("%s", why);
    status = cipher_check(SHA, key, check) == 0 ? make_files(p, r, folder, key, check)
                                                : fail("SHA-256 failed");
    kapu_wipe(key, sizeof(key));
    return status;
}

int release_make(const struct release_parts *r, const char *folder)
{
    char why[PACKAGE_WHY], making[PATH];
    struct package p;
    int status, fd, left;

    if (r->firmware == NULL || r->root == NULL || r->version == NULL || r->hardware == NULL ||
        r->product == NULL)
        return EXIT_USAGE;
    if (snprintf(making, sizeof(making), "%s" NEWFILE_ENDING, folder) >= PATH)
        return fail("%s: the name is too long", folder);
    if (access(folder, F_OK) == 0)
        return fail("%s: is there already", folder);
    if (package_read_firmware(&p, r->firmware, why) != 0 ||
        package_check_root(&p, r->root, why) != 0)
        return fail("%s", why);
    fd = newfolder_begin(making, 0777, &left);
    if (fd < 0)
        return fail("%s: %s", making, newfile_fault());
    status = make_in(&p, r, making);
    if (status == EXIT_DONE && newfolder_keep(fd, making, folder) != 0)
        status = fail("%s: %s", folder, strerror(errno));
    newfolder_end(fd, making, left, status == EXIT_DONE);
    if (status != EXIT_DONE)
        return status;
    printf("%s: release %s, security counter %u; nobody has signed its manifest yet\n", folder,
           r->version, p.counter);
    if (r->encrypt)
        printf("%s/" RELEASE_KEY_FILE
               ": its key: keep it, and keep it from the server of releases\n",
               folder);
    return EXIT_DONE;
}

/* ---- rebuilding ---- */

/* A release's folder, and what another release is that a gateway has. */
struct folder {
    char payload[PATH], index[PATH], patch[PATH], patch_index[PATH];
    struct release_file_read manifest;
    struct package from;
    struct content have;
    uint8_t key[CIPHER_KEY_SIZE];
};

static void folder_close(struct folder *f)
{
    free(f->have.p);
    kapu_wipe(f->key, sizeof(f->key));
}

/* Of one that is encrypted. */
static int folder_key(struct folder *f, const char *folder)
{
    char path[PATH], why[PACKAGE_WHY];

    if (!f->manifest.is.manifest.encrypted)
        return EXIT_DONE;
    if (below(folder, RELEASE_KEY_FILE, path) == NULL)
        return fail("%s: the name is too long", folder);
    return release_key_read(path, &f->manifest.is.manifest, f->key, why) == 0 ? EXIT_DONE
                                                                              : fail("%s", why);
}

/* NULL: what gateways fetch of it is not encrypted. */
static const uint8_t *key_of(const struct folder *f)
{
    return f->manifest.is.manifest.encrypted ? f->key : NULL;
}

/* Of no release that a gateway has: `have` stays empty. 0 or EXIT_FAILED; folder_close after
 * both. */
static int folder_open(struct folder *f, const char *folder, const struct release_parts *have)
{
    char path[PATH], why[PACKAGE_WHY], name[PATH], text[HEX_MAX];

    f->have = (struct content){0};
    if (below(folder, PAYLOAD, f->payload) == NULL || below(folder, INDEX, f->index) == NULL ||
        below(folder, MANIFEST, path) == NULL)
        return fail("%s: the name is too long", folder);
    if (release_file_read_a(path, RELEASE_A_MANIFEST, &f->manifest) != 0)
        return EXIT_FAILED;
    if (folder_key(f, folder) != EXIT_DONE)
        return EXIT_FAILED;
    if (have->root == NULL)
        return EXIT_DONE;
    if (package_read_firmware(&f->from, have->firmware, why) != 0 ||
        package_check_root(&f->from, have->root, why) != 0 ||
        content_read(&f->have, &f->from, have->firmware, have->root, why) != 0)
        return fail("%s", why);
    snprintf(name, sizeof(name), "patch-%s", hex(f->from.identity, RELEASE_PATCH_NAME, text));
    if (below(folder, name, f->patch) == NULL ||
        snprintf(f->patch_index, PATH, "%s.index", f->patch) >= PATH)
        return fail("%s: the name is too long", folder);
    return EXIT_DONE;
}

static void told(const char *folder, const struct install_figures *f,
                 const struct release_manifest *m, bool json)
{
    const uint64_t whole = m->root.size + m->firmware.size;

    if (json)
        printf("{\"bytes\": %" PRIu64 ", \"index_bytes\": %" PRIu64 ", \"frames\": %" PRIu32
               ", \"patched\": %" PRIu32 ", \"spoiled\": %" PRIu32 ", \"blocks_fetched\": %" PRIu32
               ", \"blocks_copied\": %" PRIu32 ", \"content_bytes\": %" PRIu64 "}\n",
               f->bytes, m->index.size, f->frames, f->patched, f->spoiled, f->fetched, f->copied,
               whole);
    else
        printf("%s: rebuilt, as the manifest says\n"
               "  fetched  %" PRIu64 " bytes in %" PRIu32 " frames, %" PRIu32
               " of them of a patch; and the index of %" PRIu64 " bytes\n"
               "  blocks   %" PRIu32 " fetched, %" PRIu32 " taken from what was there\n"
               "  content  %" PRIu64 " bytes\n",
               folder, f->bytes, f->frames, f->patched, m->index.size, f->fetched, f->copied,
               whole);
}

int release_rebuild(const char *folder, const struct release_parts *have, bool json)
{
    char why[PACKAGE_WHY];
    struct folder f;
    int status = folder_open(&f, folder, have);

    if (status == EXIT_DONE) {
        const struct rebuild r = {.index = f.index,
                                  .payload = f.payload,
                                  .patch = have->root != NULL ? f.patch : NULL,
                                  .patch_index = f.patch_index,
                                  .have = have->root != NULL ? &f.have : NULL,
                                  .key = key_of(&f)};
        struct install_figures figures;

        if (rebuild_release(&f.manifest.is.manifest, &r, &figures, NULL, why) == 0)
            told(folder, &figures, &f.manifest.is.manifest, json);
        else
            status = fail("%s", why);
    }
    folder_close(&f);
    return status;
}

static int patch_in(const char *folder, struct folder *f, struct content *content, int level)
{
    char why[PACKAGE_WHY];
    struct teller teller = {.told = time(NULL)};
    const struct payload_options options = {
        .level = level, .told = tell, .ctx = &teller, .key = key_of(f)};
    struct patch_made made;
    int err = patch_make(f->from.identity, &f->have, content, f->patch, f->patch_index, &options,
                         &made, why);

    if (err == KAPU_ENOENT)
        return fail("%s: a gateway that has all of it lacks nothing: there is nothing to patch",
                    folder);
    if (err != 0)
        return fail("%s", why);
    printf("%s: %" PRIu64 " bytes in %" PRIu32 " frames\n", f->patch, made.bytes, made.frames);
    return EXIT_DONE;
}

int release_patch(const char *folder, const struct release_parts *have)
{
    char why[PACKAGE_WHY];
    struct content content = {0};
    struct folder f;
    int status = folder_open(&f, folder, have);

    if (status == EXIT_DONE) {
        const struct rebuild r = {.index = f.index, .payload = f.payload, .key = key_of(&f)};
        struct install_figures figures;

        status = rebuild_release(&f.manifest.is.manifest, &r, &figures, &content, why) == 0
                     ? patch_in(folder, &f, &content, have->level)
                     : fail("%s", why);
    }
    free(content.p);
    folder_close(&f);
    return status;
}

/* ---- parts ---- */

int release_check_parts(const struct release_manifest *m, const struct release_parts *r)
{
    char why[PACKAGE_WHY];
    struct package p = {.root_size = m->root.size};

    memcpy(p.root_salt, m->root.salt, sizeof(p.root_salt));
    memcpy(p.root_hash, m->root.hash, sizeof(p.root_hash));
    if (r->root != NULL && package_check_root(&p, r->root, why) != 0)
        return fail("%s", why);
    if (r->firmware == NULL)
        return EXIT_DONE;
    if (package_read_firmware(&p, r->firmware, why) != 0)
        return fail("%s", why);
    if (p.firmware.size != m->firmware.size ||
        memcmp(p.firmware.sha256, m->firmware.sha256, sizeof(p.firmware.sha256)) != 0)
        return fail("%s: is not the firmware package of this release", r->firmware);
    if (memcmp(p.identity, m->identity, sizeof(p.identity)) != 0 || p.counter != m->counter ||
        p.root_size != m->root.size || memcmp(p.root_hash, m->root.hash, 32) != 0 ||
        memcmp(p.root_salt, m->root.salt, 32) != 0)
        return fail("%s: says another identity, counter or root image than the manifest",
                    r->firmware);
    return EXIT_DONE;
}
