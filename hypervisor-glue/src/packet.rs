//! One packet of a `SOCK_SEQPACKET` socket, with file descriptors beside it.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use transom_protocol::supervisor::{MAX_FDS, MAX_PACKET};

/// What a read gave.
#[derive(Debug)]
pub enum Received {
    /// A whole packet.
    Packet(Vec<u8>, Vec<OwnedFd>),
    /// A packet, or its file descriptors, over the limit; it is lost.
    TooLarge,
    /// Nothing is there now.
    Nothing,
    /// The other end is gone.
    Closed,
}

/// Sends one packet without waiting. [`Errno::AGAIN`] means that the socket is full.
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    if bytes.len() > MAX_PACKET || fds.len() > MAX_FDS {
        return Err(Errno::MSGSIZE);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::MSGSIZE);
    }
    loop {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, flags) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Receives one packet without waiting.
pub fn recv(socket: impl AsFd) -> Result<Received, Errno> {
    recv_at_most(socket, MAX_PACKET)
}

/// The same where packets have at most so many bytes.
pub fn recv_at_most(socket: impl AsFd, most: usize) -> Result<Received, Errno> {
    let mut bytes = vec![0; most];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags) {
            Ok(message) => break message,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(Received::Nothing),
            Err(Errno::CONNRESET | Errno::PIPE) => return Ok(Received::Closed),
            Err(error) => return Err(error),
        }
    };
    let mut fds = Vec::new();
    for ancillary in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = ancillary {
            fds.extend(rights);
        }
    }
    // There may be room for one more, for alignment.
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || fds.len() > MAX_FDS {
        return Ok(Received::TooLarge);
    }
    if message.bytes == 0 {
        // A packet without bytes looks the same; nobody sends one.
        return Ok(Received::Closed);
    }
    bytes.truncate(message.bytes);
    Ok(Received::Packet(bytes, fds))
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn packets_keep_their_borders_and_descriptors() {
        let (a, b) = pair();
        let (c, d) = pair();
        send(&a, b"one", &[]).unwrap();
        send(&a, b"two", &[c.as_fd()]).unwrap();
        drop(c);
        assert!(
            matches!(recv(&b).unwrap(), Received::Packet(bytes, fds) if bytes == b"one" && fds.is_empty())
        );
        let Received::Packet(bytes, fds) = recv(&b).unwrap() else { panic!("no packet") };
        assert_eq!(bytes, b"two");
        send(&fds[0], b"through", &[]).unwrap();
        assert!(matches!(recv(&d).unwrap(), Received::Packet(bytes, _) if bytes == b"through"));
        assert!(matches!(recv(&b).unwrap(), Received::Nothing));
        drop(a);
        assert!(matches!(recv(&b).unwrap(), Received::Closed));
        assert_eq!(send(&b, b"x", &[]), Err(Errno::PIPE));
    }

    #[test]
    fn what_is_over_the_limit_is_refused_by_both_ends() {
        let (a, b) = pair();
        assert_eq!(send(&a, &vec![0; MAX_PACKET + 1], &[]), Err(Errno::MSGSIZE));
        rustix::net::send(&a, &vec![7; MAX_PACKET + 1], SendFlags::empty()).unwrap();
        assert!(matches!(recv(&b).unwrap(), Received::TooLarge));
        send(&a, &vec![7; MAX_PACKET], &[]).unwrap();
        assert!(matches!(recv(&b).unwrap(), Received::Packet(bytes, _) if bytes.len() == MAX_PACKET));
        let many = vec![b.as_fd(); MAX_FDS + 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
        sendmsg(&a, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        assert!(matches!(recv(&b).unwrap(), Received::TooLarge));
    }
}
