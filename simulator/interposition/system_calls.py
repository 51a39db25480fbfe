"""The system calls that are held, by machine, with the arguments that name files; and why the others are not.

Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Final

import msgspec


class Path(msgspec.Struct, frozen=True):
    """Where a path stands among the arguments, and the directory descriptor that it is relative to, if any."""

    argument: int
    directory: int | None = None


class Condition(msgspec.Struct, frozen=True):
    """Held only where an argument's lower 32 bits, as far as the mask leaves them, are one of these."""

    argument: int
    mask: int
    values: tuple[int, ...]


class Signature(msgspec.Struct, frozen=True):
    """A system call: its numbers (None where the machine lacks it), and which of its arguments say what it is about.

    ``descriptors`` are those of the files that it changes or looks at. ``texts`` and ``buffer`` (its argument and that
    of its size) are what else it points to. ``made_for_caller``: made in the caller's place, see ``carrying``.
    """

    name: str
    x86_64: int | None
    aarch64: int | None
    paths: tuple[Path, ...] = ()
    descriptors: tuple[int, ...] = ()
    when: Condition | None = None
    texts: tuple[int, ...] = ()
    buffer: tuple[int, int] | None = None
    made_for_caller: bool = False


def _by_path(
    name: str,
    x86_64: int | None,
    aarch64: int | None,
    *paths: tuple[int, int | None],
    texts: tuple[int, ...] = (),
    buffer: tuple[int, int] | None = None,
    by_caller: bool = False,
) -> Signature:
    places = tuple(Path(*path) for path in paths)
    return Signature(name, x86_64, aarch64, places, texts=texts, buffer=buffer, made_for_caller=not by_caller)


def _look(name: str, x86_64: int | None, aarch64: int | None, *paths: tuple[int, int | None]) -> Signature:
    return _by_path(name, x86_64, aarch64, *paths, by_caller=True)


def _by_descriptor(
    name: str,
    x86_64: int | None,
    aarch64: int | None,
    *descriptors: int,
    when: Condition | None = None,
    texts: tuple[int, ...] = (),
    buffer: tuple[int, int] | None = None,
    for_caller: bool = False,
) -> Signature:
    return Signature(name, x86_64, aarch64, (), descriptors, when, texts, buffer, for_caller)


LOCKING: Final = frozenset({6, 7, 37, 38})
"""F_SETLK, F_SETLKW, F_OFD_SETLK and F_OFD_SETLKW of fcntl(2)."""

FICLONE: Final = 0x40049409
CLONING: Final = frozenset({FICLONE, 0x4020940D})
"""FICLONE and FICLONERANGE of linux/fs.h."""
FLAGGING: Final = frozenset({0x40086602, 0x401C5820})
"""FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR."""
_PARTICULAR: Final = frozenset(
    {0x50009401, 0x50009417, 0x5000940E, 0x50009418, 0x5000940F, 0x5000943F, 0x4030582A, 0x4030582B, 0x40305839}
)
"""Of btrfs: making and deleting snapshots and subvolumes; of XFS: reserving, freeing and zeroing ranges."""

