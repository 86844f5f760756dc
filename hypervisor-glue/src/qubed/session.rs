//! One connected dom0 program.

use std::{
    collections::VecDeque,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use rustix::io::Errno;
use transom_protocol::supervisor::{
    ErrorBody, ErrorKind, Event, FromQubed, MAX_PACKET, Reply, ReplyBody, Request,
};

use crate::packet::{self, Received};

/// Most packets that wait for a client to read.
const MAX_QUEUE: usize = 4_096;
/// Most bytes that wait for a client to read.
const MAX_QUEUE_BYTES: usize = 4 << 20;
/// Most requests read from one client before others have their turn.
const BUDGET: usize = 32;

/// What a client wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Only answers.
    Caller,
    /// Events as well.
    Watcher,
    /// Events and links.
    Compositor,
}

#[derive(Debug)]
struct Packet {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    socket: OwnedFd,
    /// The process that connected.
    pub(super) pid: i32,
    pub(super) role: Role,
    queue: VecDeque<Packet>,
    queued_bytes: usize,
    /// True when the connection is over; it is dropped soon.
    pub(super) over: bool,
}

impl Session {
    pub(super) fn new(socket: OwnedFd, pid: i32) -> Self {
        Self { socket, pid, role: Role::Caller, queue: VecDeque::new(), queued_bytes: 0, over: false }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn wants_to_write(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn reply(&mut self, id: u64, result: Result<ReplyBody, ErrorBody>) {
        self.reply_with(id, result, Vec::new());
    }

    /// As [`Session::reply`], with descriptors beside the answer.
    pub(super) fn reply_with(&mut self, id: u64, result: Result<ReplyBody, ErrorBody>, fds: Vec<OwnedFd>) {
        self.push(&FromQubed::Reply(Reply { id, result }), fds);
    }

    pub(super) fn event(&mut self, event: Event, fds: Vec<OwnedFd>) {
        self.push(&FromQubed::Event(event), fds);
    }

    /// Puts a message into the queue. A client whose queue is full does not read, and is cut off.
    fn push(&mut self, message: &FromQubed, fds: Vec<OwnedFd>) {
        if self.over {
            return;
        }
        let bytes = match serde_json::to_vec(message) {
            Ok(bytes) if bytes.len() <= MAX_PACKET => bytes,
            _ => {
                tracing::error!(pid = self.pid, "a message does not fit into a packet");
                self.over = true;
                return;
            }
        };
        self.queued_bytes += bytes.len();
        self.queue.push_back(Packet { bytes, fds });
        if self.queue.len() > MAX_QUEUE || self.queued_bytes > MAX_QUEUE_BYTES {
            tracing::warn!(pid = self.pid, "a client does not read; cut off");
            self.over = true;
            self.queue.clear();
        }
    }

    /// Sends as much as the socket takes.
    pub(super) fn flush(&mut self) {
        while let Some(packet) = self.queue.front() {
            let fds: Vec<_> = packet.fds.iter().map(OwnedFd::as_fd).collect();
            match packet::send(&self.socket, &packet.bytes, &fds) {
                Ok(()) => {
                    self.queued_bytes -= packet.bytes.len();
                    self.queue.pop_front();
                }
                Err(Errno::AGAIN) => return,
                // Too many descriptors on their way to somebody who does not read.
                Err(error) => {
                    tracing::debug!(pid = self.pid, %error, "a client is gone");
                    self.over = true;
                    self.queue.clear();
                }
            }
        }
    }

    /// Reads requests with the descriptors beside them, a few at a time. What is none is answered at once.
    pub(super) fn read(&mut self) -> Vec<(Request, Vec<OwnedFd>)> {
        let mut requests = Vec::new();
        for _ in 0..BUDGET {
            match packet::recv(&self.socket) {
                Ok(Received::Packet(bytes, fds)) => match serde_json::from_slice::<Request>(&bytes) {
                    Ok(request) => match request.body.check() {
                        Ok(()) => requests.push((request, fds)),
                        Err(error) => self.reply(request.id, Err(error)),
                    },
                    Err(error) => {
                        let id = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
                        let id = id.and_then(|value| value.get("id")?.as_u64()).unwrap_or(0);
                        let reason: String = error.to_string().chars().take(300).collect();
                        self.reply(id, Err(ErrorBody::new(ErrorKind::BadRequest, reason)));
                    }
                },
                Ok(Received::TooLarge) => {
                    let reason = format!("a request is at most {MAX_PACKET} bytes");
                    self.reply(0, Err(ErrorBody::new(ErrorKind::BadRequest, reason)));
                }
                Ok(Received::Nothing) => break,
                Ok(Received::Closed) | Err(_) => {
                    self.over = true;
                    break;
                }
            }
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use transom_protocol::supervisor::{QubeName, RequestBody};

    use super::*;

    fn pair() -> (Session, OwnedFd) {
        let (a, b) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        (Session::new(a, 1), b)
    }

    fn next(socket: &OwnedFd) -> FromQubed {
        match packet::recv(socket).unwrap() {
            Received::Packet(bytes, _) => serde_json::from_slice(&bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests_come_in_and_nonsense_is_answered() {
        let (mut session, client) = pair();
        packet::send(&client, br#"{"id":7,"body":{"ask":"ping"}}"#, &[]).unwrap();
        packet::send(&client, br#"{"id":8,"body":{"ask":"fly"}}"#, &[]).unwrap();
        packet::send(&client, b"\xff", &[]).unwrap();
        packet::send(&client, br#"{"id":9,"body":{"ask":"run","qube":"a","argv":[]}}"#, &[client.as_fd()])
            .unwrap();
        let requests = session.read();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].0, Request { id: 7, body: RequestBody::Ping });
        session.flush();
        for id in [8, 0, 9] {
            let FromQubed::Reply(reply) = next(&client) else { panic!("no reply") };
            assert_eq!(reply.id, id);
            assert_eq!(reply.result.unwrap_err().kind, ErrorKind::BadRequest);
        }
        drop(client);
        assert!(session.read().is_empty());
        assert!(session.over);
    }

    #[test]
    fn a_client_that_does_not_read_is_cut_off() {
        let (mut session, _client) = pair();
        let event = Event::QubeRemoved { qube: QubeName::new("a").unwrap() };
        for _ in 0..10 * MAX_QUEUE {
            session.event(event.clone(), Vec::new());
            session.flush();
        }
        assert!(session.over);
        assert!(!session.wants_to_write());
    }

    #[test]
    fn one_client_has_a_budget() {
        let (mut session, client) = pair();
        for id in 0..100 {
            let request = Request { id, body: RequestBody::Ping };
            packet::send(&client, &serde_json::to_vec(&request).unwrap(), &[]).unwrap();
        }
        assert_eq!(session.read().len(), BUDGET);
        assert_eq!(session.read()[0].0.id, BUDGET as u64);
    }
}
