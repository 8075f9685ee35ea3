"""Report that what a command prints can no longer be written."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys

from clsctl.console.messages import print_error
from clsctl.errors import UsageError
from clsctl.system.os_errors import disk_full

SIGPIPE_STATUS = 141
"""The exit status of a command whose output is a closed pipe: what SIGPIPE (13) gives others."""


def output_failed(error: OSError, as_json: bool) -> int:
    """Report that a disk is full; a reader of standard output who has seen enough is no failure."""
    what = error.filename or ("standard output" if _stdout_can_be_full() else "one of the files")
    sys.stdout = io.StringIO()  # Python would try once more at its end.
    if error.errno == errno.EPIPE:
        return SIGPIPE_STATUS
    failure = disk_full(str(what), error, UsageError)
    print_error(failure, as_json)
    return failure.exit_status


def _stdout_can_be_full() -> bool:
    """Tell whether standard output is a file or a device: terminals and pipes are never full."""
    try:
        mode = os.fstat(sys.stdout.fileno()).st_mode
        return (stat.S_ISREG(mode) or stat.S_ISCHR(mode)) and not sys.stdout.isatty()
    except (OSError, ValueError):
        return False
