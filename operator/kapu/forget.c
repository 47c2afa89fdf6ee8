// SPDX-License-Identifier: Apache-2.0
/* kapu forget: a gateway is not of the fleet any longer, and may be enrolled anew. */
#include <getopt.h>
#include <stdlib.h>

#include "commands.h"
#include "operator.h"

static const char help[] =
    "usage: kapu forget GATEWAY [--operator DIR]\n\n"
    "Removes a gateway and its history from the store. Its certificate stays good for the broker\n"
    "until it runs out, but no evidence of it is asked for or taken. It can be enrolled anew at "
    "any\n"
    "time: kapu enroll GATEWAY.\n";

static int forget(struct operator* o, const char *given)
{
    struct store *store = o->fleet.store;
    struct store_state state;

    if (operator_find_to_remove(o, given, &state) != 0)
        return EXIT_FAILED;
    if (store->ops->gateway_remove(store, state.gateway.name) != 0)
        return fail("the store: %s", store->said);
    printf("%s: forgotten\n", state.gateway.name);
    return operator_set_label(o, state.gateway.name, NULL) == 0 ? EXIT_DONE : EXIT_FAILED;
}

int command_forget(int argc, char **argv)
{
    static const struct option known[] = {
        {"operator", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *folder = NULL;
    struct operator o = {0};
    int c, status = EXIT_FAILED;

    while ((c = getopt_long(argc, argv, "h", known, NULL)) == 'o')
        folder = optarg;
    if (c == 'h') {
        fputs(help, stdout);
        return EXIT_DONE;
    }
    if (c == -1 && optind != argc - 1)
        (void)fail("forget takes one gateway");
    if (c != -1 || optind != argc - 1) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (operator_open(&o, folder) == 0)
        status = forget(&o, argv[optind]);
    operator_close(&o);
    return status;
}
