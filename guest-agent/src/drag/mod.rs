//! Drag and drop: drags of programs over all windows of the qube, and what dom0 drops into it.
//!
//! To the program below it every drag is the same: an [`offer`] of what a program of the qube hands
//! out, or of what dom0 brought. A drag of a program holds the pointer by a [`grab`]; dom0 says which
//! window it is over, or none, and whether the content is wanted outside. What comes from outside is
//! there before its program hears of it, and is dropped as soon as that has said that it takes it.

mod grab;
mod offer;

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use calloop::timer::{TimeoutAction, Timer};
use smithay::{
    input::pointer::{Focus, MotionEvent},
    reexports::wayland_server::{
        Resource,
        protocol::{wl_data_device_manager::DndAction, wl_data_source::WlDataSource, wl_surface::WlSurface},
    },
    utils::{IsAlive, Logical, Point, SERIAL_COUNTER, Serial},
    wayland::{
        compositor::give_role,
        selection::data_device::{DND_ICON_ROLE, with_source_metadata},
    },
};
use tracing::{debug, warn};
use transom_protocol::{
    message::{self, ToDom0},
    types::{Selection, join_strings},
    wire::With,
};

use self::{grab::DragGrab, offer::Visit};
use crate::{
    Agent,
    selection::{Content, offerable},
    windows::{Role, id_of},
};

/// How long a program may think about what dom0 has dropped on it.
const LANDING: Duration = Duration::from_secs(2);

/// Who hands out what is dragged.
#[derive(Clone, Debug)]
enum Source {
    /// A program of the qube.
    Program(WlDataSource),
    /// dom0 brought it.
    Brought(Arc<Content>),
}

impl Source {
    fn types(&self) -> Vec<String> {
        match self {
            Self::Program(source) => {
                with_source_metadata(source, |meta| meta.mime_types.clone()).unwrap_or_default()
            }
            Self::Brought(content) => content.types(),
        }
    }

    fn actions(&self) -> DndAction {
        match self {
            Self::Program(source) => {
                with_source_metadata(source, |meta| meta.dnd_action).unwrap_or(DndAction::empty())
            }
            // What it was stays where it was: it cannot be moved.
            Self::Brought(_) => DndAction::Copy,
        }
    }

    /// The program behind it, if it knows this much of the protocol.
    fn program(&self, since: u32) -> Option<&WlDataSource> {
        match self {
            Self::Program(source) if source.version() >= since => Some(source),
            _ => None,
        }
    }
}

/// A drag of a program while its button is held.
#[derive(Debug)]
struct Held {
    source: WlDataSource,
    /// dom0's serial of the press.
    press: u32,
    /// dom0 lets it go over all windows: the pointer may leave and come back.
    roams: bool,
    over: Option<Visit>,
}

/// Something that dom0 dropped, while its program makes up its mind.
#[derive(Debug)]
struct Landing {
    number: u64,
    visit: Visit,
}

/// Drags under way.
#[derive(Debug, Default)]
pub(crate) struct Drags {
    held: Option<Held>,
    /// It was dropped outside: dom0 is given its content, by the press.
    handed: Option<(u32, WlDataSource)>,
    /// Where the next paste is to be dropped: its serial, window, place.
    drop_at: Option<(u32, u32, Point<f64, Logical>)>,
    landing: Option<Landing>,
    landings: u64,
}

impl Drags {
    /// The pointer may leave its window with the button held.
    pub(crate) fn roams(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.roams)
    }

    /// A program's drag holds the pointer.
    pub(crate) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Where this paste is to be dropped, if it is not for the clipboard.
    pub(crate) fn take_drop(&mut self, serial: u32) -> Option<(u32, Point<f64, Logical>)> {
        self.drop_at.take_if(|(of, ..)| *of == serial).map(|(_, window, at)| (window, at))
    }
}

impl Agent {
    /// A program drags, with a press that its pointer still holds.
    fn start_drag(&mut self, source: WlDataSource, icon: Option<WlSurface>, serial: Serial) {
        let (Some(pointer), Some(press)) = (self.seat.get_pointer(), self.input.dom0_serial(serial)) else {
            source.cancelled();
            return;
        };
        let Some(start) = pointer.grab_start_data().filter(|_| !self.drags.holds()) else {
            debug!("a second drag with one press");
            source.cancelled();
            return;
        };
        if let Some(icon) = icon {
            self.show_drag_icon(&icon);
        }
        let window = self.input.last_press.map(|(window, _)| window);
        let types = Source::Program(source.clone()).types();
        self.drags.held = Some(Held { source, press, roams: false, over: None });
        pointer.set_grab(self, DragGrab::new(start), serial, Focus::Clear);
        let announced = |id: &u32| self.windows.get(*id).is_some_and(|window| window.announced);
        let Some(window) = window.filter(announced) else { return };
        if let Some(link) = self.dom0.open() {
            let tail = join_strings(offerable(&types));
            let fixed = message::SelectionOffer { selection: Selection::Drag };
            link.send(window, press, &ToDom0::DragStart(With { fixed: &fixed, tail: &tail }));
        }
    }

    /// The picture that follows the pointer.
    pub(crate) fn show_drag_icon(&mut self, icon: &WlSurface) {
        if id_of(icon).is_none() {
            self.windows.create(icon, Role::DragIcon);
        }
        // It may have its picture already.
        self.committed(icon);
    }

    /// No drag any more: its picture goes.
    pub(crate) fn drop_drag_icons(&mut self) {
        let is_icon = |role: &Role| matches!(role, Role::DragIcon);
        let icons: Vec<u32> =
            self.windows.by_id.iter().filter(|(_, w)| is_icon(&w.role)).map(|(id, _)| *id).collect();
        for icon in icons {
            self.destroy_window(icon);
        }
    }

