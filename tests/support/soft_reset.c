// SPDX-License-Identifier: Apache-2.0
/*
 * soft_reset DIR IDENTITY-OF-SLOT-0 IDENTITY-OF-SLOT-1: what BL1 does at a reset of the gateway of
 * soft_update.h. Identities are 64 hexadecimal digits; "-": the slot holds nothing that starts.
 * Prints the slot. With no tee/record yet: the factory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "soft_update.h"

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "soft_reset: %s: %m\n", what);
        exit(1);
    }
}

static void identity_of(const char *hex, uint8_t to[RELEASE_DIGEST_SIZE])
{
    for (size_t i = 0; i < RELEASE_DIGEST_SIZE; i++) {
        const char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

        to[i] = (uint8_t)strtoul(two, NULL, 16);
    }
}

static void factory(const char *root, const char *identity)
{
    const struct update_record first = {.trial = false};
    struct bootstate s = {.slot = 0};
    uint8_t record[UPDATE_RECORD_SIZE], state[BOOTSTATE_SIZE];

    if (soft_read(root, "tee/record", record, sizeof(record)))
        return;
    update_record_encode(&first, record);
    identity_of(identity, s.confirmed);
    bootstate_encode(&s, state);
    must(soft_write(root, "tee/record", record, sizeof(record)) &&
             soft_write(root, "tee/state", state, sizeof(state)),
         "tee");
}

static void make_link(const char *root, const char *name, unsigned int slot, const char *part)
{
    char path[512], to[64];

    (void)snprintf(path, sizeof(path), "%s/dev/kapu/%s", root, name);
    (void)snprintf(to, sizeof(to), "../../slot/%u.%s", slot, part);
    (void)unlink(path);
    must(symlink(to, path) == 0, path);
}

int main(int argc, char **argv)
{
    const char *root = argv[1];
    struct bootmarks marks = {.current = 0};
    uint8_t encoded[BOOTSTATE_SIZE];
    struct soft_boot b = {.slot = 0};
    struct bootstate s;

    must(argc == 4, "usage");
    factory(root, argv[2]);
    must(soft_read(root, "tee/state", encoded, sizeof(encoded)) &&
             bootstate_decode(encoded, &s) == 0,
         "tee/state");
    (void)bootstate_choose(&s, &marks);
    must(argv[2 + marks.current][0] != '-', "the slot that was chosen does not start");
    bootstate_encode(&s, encoded);
    b.slot = marks.current;
    b.trial = s.trial;
    identity_of(argv[2 + b.slot], b.identity);
    must(bootstate_allows(&s, b.slot, b.identity), "another release is in the slot");
    must(getrandom(b.name, sizeof(b.name), 0) == (ssize_t)sizeof(b.name), "random");
    must(soft_write(root, "tee/state", encoded, sizeof(encoded)) &&
             soft_write(root, "tee/boot", &b, sizeof(b)),
         "tee");
    make_link(root, "root", b.slot, "root");
    make_link(root, "firmware", b.slot, "firmware");
    make_link(root, "other-root", 1u - b.slot, "root");
    make_link(root, "other-firmware", 1u - b.slot, "firmware");
    printf("%u\n", b.slot);
    return 0;
}
