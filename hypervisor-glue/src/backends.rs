//! The back ends of this computer, and which of them a qube gets.

use std::{fs::File, path::PathBuf, sync::Arc};

use transom_protocol::supervisor::{Backend, BackendChoice};

use crate::{
    image::{self, Image, ImageError, Images},
    kvm::Kvm,
    machine::Hypervisor,
    qemu::{self, Qemu},
    sandbox::{Cgroups, Sandbox},
    store::{Accelerator, QubeConfig},
};

/// What a qube runs on.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The back end, or the one that it would have if nothing were missing.
    pub(crate) backend: Backend,
    /// Why that one, or what is missing: one line.
    pub(crate) reason: String,
    /// False if something is missing.
    pub(crate) ready: bool,
}

/// The back ends.
#[derive(Debug)]
pub(crate) struct Backends {
    sandbox: Sandbox,
    kvm: Kvm,
    qemu: Qemu,
    images: Images,
}

impl Backends {
    /// `bwrap` is bubblewrap's program, if another than the one in `PATH`.
    pub(crate) fn new(bwrap: Option<PathBuf>, images: Images) -> Self {
        // Once for all: finding out moves this process into a group of its own.
        let cgroups = Cgroups::detect().map(Arc::new);
        Self {
            sandbox: Sandbox::new(bwrap, cgroups.clone()),
            kvm: Kvm::new(cgroups.clone()),
            qemu: Qemu::new(cgroups),
            images,
        }
    }

    /// What a qube runs on, with the computer as it is now.
    pub(crate) fn choose(&self, config: &QubeConfig) -> Choice {
        let mut choice = choose(
            config.backend,
            config.template.is_some(),
            || self.kvm.check(),
            || self.qemu.check(),
            || self.image(config).map(|_| ()).map_err(|error| error.to_string()),
        );
        if choice.ready && (choice.backend, config.backend) == (Backend::Qemu, BackendChoice::Qemu) {
            choice.reason.push_str(match qemu::accelerator(&config.machine) {
                Accelerator::Kvm => ", on the processor by KVM",
                Accelerator::Tcg => ", in software",
            });
        }
        choice
    }

    /// The image of a qube with a virtual machine.
    pub(crate) fn image(&self, config: &QubeConfig) -> Result<Image, ImageError> {
        self.images.load(config.template.as_deref().unwrap_or(image::DEFAULT_NAME))
    }

    /// The images that qubes can be made from.
    pub(crate) fn images(&self) -> &Images {
        &self.images
    }

    /// The programs that a qube's template has; `None` where that is not known.
    pub(crate) fn programs(&self, config: &QubeConfig) -> Option<File> {
        self.image(config).ok()?.programs()
    }

    /// The back end; `None`: this version knows none of that name.
    pub(crate) fn get(&mut self, backend: Backend) -> Option<&mut dyn Hypervisor> {
        match backend {
            Backend::Sandbox => Some(&mut self.sandbox),
            Backend::Kvm => Some(&mut self.kvm),
            Backend::Qemu => Some(&mut self.qemu),
            _ => None,
        }
    }
}

/// The rule. What it asks for is only looked at where it matters.
fn choose(
    wanted: BackendChoice,
    has_template: bool,
    kvm: impl FnOnce() -> Result<(), String>,
    qemu: impl FnOnce() -> Result<(), String>,
    image: impl FnOnce() -> Result<(), String>,
) -> Choice {
    let good = |backend, reason: &str| Choice { backend, reason: reason.to_owned(), ready: true };
    let missing = |backend, reason| Choice { backend, reason, ready: false };
    let asked = |backend, found: Result<(), String>| match found {
        Ok(()) => good(backend, "its file asks for it"),
        Err(reason) => missing(backend, reason),
    };
    match wanted {
        BackendChoice::Sandbox => good(Backend::Sandbox, "its file asks for it"),
        BackendChoice::Kvm => asked(Backend::Kvm, kvm().and_then(|()| image())),
        BackendChoice::Qemu => asked(Backend::Qemu, qemu().and_then(|()| image())),
        BackendChoice::Auto if !has_template => {
            good(Backend::Sandbox, "it has no template: it runs dom0's own programs on dom0's kernel")
        }
        // Never a sandbox instead: whoever names a template wants a machine of its own.
        BackendChoice::Auto => match kvm() {
            Ok(()) => match image() {
                Ok(()) => good(Backend::Kvm, "the processor runs it"),
                Err(reason) => missing(Backend::Kvm, reason),
            },
            Err(why) => match qemu().and_then(|()| image()) {
                Ok(()) => good(Backend::Qemu, &format!("in software, for {why}")),
                Err(reason) => missing(Backend::Qemu, reason),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no(text: &str) -> Result<(), String> {
        Err(text.to_owned())
    }

    fn pick(wanted: BackendChoice, template: bool, [kvm, qemu, image]: [bool; 3]) -> (Backend, bool, String) {
        let fact = |good: bool, name: &'static str| move || if good { Ok(()) } else { no(name) };
        let choice =
            choose(wanted, template, fact(kvm, "no kvm"), fact(qemu, "no qemu"), fact(image, "no image"));
        (choice.backend, choice.ready, choice.reason)
    }

    #[test]
    fn auto_takes_the_best_that_is_there() {
        use BackendChoice::Auto;
        assert_eq!(pick(Auto, true, [true, true, true]).0, Backend::Kvm);
        assert_eq!(pick(Auto, true, [true, true, false]), (Backend::Kvm, false, "no image".to_owned()));
        let (backend, ready, reason) = pick(Auto, true, [false, true, true]);
        assert_eq!((backend, ready), (Backend::Qemu, true));
        assert!(reason.contains("no kvm"), "{reason}");
        for (facts, says) in [([false, false, true], "no qemu"), ([false, true, false], "no image")] {
            assert_eq!(pick(Auto, true, facts), (Backend::Qemu, false, says.to_owned()));
        }
    }

    #[test]
    fn a_template_is_never_run_without_a_machine() {
        for facts in [[false; 3], [true; 3], [false, true, false]] {
            assert_ne!(pick(BackendChoice::Auto, true, facts).0, Backend::Sandbox);
            assert_eq!(pick(BackendChoice::Auto, false, facts).0, Backend::Sandbox);
        }
    }

    #[test]
    fn what_is_asked_for_is_never_replaced() {
        for facts in [[false; 3], [true; 3]] {
            for template in [false, true] {
                assert_eq!(pick(BackendChoice::Sandbox, template, facts).0, Backend::Sandbox);
                let (backend, ready, _) = pick(BackendChoice::Qemu, template, facts);
                assert_eq!((backend, ready), (Backend::Qemu, facts[1]));
                let (backend, ready, _) = pick(BackendChoice::Kvm, template, facts);
                assert_eq!((backend, ready), (Backend::Kvm, facts[0]));
            }
        }
    }
}
