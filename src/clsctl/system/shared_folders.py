"""Warn where others may write to our folders: they would choose the models, and so the answers."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from clsctl.console.messages import print_warning
from clsctl.settings import folders


def warn_of_other_writers() -> None:
    """Warn of each of our folders that others may write to, with the command that mends it."""
    ours = folders()
    for folder in dict.fromkeys((ours.data, ours.cache, ours.config_file.parent)):
        if others := other_writers(folder):
            print_warning(
                f"{others} may change {folder}, and with it what models answer",
                "E_HOME_SHARED",
                f"`chmod go-w {shlex.quote(str(folder))}`, or set CLSCTL_HOME to another folder",
            )


def other_writers(folder: Path, *, has_owners: bool = os.name == "posix") -> str:
    """Say who may write to a folder except us and root; nothing where nobody may.

    A folder that we cannot write to ourselves was made for us by another user, who is trusted. So
    is the group that many systems make for each user, which has no other member.

    Args:
        folder: One of ours, or any other.
        has_owners: Whether files have an owner, a group and bits; on Windows they have lists, which
            are not looked at.
    """
    if not has_owners:
        return ""
    try:
        found = folder.stat()
    except OSError:
        return ""
    if not os.access(folder, os.W_OK):
        return ""
    if found.st_mode & stat.S_IWOTH:
        return "everybody"
    if found.st_uid not in (0, os.geteuid()):
        return f"its owner {_user(found.st_uid)}"
    if found.st_mode & stat.S_IWGRP and not _is_private_group(found.st_gid):
        return f"the group {_group(found.st_gid)}"
    return ""


def _is_private_group(gid: int) -> bool:
    import grp

    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    user = _user(os.geteuid())
    return gid == 0 or (group.gr_name == user and set(group.gr_mem) <= {user})


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
