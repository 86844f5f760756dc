//! What a qube has told of itself: its programs, its updates.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use transom_protocol::{
    dom0_services::{MAX_UPDATES_BYTES, UpdateList},
    programs::{MAX_LIST_BYTES, ProgramList},
    supervisor::{QubeName, ReplyBody, RequestBody},
};

use super::{Client, ClientError, unexpected};

/// Reads the list that came beside [`ReplyBody::Programs`].
///
/// # Errors
/// It is too long, or none.
pub fn read_programs(file: OwnedFd) -> io::Result<ProgramList> {
    ProgramList::decode(&read_up_to(file.into(), MAX_LIST_BYTES)?).map_err(io::Error::other)
}

/// Reads a list of updates, such as comes beside [`ReplyBody::Updates`].
///
/// # Errors
/// It is too long, or none.
pub fn read_updates(file: File) -> io::Result<UpdateList> {
    UpdateList::parse(&read_up_to(file, MAX_UPDATES_BYTES)?).map_err(io::Error::other)
}

fn read_up_to(file: File, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than there may be shows that there is too much.
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::other("the list is too long"));
    }
    Ok(bytes)
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

    /// The updates that a qube has told of, and when; `None` if it never did. Waits.
    pub fn updates(
        &mut self,
        qube: &QubeName,
        deadline: Instant,
    ) -> Result<Option<(SystemTime, UpdateList)>, ClientError> {
        let (answer, files) = self.call_for_files(RequestBody::Updates { qube: qube.clone() }, deadline)?;
        match (answer, files.into_iter().next()) {
            (ReplyBody::Updates { told: None, .. }, _) => Ok(None),
            (ReplyBody::Updates { told: Some(seconds), .. }, Some(file)) => {
                let told = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
                Ok(Some((told, read_updates(file.into())?)))
            }
            (other, _) => Err(unexpected(&other)),
        }
    }
}