SIGNATURES: Final = (
    _by_path("open", 2, None, (0, None)),
    _by_path("creat", 85, None, (0, None)),
    _by_path("openat", 257, 56, (1, 0)),
    _by_path("openat2", 437, 437, (1, 0), buffer=(2, 3)),
    _by_path("rename", 82, None, (0, None), (1, None)),
    _by_path("renameat", 264, 38, (1, 0), (3, 2)),
    _by_path("renameat2", 316, 276, (1, 0), (3, 2)),
    _by_path("mkdir", 83, None, (0, None)),
    _by_path("mkdirat", 258, 34, (1, 0)),
    _by_path("rmdir", 84, None, (0, None)),
    _by_path("unlink", 87, None, (0, None)),
    _by_path("unlinkat", 263, 35, (1, 0)),
    _by_path("link", 86, None, (0, None), (1, None)),
    _by_path("linkat", 265, 37, (1, 0), (3, 2)),
    # The first argument of a symbolic link is a text, not a path that is looked up.
    _by_path("symlink", 88, None, (1, None), texts=(0,)),
    _by_path("symlinkat", 266, 36, (2, 1), texts=(0,)),
    _by_path("mknod", 133, None, (0, None)),
    _by_path("mknodat", 259, 33, (1, 0)),
    _by_path("truncate", 76, 45, (0, None)),
    _by_path("chmod", 90, None, (0, None)),
    _by_path("fchmodat", 268, 53, (1, 0)),
    _by_path("fchmodat2", 452, 452, (1, 0)),
    _by_path("chown", 92, None, (0, None)),
    _by_path("lchown", 94, None, (0, None)),
    _by_path("fchownat", 260, 54, (1, 0)),
    _by_path("setxattr", 188, 5, (0, None), texts=(1,), buffer=(2, 3)),
    _by_path("lsetxattr", 189, 6, (0, None), texts=(1,), buffer=(2, 3)),
    _by_path("removexattr", 197, 14, (0, None), texts=(1,)),
    _by_path("lremovexattr", 198, 15, (0, None), texts=(1,)),
    _look("setxattrat", 463, 463, (1, 0)),
    _look("removexattrat", 466, 466, (1, 0)),
    _look("file_setattr", 469, 469, (1, 0)),
    _look("utime", 132, None, (0, None)),
    _look("utimes", 235, None, (0, None)),
    _look("futimesat", 261, None, (1, 0)),
    _look("utimensat", 280, 88, (1, 0)),
    _look("readlink", 89, None, (0, None)),
    _look("readlinkat", 267, 78, (1, 0)),
    _look("stat", 4, None, (0, None)),
    _look("lstat", 6, None, (0, None)),
    _look("newfstatat", 262, 79, (1, 0)),
    _look("statx", 332, 291, (1, 0)),
    _look("access", 21, None, (0, None)),
    _look("faccessat", 269, 48, (1, 0)),
    _look("faccessat2", 439, 439, (1, 0)),
    # These change what a path leads to, or write to a file later on: said, not scheduled.
    _look("mount", 165, 40, (1, None)),
    _look("umount2", 166, 39, (0, None)),
    _look("move_mount", 429, 429, (3, 2)),
    _look("acct", 163, 89, (0, None)),
    _look("swapon", 167, 224, (0, None)),
    _by_descriptor("fstat", 5, 80, 0),
    _by_descriptor("getdents", 78, None, 0),
    _by_descriptor("getdents64", 217, 61, 0),
    _by_descriptor("write", 1, 64, 0),
    _by_descriptor("pwrite64", 18, 68, 0),
    _by_descriptor("writev", 20, 66, 0),
    _by_descriptor("pwritev", 296, 70, 0),
    _by_descriptor("pwritev2", 328, 287, 0),
    _by_descriptor("copy_file_range", 326, 285, 2),
    _by_descriptor("sendfile", 40, 71, 0),
    _by_descriptor("splice", 275, 76, 2),
    _by_descriptor("ftruncate", 77, 46, 0, for_caller=True),
    _by_descriptor("fallocate", 285, 47, 0, for_caller=True),
    _by_descriptor("fsync", 74, 82, 0),
    _by_descriptor("fdatasync", 75, 83, 0),
    _by_descriptor("sync_file_range", 277, 84, 0),
    _by_descriptor("syncfs", 306, 267, 0),
    _by_descriptor("fchmod", 91, 52, 0, for_caller=True),
    _by_descriptor("fchown", 93, 55, 0, for_caller=True),
    _by_descriptor("fsetxattr", 190, 7, 0, texts=(1,), buffer=(2, 3), for_caller=True),
    _by_descriptor("fremovexattr", 199, 16, 0, texts=(1,), for_caller=True),
    _by_descriptor("flock", 73, 32, 0),
    _by_descriptor("fcntl", 72, 25, 0, when=Condition(1, 0xFFFFFFFF, tuple(sorted(LOCKING)))),
    _by_descriptor("ioctl", 16, 29, 0, when=Condition(1, 0xFFFFFFFF, tuple(sorted(CLONING | FLAGGING | _PARTICULAR)))),
    # MAP_SHARED and MAP_SHARED_VALIDATE without MAP_ANONYMOUS: said, not scheduled.
    _by_descriptor("mmap", 9, 222, 4, when=Condition(3, 0x2F, (1, 3))),
    _by_descriptor("close", 3, 57, 0),
    # A socket's name, which is a file's if it is a path.
    Signature("bind", 49, 200),
    # The kernel's own asynchronous writes: said, not scheduled.
    Signature("io_submit", 209, 2),
    # SLEEPS.
    Signature("nanosleep", 35, 101),
    Signature("clock_nanosleep", 230, 115),
    # SIGNALS.
    Signature("rt_sigaction", 13, 134),
    Signature("rt_sigreturn", 15, 139),
    # Rings carry out calls that no filter sees: refused, so that programs fall back to ordinary calls.
    Signature("io_uring_setup", 425, 425),
)

