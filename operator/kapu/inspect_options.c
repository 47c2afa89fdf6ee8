// SPDX-License-Identifier: Apache-2.0
#include "inspect_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: kapu inspect [OPTION]... FILE\n"
    "       kapu inspect [OPTION]... --live NAME\n"
    "\n"
    "Looks into the memory of a gateway and compares it with its signed release. FILE is an ELF "
    "core,\n"
    "a kdump or LiME file, or raw RAM starting at 0x40000000 or 0. NAME is a gateway of\n"
    "tools/gateway (build/gateways/NAME) or its folder; it is stopped while being looked at, and "
    "looked\n"
    "at up to three times: a finding is what each look saw. Memory that a FILE lacks is not a "
    "finding.\n"
    "\n"
    "  --release FOLDER  where kernel.profile and allow.list are, and reference.cbor for\n"
    "                    names of places in the kernel (default: build/gateway, or the\n"
    "                    flavour of the gateway NAME)\n"
    "  --profile FILE    kernel profile, instead of the release's\n"
    "  --allow FILE      allow-list, instead of the release's\n"
    "  --picture FILE    what each page of memory is, as SVG, with the findings in it\n"
    "  --json            everything as JSON\n"
    "  --quiet           findings only\n"
    "\n"
    "Exit status: 0 nothing found, 1 findings, 2 could not inspect all of it, and nothing found.\n";

static int take(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"live", required_argument, NULL, 'l'},
        {"release", required_argument, NULL, 'r'},
        {"profile", required_argument, NULL, 'p'},
        {"allow", required_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},
        {"quiet", no_argument, NULL, 'q'},
        {"picture", required_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'l':
            o->live = optarg;
            break;
        case 'r':
            o->release = optarg;
            break;
        case 'p':
            o->profile = optarg;
            break;
        case 'a':
            o->allow = optarg;
            break;
        case 'i':
            o->picture = optarg;
            break;
        case 'j':
            o->json = true;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(0);
        default:
            return -1;
        }
    }
    if (optind < argc)
        o->file = argv[optind++];
    if (o->file == NULL && o->live == NULL)
        fprintf(stderr, "kapu: inspect what? Give a FILE, or --live and a NAME\n");
    else if (optind < argc)
        fprintf(stderr, "kapu: %s: one FILE at a time\n", argv[optind]);
    else if (o->file != NULL && o->live != NULL)
        fprintf(stderr, "kapu: a FILE or --live, not both\n");
    else
        return 0;
    return -1;
}

int options_parse(int argc, char **argv, struct options *o)
{
    if (take(argc, argv, o) == 0)
        return 0;
    fputs(help, stderr);
    return -1;
}
