// SPDX-License-Identifier: Apache-2.0
/* The readers of a gateway's own files, natively: read_gateway_files settings|identity FILE. Prints
 * what it says and ends with 0, or with 1 after the reason. */
#include <stdio.h>
#include <string.h>

#include "gateway_settings.h"
#include "identity_file.h"

static int settings(const char *path)
{
    struct gateway_settings s;
    char why[512];

    if (!gateway_settings_read(path, &s, why, sizeof(why))) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    printf("%s %s %d %d %s\n", s.host, s.name, s.port, s.enrol_port, s.releases);
    return 0;
}

static int identity(const char *path)
{
    char why[512], name[128];
    X509 *x = identity_file_read(path, why, sizeof(why));

    if (x == NULL) {
        fprintf(stderr, "%s\n", why[0] != '\0' ? why : "there is none");
        return 1;
    }
    printf("%s\n", X509_NAME_oneline(X509_get_subject_name(x), name, sizeof(name)));
    X509_free(x);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    return strcmp(argv[1], "settings") == 0 ? settings(argv[2]) : identity(argv[2]);
}
