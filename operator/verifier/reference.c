// SPDX-License-Identifier: Apache-2.0
#include "reference.h"

#include <errno.h>
#include <qcbor/qcbor_decode.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum { FILE_VERSION = 0, FILE_RELEASES = 1, RELEASE = 0, FLAVOUR = 1, COUNTER = 2, PCRS = 3 };
#define FORMAT 1

struct in {
    QCBORDecodeContext q;
    int err;
};

/* The next item must be of that type and, in a map, have that label; label < 0: in an array. */
static QCBORItem next(struct in *in, uint8_t type, int label)
{
    QCBORItem item = {0};

    if (in->err == 0 &&
        (QCBORDecode_GetNext(&in->q, &item) != QCBOR_SUCCESS || item.uDataType != type ||
         (label >= 0 && (item.uLabelType != QCBOR_TYPE_INT64 || item.label.int64 != label)))) {
        item = (QCBORItem){0};
        in->err = KAPU_EINVAL;
    }
    return item;
}

static void fail(struct in *in, int err)
{
    if (in->err == 0)
        in->err = err;
}

static size_t open_list(struct in *in, uint8_t type, int label)
{
    return next(in, type, label).val.uCount;
}

static void get_text(struct in *in, int label, char to[VERIFIER_NAME_MAX])
{
    QCBORItem item = next(in, QCBOR_TYPE_TEXT_STRING, label);
    const char *text = item.val.string.ptr;
    size_t n = item.val.string.len;

    if (in->err != 0 || text == NULL || n == 0 || n >= VERIFIER_NAME_MAX) {
        fail(in, KAPU_EINVAL);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e)
            fail(in, KAPU_EINVAL);
    }
    memcpy(to, text, n);
    to[n] = '\0';
}

static void get_release(struct in *in, struct verifier_reference *to)
{
    QCBORItem item;

    memset(to, 0, sizeof(*to));
    if (open_list(in, QCBOR_TYPE_MAP, -1) != 4)
        fail(in, KAPU_EINVAL);
    get_text(in, RELEASE, to->release);
    get_text(in, FLAVOUR, to->flavour);
    item = next(in, QCBOR_TYPE_INT64, COUNTER);
    if (item.val.int64 < 0 || item.val.int64 > UINT32_MAX)
        fail(in, KAPU_EINVAL);
    to->counter = (uint32_t)item.val.int64;
    if (open_list(in, QCBOR_TYPE_ARRAY, PCRS) != VERIFIER_MEASURED)
        fail(in, KAPU_EINVAL);
    for (size_t i = 0; i < VERIFIER_MEASURED; i++) {
        item = next(in, QCBOR_TYPE_BYTE_STRING, -1);
        if (in->err == 0 && item.val.string.len == sizeof(to->pcr[i]))
            memcpy(to->pcr[i], item.val.string.ptr, sizeof(to->pcr[i]));
        else
            fail(in, KAPU_EINVAL);
    }
}

int reference_read(struct bytes file, struct verifier_reference *to, size_t most, size_t *n)
{
    struct in in = {0};
    size_t count;

    *n = 0;
    QCBORDecode_Init(&in.q, (UsefulBufC){file.p, file.n}, QCBOR_DECODE_MODE_NORMAL);
    if (open_list(&in, QCBOR_TYPE_MAP, -1) != 2)
        fail(&in, KAPU_EINVAL);
    if (next(&in, QCBOR_TYPE_INT64, FILE_VERSION).val.int64 != FORMAT)
        fail(&in, KAPU_EUNSUPPORTED);
    count = open_list(&in, QCBOR_TYPE_ARRAY, FILE_RELEASES);
    if (in.err == 0 && (count == 0 || count > REFERENCE_RELEASES))
        fail(&in, KAPU_EINVAL);
    if (in.err == 0 && count > most)
        fail(&in, KAPU_ESPACE);
    for (size_t i = 0; i < count && in.err == 0; i++)
        get_release(&in, &to[i]);
    if (in.err == 0 && QCBORDecode_Finish(&in.q) != QCBOR_SUCCESS)
        fail(&in, KAPU_EINVAL);
    if (in.err == 0)
        *n = count;
    return in.err;
}

static int read_file(const char *path, uint8_t *to, size_t *n, char *why, size_t why_n)
{
    FILE *f = fopen(path, "rb");

    if (f == NULL) {
        snprintf(why, why_n, "%s: %s", path, strerror(errno));
        return KAPU_EIO;
    }
    *n = fread(to, 1, REFERENCE_FILE_MAX, f);
    fclose(f);
    return 0;
}

int reference_load(struct store *s, const char *path, size_t *n, char *why, size_t why_n)
{
    uint8_t *file = malloc(REFERENCE_FILE_MAX);
    struct verifier_reference *ref = calloc(REFERENCE_RELEASES, sizeof(*ref));
    size_t size = 0;
    int err = file == NULL || ref == NULL ? KAPU_ESPACE : 0;

    if (err != 0)
        snprintf(why, why_n, "no memory");
    else
        err = read_file(path, file, &size, why, why_n);
    if (err == 0) {
        err = reference_read((struct bytes){file, size}, ref, REFERENCE_RELEASES, n);
        if (err != 0)
            snprintf(why, why_n, "%s is no file of reference values", path);
    }
    if (err == 0) {
        err = s->ops->references_add(s, ref, *n);
        if (err != 0)
            snprintf(why, why_n, "%s", s->said);
    }
    free(ref);
    free(file);
    return err;
}
