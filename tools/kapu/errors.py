# SPDX-License-Identifier: Apache-2.0
"""Errors that a person can act on, and how every command ends on one."""

import sys


class KapuError(Exception):
    """Something is wrong that the user can mend; the message says what and where."""


def run_main(main) -> None:
    """Run a command's main function; a KapuError becomes one clear line and status 1."""
    try:
        sys.exit(main())
    except KapuError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
