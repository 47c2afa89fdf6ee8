// SPDX-License-Identifier: Apache-2.0
#include "release_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "newfile.h"
#include "text.h"

const struct release_about release_about[RELEASE_WHATS] = {
    [RELEASE_A_MANIFEST] = {"release manifest", "a release manifest", &release_manifest_kind,
                            RELEASE_ROLE_RELEASE},
    [RELEASE_A_SET] = {"set of keys", "a set of keys", &release_keys_kind, 0},
    [RELEASE_A_ROLLOUT] = {"rollout", "a rollout", &release_rollout_kind, RELEASE_ROLE_ROLLOUT},
    [RELEASE_A_MEMBERSHIP] = {"membership", "a membership", &release_membership_kind,
                              RELEASE_ROLE_ROLLOUT},
    [RELEASE_AN_APPROVAL] = {"approval", "an approval", &release_approval_kind,
                             RELEASE_ROLE_APPROVAL},
};

const char *const release_role_name[RELEASE_ROLE_APPROVAL + 1] = {"", "release", "rollout",
                                                                  "approval"};

static int content_of(struct release_file_read *f)
{
    const struct bytes in = f->seen.content;
    uint8_t work[RELEASE_CONTENT_MAX];

    switch (f->what) {
    case RELEASE_A_MANIFEST:
        return release_manifest_decode(in, &f->is.manifest, work, sizeof(work));
    case RELEASE_A_SET:
        return release_keys_decode(in, &f->is.keys, work, sizeof(work));
    case RELEASE_A_ROLLOUT:
        return release_rollout_decode(in, &f->is.rollout, work, sizeof(work));
    case RELEASE_A_MEMBERSHIP:
        return release_membership_decode(in, &f->is.membership, work, sizeof(work));
    case RELEASE_AN_APPROVAL:
        break;
    }
    return release_approval_decode(in, &f->is.approval, work, sizeof(work));
}

/* Of which kind n bytes are. */
static int decode(struct release_file_read *f, size_t n)
{
    uint8_t work[RELEASE_SIGNED_MAX];
    int err = KAPU_EUNSUPPORTED;

    for (unsigned i = 0; i < RELEASE_WHATS && err == KAPU_EUNSUPPORTED; i++) {
        f->what = (enum release_what)i;
        err = release_signed_decode(release_about[i].kind, (struct bytes){f->bytes, n}, &f->seen,
                                    work, sizeof(work));
    }
    return err;
}

int release_file_read(const char *path, struct release_file_read *f)
{
    char why[512];
    size_t n;
    int err = whole_file(path, sizeof(f->bytes), f->bytes, &n, why, sizeof(why));

    if (err != 0) {
        (void)fail("%s", why);
        return -1;
    }
    err = decode(f, n);
    if (err != 0) {
        (void)fail("%s: is no file that kapu release makes, or is damaged%s", path,
                   text_format((struct bytes){f->bytes, n}));
        return -1;
    }
    err = content_of(f);
    if (err == 0)
        return 0;
    (void)fail(err == KAPU_EUNSUPPORTED ? "%s: %s in a format that this kapu does not know"
                                        : "%s: %s whose content is damaged",
               path, release_about[f->what].a_name);
    return -1;
}

int release_file_read_a(const char *path, enum release_what what, struct release_file_read *f)
{
    if (release_file_read(path, f) != 0)
        return -1;
    if (f->what == what)
        return 0;
    (void)fail("%s: is %s, not %s", path, release_about[f->what].a_name,
               release_about[what].a_name);
    return -1;
}

static bool has_signed(const struct release_signed *s, const uint8_t kid[EVIDENCE_KID_SIZE])
{
    for (size_t i = 0; i < s->signatures; i++) {
        if (memcmp(s->by[i].kid, kid, EVIDENCE_KID_SIZE) == 0)
            return true;
    }
    return false;
}

int release_file_sign(const char *name, enum release_what what, struct release_signed *s,
                      struct signer *by)
{
    uint8_t digest[32], signature[EVIDENCE_SIGNATURE_SIZE];

    if (has_signed(s, by->kid))
        return fail("%s: is signed by this key already", name);
    if (release_signed_digest(&crypto_openssl.sha256, release_about[what].kind, by->kid, s->content,
                              digest) != 0)
        return fail("%s: SHA-256 failed", name);
    if (signer_sign(by, digest, signature) != 0)
        return EXIT_FAILED;
    if (release_signed_add(s, by->kid, signature) != 0)
        return fail("%s: has %u signatures, which is all that it can have", name,
                    RELEASE_SIGNATURES_MAX);
    return EXIT_DONE;
}

int release_file_may_write(const char *path, enum release_what what)
{
    struct release_file_read f;
    char why[512];
    struct stat s = {0};
    size_t n;

    errno = 0;
    if (lstat(path, &s) != 0 || S_ISDIR(s.st_mode)) {
        if (errno == ENOENT)
            return 0; /* or its folder is not there, which writing says */
        (void)fail("%s: %s", path, S_ISDIR(s.st_mode) ? strerror(EISDIR) : strerror(errno));
        return -1;
    }
    if (!S_ISREG(s.st_mode) ||
        whole_file(path, sizeof(f.bytes), f.bytes, &n, why, sizeof(why)) != 0 || decode(&f, n) != 0)
        (void)fail("%s: is there already, and was not made by kapu release: name another file",
                   path);
    else if (f.what == what && f.seen.signatures == 0)
        return 0;
    else
        (void)fail("%s: is there already: %s, signed by %zu. Name another file, or remove it", path,
                   release_about[f.what].a_name, f.seen.signatures);
    return -1;
}

int release_file_put(struct newfile *to, enum release_what what, const struct release_signed *s)
{
    uint8_t file[RELEASE_SIGNED_MAX];
    struct wr w;
    int err;

    wr_init(&w, file, sizeof(file));
    err = release_signed_encode(release_about[what].kind, s, &w);
    if (err != 0)
        (void)fail("%s: the %s cannot be encoded (error %d)", to->path, release_about[what].name,
                   err);
    else if (newfile_put(to, wr_done(&w)) != 0 || newfile_keep(to) != 0)
        (void)fail("%s: %s", to->path, newfile_fault());
    else
        return 0;
    newfile_drop(to);
    return -1;
}

int release_file_write(const char *path, enum release_what what, const struct release_signed *s)
{
    struct newfile to;

    if (newfile_open(&to, path, 0644) == 0)
        return release_file_put(&to, what, s);
    (void)fail("%s: %s", path, newfile_fault());
    return -1;
}
