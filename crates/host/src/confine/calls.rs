//! The system calls of a process that watches; every other one is answered with EPERM, so that whoever takes it over can
//! start no program, open no namespace, trace nobody and signal nobody else.
//!
//! Refused, not killed: a list that lacks a call costs what the call was for, not the watch.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use thiserror::Error;

/// The filter was not taken.
#[derive(Debug, Error)]
pub enum CallsError {
    /// It is no filter: a fault of ours.
    #[error("the list of system calls makes no filter")]
    Filter(#[from] seccompiler::BackendError),
    /// The kernel refused.
    #[error("the kernel does not take the filter")]
    Kernel(#[from] seccompiler::Error),
}

/// Files, memory, threads, time and sockets, on every machine.
const ANYWHERE: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_ftruncate,
    libc::SYS_truncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_fadvise64,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_umask,
    libc::SYS_utimensat,
    libc::SYS_flock,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_msync,
    libc::SYS_mincore,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getrusage,
    libc::SYS_getrlimit,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getrandom,
    libc::SYS_capget,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigpending,
    libc::SYS_sigaltstack,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
];

/// What x86 has under older numbers, too; musl uses some of them.
#[cfg(target_arch = "x86_64")]
const HERE: &[i64] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_getdents,
    libc::SYS_mkdir,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_eventfd,
    libc::SYS_arch_prctl,
    libc::SYS_time,
    libc::SYS_alarm,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_utimes,
    libc::SYS_utime,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const HERE: &[i64] = &[];

/// Sockets to the kernel, to this box and to others. Not among them: packets past the rules (packet(7)), TIPC, Bluetooth.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Questions about terminals and interfaces. Not among them: TIOCSTI, which types into somebody's terminal.
const IOCTLS: [u64; 9] = [
    libc::TCGETS,
    libc::TIOCGWINSZ,
    libc::FIONBIO,
    libc::FIONREAD,
    libc::FIOCLEX,
    // `linux/sockios.h`: bytes that a peer did not acknowledge yet; names, numbers and flags of interfaces.
    libc::TIOCOUTQ,
    0x8910,
    0x8933,
    0x8913,
];

/// PR_SET_NAME, PR_GET_NAME, PR_SET_VMA (`linux/prctl.h`).
const PRCTLS: [u64; 3] = [15, 16, 0x5356_4d41];

/// F_SETOWN, F_SETSIG, F_SETOWN_EX (`asm-generic/fcntl.h`).
const OWNERS: [u64; 3] = [8, 10, 15];

/// Takes every other system call away from this thread and those it starts. False: not on this kind of machine.
pub fn only_those_of_watching() -> Result<bool, CallsError> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else { return Ok(false) };
    // clone3 says what it does in memory, where no filter can look; without it libraries start threads by clone.
    let threads = filter(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), SeccompAction::Allow, libc::ENOSYS, arch)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ANYWHERE.iter().chain(HERE).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_clone3, Vec::new());
    let thread = u64::try_from(libc::CLONE_THREAD).unwrap_or_default();
    rules.insert(libc::SYS_clone, vec![rule(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    rules.insert(
        libc::SYS_socket,
        FAMILIES.iter().map(|family| equal(0, u64::from(family.unsigned_abs()))).collect::<Result<_, _>>()?,
    );
    rules.insert(libc::SYS_socketpair, vec![equal(0, u64::from(libc::AF_UNIX.unsigned_abs()))?]);
    // Names of threads and of memory. Not among them: to outlive who keeps us.
    rules.insert(libc::SYS_prctl, PRCTLS.iter().map(|option| equal(0, *option)).collect::<Result<_, _>>()?);
    // Signals to ourselves, as a panic sends them, and limits of our own.
    rules.insert(libc::SYS_tgkill, vec![equal(0, u64::from(std::process::id()))?]);
    rules.insert(libc::SYS_prlimit64, vec![equal(0, 0)?]);
    // Not among what it may: to have a socket signal another process.
    let no_owner: Vec<SeccompCondition> =
        OWNERS.iter().map(|command| condition(1, SeccompCmpOp::Ne, *command)).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_fcntl, vec![SeccompRule::new(no_owner)?]);
    rules.insert(libc::SYS_ioctl, IOCTLS.iter().map(|request| equal(1, *request)).collect::<Result<_, _>>()?);
    let only = SeccompFilter::new(rules, refuse(libc::EPERM), SeccompAction::Allow, arch)?;
    // In this order: behind the second no filter is taken any more.
    seccompiler::apply_filter(&threads)?;
    seccompiler::apply_filter(&BpfProgram::try_from(only)?)?;
    Ok(true)
}

fn filter(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    others: SeccompAction,
    error: i32,
    arch: TargetArch,
) -> Result<BpfProgram, seccompiler::BackendError> {
    BpfProgram::try_from(SeccompFilter::new(rules, others, refuse(error), arch)?)
}

fn refuse(error: i32) -> SeccompAction {
    SeccompAction::Errno(error.unsigned_abs())
}

fn equal(argument: u8, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    rule(argument, SeccompCmpOp::Eq, value)
}

fn rule(argument: u8, compare: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![condition(argument, compare, value)?])
}

fn condition(argument: u8, compare: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, value)
}
