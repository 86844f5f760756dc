//! Framing: a 16-byte header before every message, and how bytes become messages.
//!
//! Little-endian throughout. The header names the type; the type alone says how long the rest may
//! be, so that a reader knows from 16 bytes whether to go on, and never buffers more than
//! [`HEADER_LEN`] plus the limit of that type.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes, Unaligned,
    little_endian::{U16, U32},
};

/// Length of [`Header`] on the wire, in bytes.
pub const HEADER_LEN: usize = size_of::<Header>();

/// What stands before every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Type number, see the tables in [`crate::message`] and [`crate::service`].
    pub kind: U16,
    /// Reserved: zero in version 1, anything else is refused.
    pub flags: U16,
    /// Bytes of payload that follow.
    pub length: U32,
    /// The window it is about, or 0.
    pub window: U32,
    /// The serial it carries or answers, or 0; each message says what it means there.
    pub serial: U32,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From a qube to dom0.
    ToDom0,
    /// From dom0 to a qube.
    ToQube,
}

/// One row of a message table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageInfo {
    /// Type number in the header.
    pub kind: u16,
    /// Name in the code and in `docs/protocol.md`.
    pub name: &'static str,
    /// Which way it goes.
    pub direction: Direction,
    /// Shortest legal payload, in bytes.
    pub min: u32,
    /// Longest legal payload, in bytes.
    pub max: u32,
    /// What it says and what the receiver checks.
    pub about: &'static str,
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The type number is not in the table of this direction.
    #[error("unknown message type {0:#06x}")]
    UnknownType(u16),
    /// A reserved bit is set.
    #[error("reserved flags {flags:#06x} set in {name}")]
    ReservedFlags {
        /// Message name.
        name: &'static str,
        /// The flags that came.
        flags: u16,
    },
    /// The payload is longer or shorter than its type allows.
    #[error("{name} of {length} bytes, allowed are {min} to {max}")]
    Length {
        /// Message name.
        name: &'static str,
        /// Length that came.
        length: u32,
        /// Shortest allowed.
        min: u32,
        /// Longest allowed.
        max: u32,
    },
    /// A field has a value that its type does not have, or a list has the wrong length.
    #[error("{name} carries a value that is not allowed")]
    Value {
        /// Message name.
        name: &'static str,
    },
}

/// One whole message, not yet parsed: the header and its payload in place.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The header.
    pub header: Header,
    /// The row of the table it belongs to.
    pub info: &'static MessageInfo,
    /// Exactly `header.length` bytes.
    pub payload: &'a [u8],
}

impl Raw<'_> {
    /// Bytes it takes on the wire, header included.
    pub fn wire_len(&self) -> usize {
        HEADER_LEN + self.payload.len()
    }

    /// The error for a payload that does not parse.
    pub fn bad_value(&self) -> WireError {
        WireError::Value { name: self.info.name }
    }
}

/// Looks at the front of `buf` for one message of `table`.
///
/// `Ok(None)` means that more bytes are needed. An error is final: the stream cannot be
/// resynchronised and must be closed.
pub fn next<'a>(
    buf: &'a [u8],
    table: &'static [MessageInfo],
    direction: Direction,
) -> Result<Option<Raw<'a>>, WireError> {
    let Ok((header, rest)) = Header::read_from_prefix(buf) else { return Ok(None) };
    let kind = header.kind.get();
    let info = table
        .iter()
        .find(|info| info.kind == kind && info.direction == direction)
        .ok_or(WireError::UnknownType(kind))?;
    if header.flags.get() != 0 {
        return Err(WireError::ReservedFlags { name: info.name, flags: header.flags.get() });
    }
    let length = header.length.get();
    if length < info.min || length > info.max {
        return Err(WireError::Length { name: info.name, length, min: info.min, max: info.max });
    }
    // `length` is at most `info.max`, far below `usize::MAX`.
    Ok(rest.get(..length as usize).map(|payload| Raw { header, info, payload }))
}

/// Appends one message to `out`.
pub fn write(out: &mut Vec<u8>, kind: u16, window: u32, serial: u32, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    debug_assert!(u32::try_from(length).is_ok());
    let header = Header {
        kind: kind.into(),
        flags: 0.into(),
        length: (length as u32).into(),
        window: window.into(),
        serial: serial.into(),
    };
    out.extend_from_slice(header.as_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// A fixed part and the list, text or bytes after it.
#[derive(Debug, PartialEq, Eq)]
pub struct With<'a, T> {
    /// The fixed part, in place.
    pub fixed: &'a T,
    /// What follows it; its form was checked by [`Tail::tail_ok`].
    pub tail: &'a [u8],
}

impl<T> Clone for With<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for With<'_, T> {}

/// What a message with a list or text after its fixed part checks about that tail.
pub trait Tail {
    /// True if the tail has the right length and form for this fixed part.
    fn tail_ok(&self, tail: &[u8]) -> bool;
}

/// Reads a fixed payload in place.
pub(crate) fn read_fixed<'a, T>(raw: &Raw<'a>) -> Result<&'a T, WireError>
where
    T: TryFromBytes + KnownLayout + Immutable + Unaligned,
{
    T::try_ref_from_bytes(raw.payload).map_err(|_| raw.bad_value())
}

