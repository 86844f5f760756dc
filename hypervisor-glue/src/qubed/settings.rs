//! What a person changes of a qube by a choice: what its file says, and the file as it is told.

use transom_protocol::supervisor::{Backend, Changes, ErrorBody, ErrorKind, QubeName, Settings};

use super::{
    requests::{Outcome, error, store_error},
    server::{Qube, Server},
};
use crate::store::{self, QUBE_FILE, QubeConfig, parse, with_settings};

/// What is told of a qube's file. `lasts`: it has a volume of its own.
pub(super) fn told(config: &QubeConfig, backend: Backend, lasts: bool) -> Settings {
    let sandbox = backend == Backend::Sandbox;
    Settings {
        memory: if sandbox { config.limits.memory } else { Some(config.machine.memory) },
        volume: (lasts && !sandbox).then_some(config.machine.volume),
        network: config.network.clone(),
        start_with_desktop: config.start_with_desktop,
    }
}

/// What a file says with changes. `Err`: why it cannot.
fn changed(old: &QubeConfig, changes: &Changes) -> Result<QubeConfig, String> {
    let mut new = old.clone();
    if let Some(label) = &changes.label {
        new.label.clone_from(label);
    }
    if let Some(bytes) = changes.memory {
        let sandbox = old.is_sandbox();
        match (sandbox, bytes) {
            (true, 0) => new.limits.memory = None,
            (true, bytes) => new.limits.memory = Some(bytes),
            (false, bytes) => new.machine.memory = bytes,
        }
        if !bytes.is_multiple_of(1 << 20) {
            return Err("memory is given in whole MiB".to_owned());
        }
    }
    if let Some(bytes) = changes.volume {
        if old.is_sandbox() {
            return Err("a sandbox has no volume: its home is a directory of dom0".to_owned());
        }
        if bytes < old.machine.volume {
            return Err("a private volume can only grow".to_owned());
        }
        new.machine.volume = bytes;
    }
    if let Some(start) = changes.start_with_desktop {
        new.start_with_desktop = start;
    }
    Ok(new)
}

impl Server {
    /// Changes what a qube's file says.
    pub(super) fn set(&mut self, name: &QubeName, changes: &Changes) -> Result<Outcome, ErrorBody> {
        self.lasting(name)?;
        if changes.label.is_some() || changes.memory.is_some() || changes.volume.is_some() {
            self.halted(name)?;
        }
        self.leave_alone(name)?;
        let path = self.store.dir(name).join(QUBE_FILE);
        let old = self.store.load(name).map_err(|e| store_error(&e))?;
        let new = changed(&old, changes)
            .map_err(|reason| error(ErrorKind::BadRequest, format!("{name} cannot be changed: {reason}")))?;
        if new != old {
            let failed = |e: std::io::Error| error(ErrorKind::Io, format!("{}: {e}", path.display()));
            let text = std::fs::read_to_string(&path).map_err(failed)?;
            let text = with_settings(&text, &old, &new);
            parse(&path, &text).map_err(|e| {
                error(ErrorKind::BadRequest, format!("{name} cannot be changed: {}", e.reason))
            })?;
            store::replace(&path, text.as_bytes()).map_err(failed)?;
            tracing::info!(qube = %name, "its settings were changed");
        }
        self.refresh(name);
        // A running qube stays what it was started as, but for this.
        if let Some(Qube { config: Ok(config), running: Some(_), .. }) = self.qubes.get_mut(name.as_str()) {
            config.start_with_desktop = new.start_with_desktop;
            self.announce(name);
        }
        self.answer_info(name)
    }
}

#[cfg(test)]
mod tests {
    use transom_protocol::supervisor::{BackendChoice, LabelName};

    use super::*;

    fn config(backend: BackendChoice) -> QubeConfig {
        QubeConfig { backend, ..QubeConfig::new(LabelName::new("red").unwrap()) }
    }

    #[test]
    fn memory_is_that_of_the_machine_or_a_sandboxs_limit() {
        let changes = |memory, volume| Changes { memory, volume, ..Changes::default() };
        let (vm, sandbox) = (config(BackendChoice::Kvm), config(BackendChoice::Sandbox));
        let new = changed(&vm, &changes(Some(2 << 30), Some(9 << 30))).unwrap();
        assert_eq!((new.machine.memory, new.machine.volume, new.limits.memory), (2 << 30, 9 << 30, None));
        assert_eq!(told(&new, Backend::Kvm, true).volume, Some(9 << 30));
        assert_eq!(told(&new, Backend::Kvm, false).volume, None);
        let new = changed(&sandbox, &changes(Some(1 << 30), None)).unwrap();
        assert_eq!(told(&new, Backend::Sandbox, true).memory, Some(1 << 30));
        assert_eq!(changed(&new, &changes(Some(0), None)).unwrap().limits.memory, None);
        for (config, memory, volume) in
            [(&vm, Some(5), None), (&vm, None, Some(1 << 30)), (&sandbox, None, Some(9 << 30))]
        {
            assert!(changed(config, &changes(memory, volume)).is_err(), "{memory:?} {volume:?}");
        }
        assert_eq!(changed(&vm, &Changes::default()), Ok(vm));
    }
}
