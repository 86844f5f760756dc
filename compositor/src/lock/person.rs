//! Whose desktop this is.

use nix::unistd::{Uid, User};
use tracing::warn;

/// The name by which the lock screen greets the person: their own, else that of the account.
pub(super) fn name() -> String {
    match User::from_uid(Uid::current()) {
        Ok(Some(user)) => {
            let gecos = user.gecos.to_string_lossy();
            let own = gecos.split(',').next().unwrap_or_default().trim();
            if own.is_empty() { user.name } else { own.to_owned() }
        }
        Ok(None) => String::new(),
        Err(error) => {
            warn!(%error, "the account cannot be looked up");
            String::new()
        }
    }
}
