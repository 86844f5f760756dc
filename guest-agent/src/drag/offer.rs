//! What a program hears of a drag over one of its surfaces, and what it says to it.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use smithay::{
    reexports::wayland_server::{
        DisplayHandle, Resource, WEnum,
        backend::{ClientId, Handle, ObjectData, ObjectId, protocol::Message},
        protocol::{
            wl_data_device::WlDataDevice,
            wl_data_device_manager::DndAction,
            wl_data_offer::{self, WlDataOffer},
            wl_surface::WlSurface,
        },
    },
    utils::{Logical, Point},
    wayland::selection::data_device::default_action_chooser,
};
use tracing::debug;

use super::{Source, fresh_serial};
use crate::Agent;

/// Version of the protocol since which drags have actions, and sources hear of their end.
const ACTIONS: u32 = 3;

/// What the program has said to an offer, and how far it has come.
#[derive(Debug)]
struct Choice {
    /// It takes one of the types; not said: it might.
    accepts: Option<bool>,
    action: DndAction,
    /// It may still be read.
    open: bool,
    dropped: bool,
}

/// What is offered on one surface, to all data devices of its program.
#[derive(Debug)]
pub(super) struct Offered {
    source: Source,
    types: Vec<String>,
    /// The program knows no actions: that it accepts is all it can say.
    plain: bool,
    choice: Mutex<Choice>,
}

impl Offered {
    fn choice(&self) -> MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program has said that it takes it.
    pub(super) fn is_taken(&self) -> bool {
        let choice = self.choice();
        choice.accepts == Some(true) && (self.plain || !choice.action.is_empty())
    }

    fn may_be_dropped(&self) -> bool {
        let choice = self.choice();
        if self.plain {
            choice.accepts == Some(true)
        } else {
            choice.accepts != Some(false) && !choice.action.is_empty()
        }
    }

    fn offer_to(self: &Arc<Self>, display: &DisplayHandle, device: &WlDataDevice) -> Option<WlDataOffer> {
        let client = device.client()?;
        let data: Arc<dyn ObjectData<Agent>> = Arc::new(OfferData(Arc::clone(self)));
        let handle = display.backend_handle();
        let id = handle
            .create_object::<Agent>(client.id(), WlDataOffer::interface(), device.version(), data)
            .ok()?;
        let offer = WlDataOffer::from_id(display, id).ok()?;
        device.data_offer(&offer);
        for mime in &self.types {
            offer.offer(mime.clone());
        }
        if offer.version() >= ACTIONS {
            offer.source_actions(self.source.actions());
        }
        Some(offer)
    }
}

/// A drag over one surface.
#[derive(Debug)]
pub(super) struct Visit {
    surface: WlSurface,
    devices: Vec<WlDataDevice>,
    offered: Arc<Offered>,
}

impl Visit {
    /// Offers a drag to the program of a surface; `None` if it hears of no drags.
    pub(super) fn enter(
        display: &DisplayHandle,
        source: Source,
        surface: &WlSurface,
        at: Point<f64, Logical>,
    ) -> Option<Self> {
        let devices = devices(display, surface);
        let plain = devices.iter().all(|device| device.version() < ACTIONS);
        let choice = Choice { accepts: None, action: DndAction::empty(), open: true, dropped: false };
        let types = source.types();
        let offered = Arc::new(Offered { source, types, plain, choice: Mutex::new(choice) });
        for device in &devices {
            let offer = offered.offer_to(display, device)?;
            device.enter(fresh_serial(), surface, at.x, at.y, Some(&offer));
        }
        let surface = surface.clone();
        (!devices.is_empty()).then_some(Self { surface, devices, offered })
    }

    pub(super) fn surface(&self) -> &WlSurface {
        &self.surface
    }

    pub(super) fn is_of(&self, offered: &Arc<Offered>) -> bool {
        Arc::ptr_eq(&self.offered, offered)
    }

    pub(super) fn motion(&self, time: u32, at: Point<f64, Logical>) {
        for device in &self.devices {
            device.motion(time, at.x, at.y);
        }
    }

    /// The drag goes elsewhere.
    pub(super) fn leave(self) {
        self.offered.choice().open = false;
        if let Some(source) = self.offered.source.program(1) {
            source.target(None);
        }
        for device in &self.devices {
            device.leave();
        }
    }

