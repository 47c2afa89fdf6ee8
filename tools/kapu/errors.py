# SPDX-License-Identifier: Apache-2.0
"""Errors that a person can act on, and how every command ends on one."""

import os
import sys


class KapuError(Exception):
    """Something is wrong that the user can mend; the message says what and where."""


def run_main(main, *, tells: bool = True) -> None:
    """Run a command's main function; a KapuError becomes one clear line and status 1. A signal ends it when everything
    has been cleaned up. `tells`: that it runs, when it prints nothing for a while."""
    from . import ending  # what needs only the error does not need this
    try:
        with ending.caught(), ending.telling(tells):
            status = main()
            sys.stdout.flush()
        sys.exit(status)
    except KapuError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    except ending.Ended as ended:
        sys.stderr.write("interrupted\n")
        ending.end_by(ended.number)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads what is left in the buffer
        sys.stderr.write("error: nobody reads the output any more\n")
        sys.exit(1)