PASSED: Final[Mapping[str, str]] = {
    "reads; who opens a file to read it is taken to read it then": """
        read pread64 readv preadv preadv2 readahead fadvise64 lseek getxattr lgetxattr fgetxattr listxattr llistxattr
        flistxattr getxattrat listxattrat file_getattr statfs fstatfs ustat getcwd name_to_handle_at mincore
        cachestat inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_init fanotify_mark execve
        execveat uselib lookup_dcookie process_vm_readv statmount listmount map_shadow_stack""",
    "changes what a descriptor, a directory or a user is to its caller, of which the kernel is asked at each call": """
        dup dup2 dup3 close_range chdir fchdir chroot pivot_root umask pidfd_getfd unshare setns setuid setgid
        setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset open_by_handle_at open_tree
        open_tree_attr fsopen fsconfig fsmount fspick mount_setattr landlock_create_ruleset landlock_add_rule
        landlock_restrict_self""",
    "carries bytes between processes, no file among them": """
        pipe pipe2 socket socketpair connect accept accept4 listen sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg
        shutdown getsockname getpeername setsockopt getsockopt tee vmsplice msgget msgsnd msgrcv msgctl semget semop
        semtimedop semctl shmget shmat shmdt shmctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify
        mq_getsetattr memfd_create memfd_secret process_vm_writev eventfd eventfd2 signalfd signalfd4 timerfd_create
        timerfd_settime timerfd_gettime futex futex_waitv futex_wake futex_wait futex_requeue poll ppoll select
        pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 epoll_ctl_old
        epoll_wait_old userfaultfd kcmp add_key request_key keyctl bpf perf_event_open""",
    "makes durable what is there, of the whole system or of a mapping": "sync msync",
    "is of no use without a ring, which no program gets, or without io_submit, which is held": """
        io_uring_enter io_uring_register io_setup io_destroy io_getevents io_pgetevents io_cancel""",
    "memory, processes, signals, clocks, the machine: no path and no file": """
        mprotect munmap brk mremap madvise process_madvise mlock mlock2 munlock mlockall munlockall mbind
        remap_file_pages set_mempolicy get_mempolicy set_mempolicy_home_node migrate_pages move_pages pkey_mprotect
        pkey_alloc pkey_free mseal membarrier rseq rseq_slice_yield clone clone3 fork vfork exit exit_group wait4
        waitid kill tkill tgkill pidfd_open pidfd_send_signal process_mrelease rt_sigprocmask rt_sigpending
        rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend sigaltstack pause alarm getitimer setitimer
        timer_create timer_settime timer_gettime timer_getoverrun timer_delete time gettimeofday settimeofday
        adjtimex clock_adjtime clock_settime clock_gettime clock_getres times getpid gettid getppid getuid geteuid
        getgid getegid getgroups getresuid getresgid capget getpgid setpgid getpgrp setsid getsid getpriority
        setpriority sched_yield sched_setparam sched_getparam sched_setscheduler sched_getscheduler
        sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_setaffinity sched_getaffinity
        sched_setattr sched_getattr ioprio_set ioprio_get getrlimit setrlimit prlimit64 getrusage sysinfo uname
        syslog personality prctl arch_prctl modify_ldt set_thread_area get_thread_area set_tid_address
        set_robust_list get_robust_list restart_syscall ptrace seccomp getrandom getcpu iopl ioperm vhangup
        sethostname setdomainname reboot swapoff sysfs _sysctl quotactl quotactl_fd kexec_load kexec_file_load
        create_module init_module finit_module delete_module get_kernel_syms query_module nfsservctl getpmsg putpmsg
        afs_syscall tuxcall security vserver lsm_get_self_attr lsm_set_self_attr lsm_list_modules uretprobe uprobe
        listns""",
}
"""Why the calls that are not held are not: names by reason. Every call of x86-64 is held, or one of these."""

SLEEPS: Final = frozenset({"nanosleep", "clock_nanosleep"})
"""Held so that a loop that polls needs no real time, and no luck."""

SIGNALS: Final = frozenset({"rt_sigaction", "rt_sigreturn"})
"""Held so that a signal makes no call fail that only waits for the supervisor: see ``restarting``."""

AUDIT_ARCHITECTURES: Final[Mapping[str, int]] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""What seccomp calls a machine: AUDIT_ARCH_* of linux/audit.h."""


def signatures(machine: str | None = None) -> dict[int, Signature]:
    """The held calls of a machine (of this one, if none is given), by number; empty for one that is not known."""
    machine = machine or platform.machine()
    if machine not in AUDIT_ARCHITECTURES:
        return {}
    numbered = ((getattr(signature, machine), signature) for signature in SIGNATURES)
    return {number: signature for number, signature in numbered if number is not None}
