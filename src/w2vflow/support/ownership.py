"""Folders of the user's own: code that is kept to be run lies in no other."""

import os
import stat
from pathlib import Path

__all__ = ["is_own_folder"]


def is_own_folder(folder: Path, code: Path | None = None) -> bool:
    """Return whether no other user but root can write to a folder, nor put another in its place.

    The folder in which it lies may be one that all can write to, if nobody can remove what others have there,
    as in `/tmp`. Of systems without such owners nothing is known: any folder will do.

    Args:
        folder: one that exists.
        code: a file of the program: who owns it decides what is run anyway.
    """
    if not hasattr(os, "geteuid"):
        return True
    owners = {os.geteuid(), 0} | ({code.stat().st_uid} if code is not None and code.exists() else set())
    own, around = folder.stat(), folder.resolve().parent.stat()
    if {own.st_uid, around.st_uid} - owners or _others_write(own):
        return False
    return bool(around.st_mode & stat.S_ISVTX) or not _others_write(around)


def _others_write(found: os.stat_result) -> bool:
    by_group = found.st_mode & stat.S_IWGRP and not _is_of_this_user_alone(found.st_gid)
    return bool(found.st_mode & stat.S_IWOTH or by_group)


def _is_of_this_user_alone(group: int) -> bool:
    """Return whether a group is the one that many systems make for each user, of the same name."""
    import grp
    import pwd

    try:
        name, known = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return known.gr_name == name and not {*known.gr_mem} - {name}
