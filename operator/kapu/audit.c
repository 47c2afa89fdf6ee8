// SPDX-License-Identifier: Apache-2.0
/* kapu audit: what the operator's people did that no gateway can prove. */
#include <getopt.h>
#include <stdlib.h>

#include "commands.h"
#include "operator.h"

static const char help[] =
    "usage: kapu audit [--json] [--operator DIR]\n\n"
    "Shows who enrolled a gateway without a board record and why, who renewed one, and who added "
    "or\n"
    "removed board records. Nothing removes a line of it, not even kapu forget.\n\n"
    "  --json          for machines\n"
    "  --operator DIR  the operator's folder\n";

struct show {
    bool json;
    unsigned shown;
};

static int print(void *ctx, const struct store_audit *a)
{
    struct show *s = ctx;
    char when[32];

    if (s->json) {
        printf("%s{", s->shown > 0 ? ",\n " : "");
        json_member(stdout, "time", operator_time(a->at_ms, when));
        json_member(stdout, "user", a->user);
        json_member(stdout, "what", a->what);
        json_member(stdout, "subject", a->subject);
        printf("\"why\": ");
        verifier_print_string(stdout, a->why);
        printf("}");
    } else {
        printf("%s  %-12s  %s: %s%s%s\n", operator_time(a->at_ms, when), a->user, a->subject,
               a->what, a->why[0] != '\0' ? ": " : "", a->why);
    }
    s->shown++;
    return 0;
}

int command_audit(int argc, char **argv)
{
    static const struct option known[] = {
        {"operator", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *folder = NULL;
    struct operator o = {0};
    struct show s = {0};
    int c, status = EXIT_FAILED;

    while ((c = getopt_long(argc, argv, "h", known, NULL)) == 'o' || c == 'j') {
        if (c == 'o')
            folder = optarg;
        else
            s.json = true;
    }
    if (c == 'h') {
        fputs(help, stdout);
        return EXIT_DONE;
    }
    if (c == -1 && optind != argc)
        (void)fail("audit takes no words but its options, and not '%s'", argv[optind]);
    if (c != -1 || optind != argc) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (operator_open_to_read(&o, folder) == 0) {
        struct store *store = o.fleet.store;

        printf("%s", s.json ? "[" : "");
        status = store->ops->audits(store, print, &s) == 0 ? EXIT_DONE
                                                           : fail("the store: %s", store->said);
        printf("%s", s.json && status == EXIT_DONE ? "]\n" : "");
    }
    operator_close(&o);
    return status;
}
