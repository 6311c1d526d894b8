//! BPF programs at netfilter's hooks and at devices, asked for by `bpf(2)` (`linux/bpf.h`).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::links::Link;

const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_LINK_GET_FD_BY_ID: libc::c_int = 30;
const BPF_LINK_GET_NEXT_ID: libc::c_int = 31;
const BPF_LINK_TYPE_NETFILTER: u32 = 10;
/// Attach types of programs at a device that `tc` does not list.
const AT_DEVICES: [(u32, &str); 2] = [(46, "incoming"), (47, "outgoing")];
/// More links than this are not gone through.
const LINKS_MAX: usize = 100_000;
/// Bytes of `union bpf_attr` that we ever fill; the kernel takes the rest for zeros.
const ATTR_LEN: usize = 64;
/// Bytes of `struct bpf_link_info` that we read: its type comes first.
const INFO_LEN: usize = ATTR_LEN;

/// `union bpf_attr`, aligned as the kernel has it.
#[repr(C, align(8))]
struct Attr([u8; ATTR_LEN]);

impl Attr {
    fn new() -> Self {
        Self([0; ATTR_LEN])
    }

    fn put(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn get(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().expect("four bytes"))
    }
}

fn call(command: libc::c_int, attr: &mut Attr) -> io::Result<libc::c_long> {
    // SAFETY: the attribute is writable, as long as is said, and outlives the call; a pointer inside it, if any, is to
    // memory that the caller holds.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), ATTR_LEN) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Whether the kernel has no such thing at all, so that there can be none.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL))
}

/// Programs that netfilter calls like its own chains. The kernel does not say in which namespace: one anywhere counts.
pub fn at_netfilter() -> Vec<String> {
    let mut id = 0;
    let mut count = 0;
    for _ in 0..LINKS_MAX {
        let mut attr = Attr::new().put(0, id);
        match call(BPF_LINK_GET_NEXT_ID, &mut attr) {
            Ok(_) => id = attr.get(4),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) || is_absent(&error) => {
                return match count {
                    0 => Vec::new(),
                    1 => vec!["a BPF program is attached to a hook of netfilter".to_owned()],
                    _ => vec![format!("{count} BPF programs are attached to hooks of netfilter")],
                };
            }
            Err(error) => return vec![format!("cannot ask for BPF programs at netfilter's hooks: {error}")],
        }
        match kind_of(id) {
            Ok(kind) => count += usize::from(kind == BPF_LINK_TYPE_NETFILTER),
            // Gone meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return vec![format!("cannot ask what BPF link {id} is: {error}")],
        }
    }
    vec![format!("more than {LINKS_MAX} BPF links; not all were looked at")]
}

/// The type of a link.
fn kind_of(id: u32) -> io::Result<u32> {
    let raw = call(BPF_LINK_GET_FD_BY_ID, &mut Attr::new().put(0, id))?;
    let raw = i32::try_from(raw).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
    let link = unsafe { OwnedFd::from_raw_fd(raw) };
    let descriptor = u32::try_from(link.as_raw_fd()).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    let mut info = Box::new(Attr([0; INFO_LEN]));
    let mut attr = Attr::new().put(0, descriptor).put(4, INFO_LEN as u32);
    attr.0[8..16].copy_from_slice(&(std::ptr::from_mut(&mut *info).expose_provenance() as u64).to_ne_bytes());
    call(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info.get(0))
}

/// Programs at devices that are no tc filters (`tcx`, since Linux 6.6).
pub fn at_devices(links: &[Link]) -> Vec<String> {
    let mut found = Vec::new();
    for link in links {
        let Ok(index) = u32::try_from(link.index) else { continue };
        for (kind, words) in AT_DEVICES {
            let mut attr = Attr::new().put(0, index).put(4, kind);
            match call(BPF_PROG_QUERY, &mut attr) {
                // `prog_cnt`, behind query and attach flags and the pointer to where ids would go.
                Ok(_) if attr.get(24) == 0 => {}
                Ok(_) => found.push(format!("a BPF program sees {words} packets of {}", link.name)),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) || is_absent(&error) => {}
                Err(error) => {
                    found.push(format!("cannot ask for BPF programs at devices: {error}"));
                    return found;
                }
            }
        }
    }
    found
}