    /// The button is up: it is dropped, if the program takes it.
    pub(super) fn drop(self) {
        let takes = self.offered.may_be_dropped();
        if takes {
            self.offered.choice().dropped = true;
            for device in &self.devices {
                device.drop();
            }
            if let Some(source) = self.offered.source.program(ACTIONS) {
                source.dnd_drop_performed();
            }
        } else {
            self.offered.choice().open = false;
            if let Some(source) = self.offered.source.program(1) {
                source.cancelled();
            }
        }
        for device in &self.devices {
            device.leave();
        }
    }
}

/// The data devices of a surface's program.
fn devices(display: &DisplayHandle, surface: &WlSurface) -> Vec<WlDataDevice> {
    let Some(client) = surface.client() else { return Vec::new() };
    let mut ids: Vec<ObjectId> = Vec::new();
    let name = WlDataDevice::interface().name;
    let found = display.backend_handle().with_all_objects_for(client.id(), |id| {
        if id.interface().name == name {
            ids.push(id);
        }
    });
    if found.is_err() {
        return Vec::new();
    }
    ids.into_iter().filter_map(|id| WlDataDevice::from_id(display, id).ok()).collect()
}

/// Hears the requests of one `wl_data_offer`.
struct OfferData(Arc<Offered>);

impl ObjectData<Agent> for OfferData {
    fn request(
        self: Arc<Self>,
        handle: &Handle,
        agent: &mut Agent,
        _: ClientId,
        message: Message<ObjectId, OwnedFd>,
    ) -> Option<Arc<dyn ObjectData<Agent>>> {
        let display = DisplayHandle::from(handle.clone());
        if let Ok((offer, request)) = WlDataOffer::parse_request(&display, message) {
            self.said(agent, &offer, request);
        }
        None
    }

    fn destroyed(self: Arc<Self>, _: &Handle, _: &mut Agent, _: ClientId, _: ObjectId) {}
}

impl OfferData {
    fn said(&self, agent: &mut Agent, offer: &WlDataOffer, request: wl_data_offer::Request) {
        use wl_data_offer::{Error, Request};
        let offered = &self.0;
        match request {
            Request::Accept { mime_type, .. } => {
                let takes = mime_type.as_ref().is_some_and(|mime| offered.types.contains(mime));
                offered.choice().accepts = Some(takes);
                if let Some(source) = offered.source.program(1) {
                    source.target(mime_type.filter(|_| takes));
                }
                agent.offer_chosen(offered);
            }
            Request::Receive { mime_type, fd } => self.receive(agent, mime_type, fd),
            Request::Finish => {
                let mut choice = offered.choice();
                let legal = choice.open && choice.dropped && choice.accepts != Some(false);
                if !legal || choice.action.is_empty() {
                    offer.post_error(Error::InvalidFinish, "there is no drop to finish");
                    return;
                }
                choice.open = false;
                if let Some(source) = offered.source.program(ACTIONS) {
                    source.dnd_finished();
                }
            }
            Request::SetActions { dnd_actions, preferred_action } => {
                let (WEnum::Value(actions), WEnum::Value(preferred)) = (dnd_actions, preferred_action) else {
                    offer.post_error(Error::InvalidActionMask, "no such action");
                    return;
                };
                if ![DndAction::None, DndAction::Move, DndAction::Copy, DndAction::Ask].contains(&preferred) {
                    offer.post_error(Error::InvalidAction, "one action is preferred, or none");
                    return;
                }
                let chosen = default_action_chooser(offered.source.actions() & actions, preferred);
                let before = std::mem::replace(&mut offered.choice().action, chosen);
                if before != chosen {
                    offer.action(chosen);
                    if let Some(source) = offered.source.program(ACTIONS) {
                        source.action(chosen);
                    }
                }
                agent.offer_chosen(offered);
            }
            _ => {}
        }
    }

    fn receive(&self, agent: &mut Agent, mime: String, fd: OwnedFd) {
        let offered = &self.0;
        if !offered.choice().open || !offered.types.contains(&mime) {
            return;
        }
        match &offered.source {
            Source::Program(source) => source.send(mime, fd.as_fd()),
            Source::Brought(content) => {
                let written = content.get(&mime).is_some_and(|bytes| agent.write_bytes(fd, bytes));
                if !written {
                    debug!("what was dropped cannot be handed out");
                }
            }
        }
    }
}
