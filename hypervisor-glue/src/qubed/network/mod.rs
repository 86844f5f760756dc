//! Who is on whose network, and what the qubes on both ends of a cable are told.
//!
//! Everything here follows from the qubes' files in dom0. A guest only ever says if what it was told is
//! in force.

pub(super) mod address;
pub(super) mod stream;

use std::time::Instant;

use transom_protocol::{
    network::{Client, MAX_CLIENTS, Setup, Uplink},
    supervisor::{Backend, ErrorBody, ErrorKind, NetworkTo, QubeName},
};

use super::{
    requests::{Outcome, error, store_error},
    server::{Qube, Server},
};
use crate::store::{self, QUBE_FILE, QubeConfig, firewall_of, parse, with_network};

/// Cards that a qube has beyond those for the clients that it has at its start, where cables can be
/// plugged in while it runs.
const SPARE: usize = 4;

/// What a machine that starts is to have.
#[derive(Debug)]
pub(super) struct Plan {
    /// In the order of their names.
    pub(super) clients: Vec<QubeName>,
    /// Cards for clients, those of today included.
    pub(super) slots: usize,
}

impl Server {
    /// The cards of a machine that is about to start. `Err`: why it cannot have what its file says.
    pub(super) fn plan_network(
        &mut self,
        name: &QubeName,
        config: &QubeConfig,
        backend: Backend,
    ) -> Result<Plan, String> {
        if backend == Backend::Sandbox {
            let asks = config.network.is_some() || config.uplink.is_some();
            if asks {
                return Err("a sandbox has no network; give it a template, or take `network` away".to_owned());
            }
            return Ok(Plan { clients: Vec::new(), slots: 0 });
        }
        if config.network.as_ref() == Some(name) {
            return Err("its file names itself as its network".to_owned());
        }
        // Files may have come or changed by hand.
        self.refresh_all();
        let clients = self.qubes.keys().filter(|client| self.names_as_network(client, name)).cloned();
        let mut clients: Vec<_> = clients.collect();
        if clients.len() > MAX_CLIENTS {
            tracing::warn!(qube = %name, most = MAX_CLIENTS, "too many qubes have their network through it");
            clients.truncate(MAX_CLIENTS);
        }
        let is_provider = !clients.is_empty() || config.uplink.is_some() || config.vpn.is_some();
        let slots = if is_provider { (clients.len() + SPARE).min(MAX_CLIENTS) } else { 0 };
        Ok(Plan { clients, slots })
    }

    fn names_as_network(&self, client: &QubeName, provider: &QubeName) -> bool {
        let config = self.qubes.get(client.as_str()).and_then(|qube| qube.config.as_ref().ok());
        config.is_some_and(|config| config.network.as_ref() == Some(provider) && !config.is_sandbox())
    }

    /// A machine that has a cable to `provider` from its start: is somebody at the other end? Gives a
    /// line for its log if not.
    pub(super) fn join_network(&mut self, name: &QubeName, now: Instant) -> Option<String> {
        let config = self.qubes.get(name.as_str()).and_then(|qube| qube.config.as_ref().ok());
        let provider = config.and_then(|config| config.network.clone());
        // Cables of another time, to another qube.
        for old in self.cables.providers_of(name) {
            if Some(&old) != provider.as_ref() {
                self.leave_network(name, &old);
            }
        }
        let provider = provider?;
        let note = self.plug_provider(name, &provider, now);
        self.tell_network(&provider);
        note
    }

    /// Sees that a client's cable is plugged into its provider, if that runs. Gives a line if it cannot be.
    fn plug_provider(&mut self, client: &QubeName, provider: &QubeName, now: Instant) -> Option<String> {
        let Some(qube) = self.qubes.get(provider.as_str()) else {
            return Some(format!("its network: there is no qube {provider}"));
        };
        qube.running.as_ref()?;
        if self.cables.slot_of(client, provider).is_some() {
            return None;
        }
        let stale = |other: &QubeName| !self.names_as_network(other, provider);
        let Some(slot) = self.cables.free_slot(provider, stale) else {
            return Some(format!("its network: {provider} has no card left for it; start {provider} again"));
        };
        let result = self.cables.join(client, provider, slot, now).and_then(|cable| {
            self.running(provider).map_or(Ok(()), |running| running.plug_slot(slot, Some(cable)))
        });
        match result {
            Ok(()) => None,
            Err(reason) => Some(format!("its network: {provider} cannot be reached: {reason}")),
        }
    }

    /// A qube's cable to another one is cut for good.
    pub(super) fn leave_network(&mut self, client: &QubeName, provider: &QubeName) {
        let Some(slot) = self.cables.cut(client, provider) else { return };
        if let Some(running) = self.running(provider)
            && let Err(error) = running.plug_slot(slot, None)
        {
            tracing::debug!(qube = %provider, %error, "a cable that was cut stays in its card");
        }
        self.tell_network(provider);
    }

    /// Says to a running qube what its network is to be.
    pub(super) fn tell_network(&mut self, name: &QubeName) {
        let Some(setup) = self.setup(name) else { return };
        if let Some(running) = self.running(name) {
            running.tell_network(&setup);
        }
    }