/// Reads a fixed payload and its tail in place.
pub(crate) fn read_tail<'a, T>(raw: &Raw<'a>) -> Result<With<'a, T>, WireError>
where
    T: TryFromBytes + KnownLayout + Immutable + Unaligned + Tail,
{
    let (fixed, tail) = T::try_ref_from_prefix(raw.payload).map_err(|_| raw.bad_value())?;
    if fixed.tail_ok(tail) { Ok(With { fixed, tail }) } else { Err(raw.bad_value()) }
}

/// Makes an enum of messages, its table, its parser and its encoder from one list.
///
/// A row is `NUMBER Name (form) "about";` with one of the forms `unit`, `fixed T`, `bytes MAX`
/// (any bytes) or `tail T, MAX` (a fixed part and up to `MAX` bytes after it).
macro_rules! messages {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $direction:ident, $table:ident;
        $($kind:literal $variant:ident ($($form:tt)*) $about:literal;)*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name<'a> {
            $(#[doc = $about] $variant($crate::wire::payload!(type 'a, $($form)*)),)*
        }

        impl<'a> $name<'a> {
            /// Parses the payload of a whole message, in place.
            pub fn parse(raw: &$crate::wire::Raw<'a>) -> Result<Self, $crate::wire::WireError> {
                match raw.header.kind.get() {
                    $($kind => Ok(Self::$variant($crate::wire::payload!(read raw, $($form)*))),)*
                    other => Err($crate::wire::WireError::UnknownType(other)),
                }
            }

            /// Type number in the header.
            pub fn kind(&self) -> u16 {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            /// Name, for errors and logs.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant),)* }
            }

            /// Appends the message to `out`; `window` and `serial` go into the header.
            pub fn encode(&self, window: u32, serial: u32, out: &mut Vec<u8>) {
                match *self {
                    $(Self::$variant(payload) => {
                        $crate::wire::payload!(write out, $kind, window, serial, payload, $($form)*);
                    })*
                }
            }
        }

        /// Every message of this direction, with its limits.
        pub const $table: &[$crate::wire::MessageInfo] = &[
            $($crate::wire::MessageInfo {
                kind: $kind,
                name: stringify!($variant),
                direction: $crate::wire::Direction::$direction,
                min: $crate::wire::payload!(min $($form)*),
                max: $crate::wire::payload!(max $($form)*),
                about: $about,
            },)*
        ];
    };
}
pub(crate) use messages;

/// What [`messages!`] makes of each form.
macro_rules! payload {
    (type $l:lifetime, unit) => { () };
    (type $l:lifetime, fixed $t:ty) => { &$l $t };
    (type $l:lifetime, bytes $max:expr) => { &$l [u8] };
    (type $l:lifetime, tail $t:ty, $max:expr) => { $crate::wire::With<$l, $t> };

    (read $raw:ident, unit) => { () };
    (read $raw:ident, fixed $t:ty) => { $crate::wire::read_fixed::<$t>($raw)? };
    (read $raw:ident, bytes $max:expr) => { $raw.payload };
    (read $raw:ident, tail $t:ty, $max:expr) => { $crate::wire::read_tail::<$t>($raw)? };

    (write $out:ident, $kind:literal, $w:ident, $s:ident, $p:ident, unit) => {{
        let () = $p;
        $crate::wire::write($out, $kind, $w, $s, &[])
    }};
    (write $out:ident, $kind:literal, $w:ident, $s:ident, $p:ident, fixed $t:ty) => {
        $crate::wire::write($out, $kind, $w, $s, &[zerocopy::IntoBytes::as_bytes($p)])
    };
    (write $out:ident, $kind:literal, $w:ident, $s:ident, $p:ident, bytes $max:expr) => {
        $crate::wire::write($out, $kind, $w, $s, &[$p])
    };
    (write $out:ident, $kind:literal, $w:ident, $s:ident, $p:ident, tail $t:ty, $max:expr) => {
        $crate::wire::write($out, $kind, $w, $s, &[zerocopy::IntoBytes::as_bytes($p.fixed), $p.tail])
    };

    (min unit) => { 0 };
    (min fixed $t:ty) => { size_of::<$t>() as u32 };
    (min bytes $max:expr) => { 0 };
    (min tail $t:ty, $max:expr) => { size_of::<$t>() as u32 };
    (max unit) => { 0 };
    (max fixed $t:ty) => { size_of::<$t>() as u32 };
    (max bytes $max:expr) => { $max as u32 };
    (max tail $t:ty, $max:expr) => { (size_of::<$t>() + $max) as u32 };
}
pub(crate) use payload;
