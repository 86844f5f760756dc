//! A TAP device: a network card of this machine's own kernel, whose cable is a descriptor.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::UnixDatagram,
    },
};

use crate::ether;

/// Makes the device. The cable for a guest, and a socket on the device.
#[allow(unsafe_code, reason = "one ioctl")]
pub(crate) fn make(name: &str) -> io::Result<(OwnedFd, UnixDatagram)> {
    let cable = File::options().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: the request outlives the call, which fills in nothing but it.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (target, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *target = byte as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
        if libc::ioctl(cable.as_raw_fd(), libc::TUNSETIFF as _, &request) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // The type is used for its methods, none of which cares for the address family.
    Ok((cable.into(), ether::open(name)?.into()))
}