    /// What the network of a running qube is to be.
    fn setup(&self, name: &QubeName) -> Option<Setup> {
        let qube = self.qubes.get(name.as_str())?;
        let (config, running) = (qube.config.as_ref().ok()?, qube.running.as_ref()?);
        let uplink = match (&config.uplink, &config.network) {
            (Some(store::Uplink::User { .. }), _) => Some(Uplink::Dhcp { card: Some(address::uplink(name)) }),
            (Some(store::Uplink::Pci(_)), _) => Some(Uplink::Dhcp { card: None }),
            (None, Some(provider)) if running.has_card() => Some(Uplink::Qube {
                card: address::card(name),
                address: address::client(name),
                gateway: address::inside(provider),
            }),
            (None, _) => None,
        };
        let inside = (running.slots() > 0).then(|| address::inside(name));
        let mut taken: Vec<_> = inside.into_iter().collect();
        if let Some(Uplink::Qube { address, gateway, .. }) = &uplink {
            taken.extend([*address, *gateway]);
        }
        let mut clients = Vec::new();
        for (slot, client) in self.cables.clients_of(name) {
            let its = self.qubes.get(client.as_str()).and_then(|qube| qube.config.as_ref().ok());
            let Some(its) = its.filter(|its| its.network.as_ref() == Some(name)) else { continue };
            let its_address = address::client(client);
            if taken.contains(&its_address) {
                tracing::warn!(qube = %client, provider = %name, "its address is another's: rename it");
                continue;
            }
            taken.push(its_address);
            clients.push(Client {
                card: address::slot(name, slot),
                its_card: address::card(client),
                address: its_address,
                firewall: firewall_of(its),
            });
        }
        let setup = Setup { uplink, inside, clients, vpn: config.vpn };
        if !setup.is_sound() {
            tracing::warn!(qube = %name, "its address is that of the qube that its network goes through: rename it");
            return Some(Setup::default());
        }
        Some(setup)
    }

    /// Changes where a qube's network goes, at once if it runs; and has its rules counted as its file says
    /// them now.
    pub(super) fn set_network(
        &mut self,
        name: &QubeName,
        to: NetworkTo,
        now: Instant,
    ) -> Result<Outcome, ErrorBody> {
        if let NetworkTo::Qube(provider) = &to {
            self.refresh(provider);
            if provider == name || !self.qubes.contains_key(provider.as_str()) {
                return Err(error(ErrorKind::BadRequest, format!("there is no other qube {provider}")));
            }
        }
        let old = match self.qubes.get(name.as_str()) {
            Some(Qube { config: Ok(config), .. }) => config.clone(),
            Some(Qube { config: Err(problem), .. }) => return Err(problem.clone()),
            None => return self.answer_info(name),
        };
        let lasts = self.lasting(name).is_ok();
        let (new, text) = if lasts { self.changed_file(name, &to)? } else { (changed(&old, &to), None) };
        let network = new.network.clone();
        if let Some(running) = self.running(name)
            && network != old.network
            && !running.has_card()
        {
            let reason =
                format!("{name} was started without a network card; stop it first, then change its network");
            return Err(error(ErrorKind::NotHalted, reason));
        }
        if let Some(text) = &text {
            let path = self.store.dir(name).join(QUBE_FILE);
            store::replace(&path, text.as_bytes())
                .map_err(|e| error(ErrorKind::Io, format!("{}: {e}", path.display())))?;
        }
        self.refresh(name);
        if self.running(name).is_some() {
            if let Some(Qube { config: Ok(config), .. }) = self.qubes.get_mut(name.as_str()) {
                config.network.clone_from(&network);
                config.firewall.clone_from(&new.firewall);
            }
            if network == old.network {
                if let Some(provider) = &network {
                    self.tell_network(provider);
                }
            } else {
                self.rewire(name, old.network.as_ref(), network.as_ref(), now)?;
            }
        }
        tracing::info!(qube = %name, network = ?network.as_ref().map(QubeName::as_str), "its network was set");
        self.announce(name);
        self.answer_info(name)
    }

    fn rewire(
        &mut self,
        name: &QubeName,
        from: Option<&QubeName>,
        to: Option<&QubeName>,
        now: Instant,
    ) -> Result<(), ErrorBody> {
        let failed =
            |e: std::io::Error| error(ErrorKind::Backend, format!("{name} cannot be plugged elsewhere: {e}"));
        if let Some(from) = from {
            self.leave_network(name, from);
        }
        let cable = to.map(|to| self.cables.client_end(name, to, now)).transpose().map_err(failed)?;
        if let Some(running) = self.running(name) {
            running.plug_own(cable).map_err(failed)?;
        }
        // Its own address first: what comes over the new cable finds it there.
        self.tell_network(name);
        if let Some(to) = to {
            let note = self.plug_provider(name, to, now);
            self.tell_network(to);
            if let (Some(note), Some(running)) = (note, self.running(name)) {
                running.note(&note);
            }
        }
        Ok(())
    }

    /// What a qube's file says with another network in it, and its text.
    fn changed_file(
        &self,
        name: &QubeName,
        to: &NetworkTo,
    ) -> Result<(QubeConfig, Option<String>), ErrorBody> {
        let path = self.store.dir(name).join(QUBE_FILE);
        let old = self.store.load(name).map_err(|e| store_error(&e))?;
        let wanted = changed(&old, to);
        if wanted == old {
            return Ok((old, None));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|e| error(ErrorKind::Io, format!("{}: {e}", path.display())))?;
        let text = with_network(&text, &wanted);
        let read = parse(&path, &text).map_err(|e| error(ErrorKind::BadRequest, e.to_string()))?;
        Ok((read, Some(text)))
    }
}

fn changed(config: &QubeConfig, to: &NetworkTo) -> QubeConfig {
    let network = match to {
        NetworkTo::Same => config.network.clone(),
        NetworkTo::Nothing => None,
        NetworkTo::Qube(name) => Some(name.clone()),
    };
    QubeConfig { network, ..config.clone() }
}
