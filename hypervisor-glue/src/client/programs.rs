//! The programs that a qube lists.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    time::Instant,
};

use transom_protocol::{
    programs::{MAX_LIST_BYTES, ProgramList},
    supervisor::{QubeName, ReplyBody, RequestBody},
};

use super::{Client, ClientError, unexpected};

/// Reads the list that came beside [`ReplyBody::Programs`].
///
/// # Errors
/// It is too long, or none.
pub fn read_programs(file: OwnedFd) -> io::Result<ProgramList> {
    let mut bytes = Vec::new();
    // One byte more than there may be shows that there is too much.
    File::from(file).take(MAX_LIST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_LIST_BYTES {
        return Err(io::Error::other("the list is too long"));
    }
    ProgramList::decode(&bytes).map_err(io::Error::other)
}

impl Client {
    /// The programs that a qube lists; `None` if it never did. Waits.
    pub fn programs(
        &mut self,
        qube: &QubeName,
        deadline: Instant,
    ) -> Result<Option<ProgramList>, ClientError> {
        let (answer, files) = self.call_for_files(RequestBody::Programs { qube: qube.clone() }, deadline)?;
        match (answer, files.into_iter().next()) {
            (ReplyBody::Programs { known: false, .. }, _) => Ok(None),
            (ReplyBody::Programs { known: true, .. }, Some(file)) => Ok(Some(read_programs(file)?)),
            (other, _) => Err(unexpected(&other)),
        }
    }
}
