//! A ring of received frames that the kernel fills and we read without system calls (`linux/if_packet.h`).
//!
//! A plain packet socket holds about 200 small frames before it loses some, and in a user namespace its buffer cannot
//! be made larger. A ring is not bound by that.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{Ordering, fence};

/// Bytes kept for a frame, the kernel's header included. Probes and the errors that quote them fit; longer frames are
/// cut.
const SLOT_LEN: usize = 512;
const BLOCK_LEN: usize = 64 * 1024;
const SLOTS_PER_BLOCK: usize = BLOCK_LEN / SLOT_LEN;

/// Memory shared with the kernel: slots of [`SLOT_LEN`] bytes, each owned by the kernel or by us.
#[derive(Debug)]
pub(crate) struct Ring {
    start: NonNull<u8>,
    slots: usize,
    next: usize,
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl Ring {
    /// Gives the packet socket a ring of at least this many frames.
    pub(crate) fn attach(socket: BorrowedFd<'_>, frames: usize) -> io::Result<Self> {
        let blocks = frames.div_ceil(SLOTS_PER_BLOCK).max(1);
        let slots = blocks * SLOTS_PER_BLOCK;
        let number = |n: usize| libc::c_uint::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let version = libc::tpacket_versions::TPACKET_V2 as libc::c_int;
        let request = libc::tpacket_req {
            tp_block_size: number(BLOCK_LEN)?,
            tp_block_nr: number(blocks)?,
            tp_frame_size: number(SLOT_LEN)?,
            tp_frame_nr: number(slots)?,
        };
        set_option(socket, libc::PACKET_VERSION, &version)?;
        set_option(socket, libc::PACKET_RX_RING, &request)?;
        // SAFETY: a fresh shared mapping of exactly the ring's size, at an address of the kernel's choice.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                slots * SLOT_LEN,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Self { start, slots, next: 0 })
    }

    /// Hands out every frame that waits, oldest first, and gives the slots back.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(&[u8])) {
        loop {
            // SAFETY: `next` is below `slots`, so the header lies within the mapping, and slots are aligned to 512.
            let slot = unsafe { self.start.add(self.next * SLOT_LEN) };
            let header = slot.cast::<libc::tpacket2_hdr>();
            // SAFETY: `tp_status` is the first field; the kernel writes it concurrently, so it is read volatile.
            let status = unsafe { ptr::read_volatile(ptr::addr_of!((*header.as_ptr()).tp_status)) };
            if status & libc::TP_STATUS_USER == 0 {
                return;
            }
            // The kernel wrote the frame before the status; read it after.
            fence(Ordering::Acquire);
            // SAFETY: the status says the slot is ours until we give it back.
            let (offset, captured) = unsafe {
                let header = &*header.as_ptr();
                (usize::from(header.tp_mac), header.tp_snaplen as usize)
            };
            let captured = captured.min(SLOT_LEN.saturating_sub(offset));
            if offset < SLOT_LEN {
                // SAFETY: offset + captured stay within the slot, which is ours until given back below.
                each(unsafe { std::slice::from_raw_parts(slot.add(offset).as_ptr(), captured) });
            }
            fence(Ordering::Release);
            // SAFETY: as above; this gives the slot back to the kernel.
            unsafe { ptr::write_volatile(ptr::addr_of_mut!((*header.as_ptr()).tp_status), libc::TP_STATUS_KERNEL) };
            self.next = (self.next + 1) % self.slots;
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `attach`, unmapped once; nothing borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.slots * SLOT_LEN) };
    }
}

/// Sets an option of a packet socket.
pub(crate) fn set_option<T>(socket: BorrowedFd<'_>, name: libc::c_int, value: &T) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).expect("options are small");
    // SAFETY: the pointer and length describe `value`, which lives through the call.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, name, ptr::from_ref(value).cast(), len) })
}