    /// The pointer moved with a drag. Called by the grab: the pointer itself is lent out.
    fn drag_over(&mut self, focus: Option<(WlSurface, Point<f64, Logical>)>, event: &MotionEvent) {
        let Some(held) = &mut self.drags.held else { return };
        let surface = focus.as_ref().map(|(surface, _)| surface);
        if held.over.as_ref().map(Visit::surface) != surface
            && let Some(visit) = held.over.take()
        {
            visit.leave();
        }
        let Some((surface, place)) = focus else { return };
        let at = event.location - place;
        if let Some(visit) = &held.over {
            visit.motion(event.time, at);
        } else {
            let source = Source::Program(held.source.clone());
            held.over = Visit::enter(&self.display, source, &surface, at);
        }
    }

    /// The button of a drag is up, over what it was over last. Called by the grab.
    fn drag_released(&mut self) {
        let Some(held) = self.drags.held.take() else { return };
        match held.over {
            Some(visit) => visit.drop(),
            None => held.source.cancelled(),
        }
        self.drop_drag_icons();
    }

    /// A drag comes to nothing: the pointer has left for good, or dom0 says so.
    pub(crate) fn cancel_drag(&mut self) {
        if let Some(source) = self.let_go_of_drag() {
            source.cancelled();
        }
    }

    /// Ends a drag without dropping it here. The button is up to everybody.
    fn let_go_of_drag(&mut self) -> Option<WlDataSource> {
        let held = self.drags.held.take()?;
        if let Some(visit) = held.over {
            visit.leave();
        }
        self.drop_drag_icons();
        self.release_buttons();
        Some(held.source)
    }

    /// dom0: the drag of this press may go over all windows, or is over.
    pub(crate) fn dom0_drags(&mut self, press: u32, on: bool) {
        if let Some(held) = self.drags.held.as_mut().filter(|held| held.press == press) {
            if on {
                held.roams = true;
            } else {
                self.cancel_drag();
            }
        } else if let Some((_, source)) = self.drags.handed.take_if(|(of, _)| *of == press && !on)
            && source.version() >= 3
        {
            source.dnd_finished();
        }
    }

    /// dom0 wants what is dragged: it was dropped outside. False if nobody can hand it out.
    pub(crate) fn write_dragged(&mut self, mime: &str, fd: OwnedFd) -> bool {
        if let Some(press) = self.drags.held.as_ref().map(|held| held.press)
            && let Some(source) = self.let_go_of_drag()
        {
            source.target(Some(mime.to_owned()));
            if source.version() >= 3 {
                source.action(DndAction::Copy);
                source.dnd_drop_performed();
            }
            self.drags.handed = Some((press, source));
        }
        let Some((_, source)) = self.drags.handed.as_ref().filter(|(_, source)| source.alive()) else {
            return false;
        };
        let there = Source::Program(source.clone()).types().iter().any(|own| own == mime);
        if there {
            source.send(mime.to_owned(), std::os::fd::AsFd::as_fd(&fd));
        }
        there
    }

    /// dom0 is gone: nothing is dragged any more, and nothing comes.
    pub(crate) fn drags_gone(&mut self) {
        self.cancel_drag();
        if let Some((_, source)) = self.drags.handed.take() {
            source.cancelled();
        }
        self.drags.drop_at = None;
        self.end_landing(None);
    }

    /// dom0: the paste of this serial is dropped here.
    pub(crate) fn dom0_drops(&mut self, window: u32, serial: u32, at: Point<f64, Logical>) {
        self.drags.drop_at = Some((serial, window, at));
    }

    /// What dom0 dropped is all there: the program below hears of it.
    pub(crate) fn land(&mut self, window: u32, at: Point<f64, Logical>, content: Arc<Content>) {
        self.end_landing(None);
        let Some((surface, place)) = self.surface_under(window, at) else { return };
        let at = at - place;
        let Some(visit) = Visit::enter(&self.display, Source::Brought(content), &surface, at) else {
            debug!("something was dropped on a program that takes no drops");
            return;
        };
        visit.motion(self.input.time(), at);
        self.drags.landings += 1;
        let number = self.drags.landings;
        self.drags.landing = Some(Landing { number, visit });
        let timer = Timer::from_duration(LANDING);
        let inserted = self.handle.insert_source(timer, move |_, (), agent: &mut Self| {
            agent.end_landing(Some(number));
            TimeoutAction::Drop
        });
        if let Err(error) = inserted {
            warn!(%error, "no timer: what was dropped is not waited for");
            self.end_landing(None);
        }
    }

    /// The program has said what it would do with an offer.
    fn offer_chosen(&mut self, offered: &Arc<offer::Offered>) {
        let landing = self.drags.landing.take_if(|l| l.visit.is_of(offered) && offered.is_taken());
        if let Some(landing) = landing {
            landing.visit.drop();
        }
    }

    /// The program has had its time, or something newer is dropped. It gets what it has not refused.
    fn end_landing(&mut self, number: Option<u64>) {
        let landing = self.drags.landing.take_if(|l| number.is_none_or(|number| l.number == number));
        if let Some(landing) = landing {
            landing.visit.drop();
        }
    }
}

/// Sees to it that an icon is one and nothing else.
fn may_be_icon(icon: Option<&WlSurface>) -> bool {
    icon.is_none_or(|icon| give_role(icon, DND_ICON_ROLE).is_ok())
}

/// A serial of the agent's own.
fn fresh_serial() -> u32 {
    SERIAL_COUNTER.next_serial().into()
}
