#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks a kernel with kernel-hardening-checker and holds the result against the listed exceptions.

usage: hardening-report.py --config .config --cmdline FILE --sysctl FILE --exceptions FILE
                           [--checker-path DIR]

cmdline and sysctl are what the running kernel says (probe/probe.sh makes both). Fails when a check
fails that is not in the exceptions file, and when an exception is listed that no longer fails.

One sysctl check has no "or the feature is not built" in the tool. Its value is supplied here when, and
only when, the .config shows that the feature is not there (see ABSENT), and the report says so.
"""

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile

# sysctl -> (what the tool wants, the option without which the kernel has neither the feature nor the key)
ABSENT = {
    "kernel.perf_event_paranoid": ("3", "CONFIG_PERF_EVENTS"),
}
TYPES = ("kconfig", "cmdline", "sysctl")


def read_exceptions(path):
    """NAME, white space, reason; '#' starts a comment line."""
    exceptions = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, reason = line.split(None, 1)
                exceptions[name] = reason.strip()
    return exceptions


def supply_absent(sysctl, config):
    """The sysctl dump, plus the values of keys that the kernel was built without."""
    with open(config, encoding="utf-8") as file:
        options = {line.split("=", 1)[0] for line in file if line.startswith("CONFIG_")}
    with open(sysctl, encoding="utf-8") as file:
        dump = file.read()
    present = {line.split("=", 1)[0].strip() for line in dump.splitlines() if "=" in line}
    for key, (value, option) in ABSENT.items():
        if key not in present and option not in options:
            print(f"note: {key} counts as {value}: {option} is not set, the kernel has no such feature")
            dump += f"{key} = {value}\n"
    return dump


def run_checker(args):
    """The checker's own JSON output: a list of checks with their results."""
    env = dict(os.environ)
    if args.checker_path:
        env["PYTHONPATH"] = args.checker_path
    with tempfile.NamedTemporaryFile("w", suffix=".sysctl", encoding="utf-8") as sysctl:
        sysctl.write(supply_absent(args.sysctl, args.config))
        sysctl.flush()
        result = subprocess.run(
            [sys.executable, "-c", "from kernel_hardening_checker import main; main()",
             "-m", "json", "-c", args.config, "-l", args.cmdline, "-s", sysctl.name],
            env=env, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(result.stdout)


def failures(checks):
    """Failed checks by name, or by NAME=wanted value where several checks share the name."""
    names = collections.Counter(c["option_name"] for c in checks)
    return {
        c["option_name"] if names[c["option_name"]] == 1 else f"{c['option_name']}={c['desired_val']}": c
        for c in checks if not c["check_result"].startswith("OK")
    }


def main():
    parser = argparse.ArgumentParser()
    for name in ("config", "cmdline", "sysctl", "exceptions"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--checker-path")
    args = parser.parse_args()

    exceptions = read_exceptions(args.exceptions)
    checks = run_checker(args)
    failed = failures(checks)
    for kind in TYPES:
        of_kind = [c for c in checks if c["type"] == kind]
        good = sum(c["check_result"].startswith("OK") for c in of_kind)
        print(f"{kind}: {good} of {len(of_kind)} OK")
    for name, check in failed.items():
        print(f"  {name}: {check['check_result']}: {exceptions.get(name, 'NOT LISTED')}")

    unlisted = sorted(set(failed) - set(exceptions))
    stale = sorted(set(exceptions) - set(failed))
    for name in unlisted:
        print(f"error: {name} fails and is not a listed exception", file=sys.stderr)
    for name in stale:
        print(f"error: {name} is a listed exception and does not fail", file=sys.stderr)
    return 1 if unlisted or stale else 0


if __name__ == "__main__":
    sys.exit(main())
