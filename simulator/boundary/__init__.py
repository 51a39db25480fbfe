"""Where ordinary Python meets the simulator: os, io, shutil, tempfile, time, random, torch, safetensors.

``install`` replaces functions; each replacement asks ``caller.current()`` and does for a rank what the simulation does,
for everybody else what the original did.

What a rank does past all replacements is an escape to the real machine. CPython's audit events show most of them
(``audit``). These stay *silent*; where the root is on no real disk, those that need it fail, and the program under
test sees an error that a real run would not show:

- originals of functions that raise no audit event, kept where the search for captured ones does not look (containers,
  closures, ``functools.partial``, attributes of instances) or imported from CPython's own ``posix``: stat, lstat,
  fstat, access, readlink, fsync, statvfs, close, read, write and lseek on real descriptors, clocks, getpid, urandom;
- C's own idea of time and identity: ``datetime.now``, ``logging``'s record of the thread, ``threading.get_ident``;
- C's own randomness: ``hash`` of strings, ``numpy.random``'s and ``torch``'s global generators (they are shared by the
  ranks of the in-process engine, scripts excepted, see ``generators``; unseeded numpy generators do ask ``os.urandom``,
  which is the rank's);
- files that native code opens: ``torch.jit.save``, ``torch.UntypedStorage.from_file``, h5py, pyarrow, sqlite below a
  path that it has opened already, ``ndarray.tofile`` and ``numpy.fromfile`` on a simulated file (OSError), and by
  ``ctypes`` with a function that was looked up before any rank ran; on a real root directory they do happen,
  unscheduled;
- shared memory and semaphores (``multiprocessing.shared_memory``), pipes, and before Python 3.12 a thread that is
  started through a kept original of ``_thread.start_new_thread``;
- ``atexit`` and ``sys`` hooks, ``threading.local`` and module globals: they belong to the tool's process, and all ranks
  of the in-process engine share them;
- callbacks from C++ (pybind11) other than those of torch's archives that do an operation: two ranks that take turns
  inside such calls abort the process;
- what else torch keeps for each thread than gradients and inference (``torch_modes``), such as autocasting.

Refused, although a real run could do it, as there is no operation for it: ``os.sync``, ``dup2``, ``fchdir``,
``splice``, ``mknod``, to open a named pipe, memory maps, F_GETFL and record locks through ``fcntl.fcntl``, and
symbolic links to absolute paths outside the root. Extended attributes are ENOTSUP. What is done otherwise than by
CPython, the modules ``files``, ``copying``, ``locks``, ``torch_adapter`` and ``safetensors_adapter`` say, each for
itself.
"""

from simulator.boundary.installation import install, installed, uninstall

__all__ = ["install", "installed", "uninstall"]
