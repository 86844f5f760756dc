//! A socket for whole Ethernet frames of one kind on one network device.

use std::{fs, io, os::fd::AsRawFd as _, os::fd::FromRawFd as _, os::fd::OwnedFd};

/// An ether type for local experiments.
pub(crate) const ETHER_TYPE: u16 = 0x88b5;

/// Switches the device on; the socket hears and sends frames of [`ETHER_TYPE`].
pub(crate) fn open(device: &str) -> io::Result<OwnedFd> {
    let index = fs::read_to_string(format!("/sys/class/net/{device}/ifindex"))?;
    let index: i32 = index.trim().parse().map_err(io::Error::other)?;
    let kind = ETHER_TYPE.to_be();
    // SAFETY: plain system calls on values of our own that live long enough.
    unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, i32::from(kind));
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(fd);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (target, byte) in request.ifr_name.iter_mut().zip(device.bytes()) {
            *target = byte as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        if libc::ioctl(fd, libc::SIOCSIFFLAGS as _, &request) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut to: libc::sockaddr_ll = std::mem::zeroed();
        (to.sll_family, to.sll_protocol, to.sll_ifindex) = (libc::AF_PACKET as u16, kind, index);
        let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        if libc::bind(socket.as_raw_fd(), (&raw const to).cast(), size) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(socket)
    }
}
