"""What a rank's process has of its own: current directory, umask, process id, host name, environment."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from posixpath import realpath
from stat import S_ISDIR
from typing import Any, Final

from simulator.boundary.caller import CURRENT, Caller
from simulator.boundary.calls import Simulated, act, error_of, refuse_call
from simulator.boundary.paths import as_text, outside, target
from simulator.operations import Stat
from simulator.originals import OS

LAUNCHER: Final = 1
"""Process id of the launcher, the parent of every rank, as in a container that runs nothing else."""


def getcwd(caller: Caller) -> str:
    """As ``os.getcwd``."""
    return caller.cwd


def getcwdb(caller: Caller) -> bytes:
    """As ``os.getcwdb``."""
    return os.fsencode(caller.cwd)


def chdir(caller: Caller, path: Any) -> None:
    """As ``os.chdir``. To know the directory's physical path, as getcwd(2) gives it, its links are read one by one."""
    if isinstance(path, int):
        refuse_call(caller, "os.chdir", path)
    where, at = target(caller, path)
    if where is None:
        mode = OS["stat"](outside(caller, path)).st_mode
    else:
        mode = act(caller, Stat(where, True, at), path).mode
    if not S_ISDIR(mode):
        raise error_of(errno.ENOTDIR, path)
    text = as_text(path)
    caller.cwd = realpath(text if text.startswith("/") else f"{caller.cwd}/{text}")


def fchdir(caller: Caller, fd: Any) -> None:
    """A current directory that is known by descriptor only is not simulated: an escape."""
    refuse_call(caller, "os.fchdir", fd)


def chroot(caller: Caller, path: Any) -> None:
    """An escape: the tool's own process would be changed."""
    refuse_call(caller, "os.chroot", path)


def umask(caller: Caller, mask: int) -> int:
    """As ``os.umask``."""
    before = caller.umask
    caller.umask = mask & 0o777
    return before


def getpid(caller: Caller) -> int:
    """As ``os.getpid``."""
    return caller.pid


def getppid(caller: Caller) -> int:
    """As ``os.getppid``: the launcher."""
    return LAUNCHER


def gethostname(caller: Caller) -> str:
    """As ``socket.gethostname`` and ``platform.node``."""
    return caller.hostname


def uname(caller: Caller) -> os.uname_result:
    """As ``os.uname``, with the rank's node name."""
    system, _, release, version, machine = OS["uname"]()
    return os.uname_result((system, caller.hostname, release, version, machine))


def putenv(caller: Caller, key: Any, value: Any) -> None:
    """As ``os.putenv``: only child processes would see it, and a rank has none."""


def unsetenv(caller: Caller, key: Any) -> None:
    """As ``os.unsetenv``: only child processes would see it, and a rank has none."""


# The methods of os.environ and os.environb. The class is patched and not the objects, so that every reference that
# code has taken sees the rank's environment.


def environment_of(caller: Caller) -> dict[str, str]:
    """The rank's environment. Made at the first use, for which the real one must be visible."""
    CURRENT.caller = None
    try:
        return caller.environ
    finally:
        CURRENT.caller = caller


def get_variable(caller: Caller, environ: Any, key: Any) -> Any:
    """As ``os.environ[key]``."""
    name = os.fsdecode(environ.encodekey(key))
    try:
        value = environment_of(caller)[name]
    except KeyError:
        raise KeyError(key) from None
    return environ.decodevalue(os.fsencode(value))


def set_variable(caller: Caller, environ: Any, key: Any, value: Any) -> None:
    """As ``os.environ[key] = value``."""
    environment_of(caller)[os.fsdecode(environ.encodekey(key))] = os.fsdecode(environ.encodevalue(value))


def delete_variable(caller: Caller, environ: Any, key: Any) -> None:
    """As ``del os.environ[key]``."""
    try:
        del environment_of(caller)[os.fsdecode(environ.encodekey(key))]
    except KeyError:
        raise KeyError(key) from None


def iterate_variables(caller: Caller, environ: Any) -> Iterator[Any]:
    """As ``iter(os.environ)``."""
    return iter([environ.decodekey(os.fsencode(name)) for name in environment_of(caller)])


def count_variables(caller: Caller, environ: Any) -> int:
    """As ``len(os.environ)``."""
    return len(environment_of(caller))


def show_variables(caller: Caller, environ: Any) -> str:
    """As ``repr(os.environ)``."""
    return f"environ({{{', '.join(f'{key!r}: {value!r}' for key, value in environ.items())}}})"


FUNCTIONS: Final[dict[str, Simulated]] = {
    "os:getcwd": getcwd,
    "os:getcwdb": getcwdb,
    "os:chdir": chdir,
    "os:fchdir": fchdir,
    "os:chroot": chroot,
    "os:umask": umask,
    "os:getpid": getpid,
    "os:getppid": getppid,
    "os:uname": uname,
    "os:putenv": putenv,
    "os:unsetenv": unsetenv,
    "socket:gethostname": gethostname,
    "platform:node": gethostname,
}

METHODS: Final[dict[str, Simulated]] = {
    "os:_Environ.__getitem__": get_variable,
    "os:_Environ.__setitem__": set_variable,
    "os:_Environ.__delitem__": delete_variable,
    "os:_Environ.__iter__": iterate_variables,
    "os:_Environ.__len__": count_variables,
    "os:_Environ.__repr__": show_variables,
}
