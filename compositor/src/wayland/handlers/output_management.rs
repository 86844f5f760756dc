//! `zwlr_output_manager_v1`: programs of dom0 that arrange monitors.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use smithay::{
    reexports::{
        wayland_protocols_wlr::output_management::v1::server::{
            zwlr_output_configuration_head_v1::{self, ZwlrOutputConfigurationHeadV1},
            zwlr_output_configuration_v1::{self, ZwlrOutputConfigurationV1},
            zwlr_output_head_v1::{self, AdaptiveSyncState, ZwlrOutputHeadV1},
            zwlr_output_manager_v1::{self, ZwlrOutputManagerV1},
            zwlr_output_mode_v1::{self, ZwlrOutputModeV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum,
            backend::ClientId,
        },
    },
    utils::Transform,
};

use crate::{
    Desktop,
    screens::{
        Mode, Monitor, Planned, Plugged,
        said::{SCALES, Said, WantedMode},
        vrr::Vrr,
    },
};

/// Every program that watches monitors, and what it was told.
#[derive(Debug, Default)]
pub(in crate::wayland) struct Managers {
    list: Vec<(ZwlrOutputManagerV1, Vec<Head>)>,
    /// Counts changes: a configuration that was made before the last one is out of date.
    serial: u32,
}

/// A monitor as a program was told of it.
#[derive(Debug)]
struct Head {
    resource: ZwlrOutputHeadV1,
    modes: Vec<(ZwlrOutputModeV1, Mode)>,
    id: u32,
    monitor: Monitor,
}

/// What a program wants, monitor by monitor.
#[derive(Debug)]
pub(crate) struct Wanted {
    serial: u32,
    heads: BTreeMap<u32, Said>,
    /// It wants what no monitor can do.
    impossible: bool,
    used: bool,
}

type Configuration = Mutex<Wanted>;

fn with<T>(configuration: &Configuration, change: impl FnOnce(&mut Wanted) -> T) -> T {
    change(&mut configuration.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Desktop {
    /// Programs hear how monitors are driven now.
    pub(crate) fn tell_output_managers(&mut self) {
        self.wayland.managers.serial = self.wayland.managers.serial.wrapping_add(1);
        let mut managers = std::mem::take(&mut self.wayland.managers.list);
        for (manager, heads) in &mut managers {
            self.tell_output_manager(manager, heads);
        }
        self.wayland.managers.list = managers;
    }

    fn tell_output_manager(&self, manager: &ZwlrOutputManagerV1, heads: &mut Vec<Head>) {
        let plugged = self.screens.plugged();
        heads.retain(|head| {
            let stays = plugged.iter().any(|p| p.planned.id == head.id && p.monitor == head.monitor);
            if !stays {
                for (mode, _) in &head.modes {
                    mode.finished();
                }
                head.resource.finished();
            }
            stays
        });
        for Plugged { monitor, planned } in plugged {
            if !heads.iter().any(|head| head.id == planned.id) {
                heads.extend(self.new_head(manager, monitor, planned.id));
            }
            if let Some(head) = heads.iter().find(|head| head.id == planned.id) {
                self.tell_head(head, planned);
            }
        }
        manager.done(self.wayland.managers.serial);
    }

    /// Tells of a monitor what never changes.
    fn new_head(&self, manager: &ZwlrOutputManagerV1, monitor: &Monitor, id: u32) -> Option<Head> {
        let display = &self.wayland.handle;
        let client = manager.client()?;
        let version = manager.version();
        let head = client.create_resource::<ZwlrOutputHeadV1, _, Self>(display, version, id).ok()?;
        manager.head(&head);
        let identity = &monitor.identity;
        head.name(identity.connector.clone());
        head.description(identity.to_string());
        if monitor.millimetres != (0, 0) {
            head.physical_size(monitor.millimetres.0 as i32, monitor.millimetres.1 as i32);
        }
        if version >= 2 {
            for (text, tell) in [
                (&identity.make, ZwlrOutputHeadV1::make as fn(&ZwlrOutputHeadV1, String)),
                (&identity.model, ZwlrOutputHeadV1::model),
                (&identity.serial, ZwlrOutputHeadV1::serial_number),
            ] {
                if !text.is_empty() {
                    tell(&head, text.clone());
                }
            }
        }
        let mut modes = Vec::new();
        for (index, mode) in monitor.modes.iter().enumerate() {
            let resource =
                client.create_resource::<ZwlrOutputModeV1, _, Self>(display, version, *mode).ok()?;
            head.mode(&resource);
            resource.size(mode.size.w, mode.size.h);
            resource.refresh(mode.refresh as i32);
            if index == 0 {
                resource.preferred();
            }
            modes.push((resource, *mode));
        }
        Some(Head { resource: head, modes, id, monitor: monitor.clone() })
    }

    fn tell_head(&self, Head { resource: head, modes, .. }: &Head, planned: &Planned) {
        let Some(screen) = self.screens.get(planned.id) else {
            head.enabled(0);
            return;
        };
        head.enabled(1);
        if let Some((mode, _)) = modes.iter().find(|(_, mode)| *mode == planned.mode) {
            head.current_mode(mode);
        }
        head.position(screen.area.loc.x, screen.area.loc.y);
        head.transform(planned.transform.into());
        head.scale(f64::from(planned.scale) / 120.0);
        if head.version() >= 4 {
            let varies = screen.monitor_varies() && planned.vrr != Vrr::Off;
            head.adaptive_sync(if varies { AdaptiveSyncState::Enabled } else { AdaptiveSyncState::Disabled });
        }
    }

    /// What a program wants, tried or only looked at.
    fn configure_monitors(
        &mut self,
        configuration: &ZwlrOutputConfigurationV1,
        wanted: &Configuration,
        apply: bool,
    ) {
        use zwlr_output_configuration_v1::Error;
        let (serial, heads, impossible, used) = with(wanted, |wanted| {
            let used = std::mem::replace(&mut wanted.used, true);
            (wanted.serial, wanted.heads.clone(), wanted.impossible, used)
        });
        if used {
            configuration.post_error(Error::AlreadyUsed, "it was applied or tested before");
            return;
        }
        if serial != self.wayland.managers.serial {
            configuration.cancelled();
            return;
        }
        let plugged = self.screens.plugged();
        if plugged.iter().any(|plugged| !heads.contains_key(&plugged.planned.id)) {
            configuration.post_error(Error::UnconfiguredHead, "a monitor was left out");
            return;
        }
        let exists = |said: &Said, id: u32| {
            let monitor = plugged.iter().find(|plugged| plugged.planned.id == id);
            monitor.is_some_and(|p| {
                said.mode.is_none_or(|mode| mode.of(&p.monitor).is_some())
                    && (p.monitor.varies || said.vrr.is_none_or(|vrr| vrr == Vrr::Off))
            })
        };
        let possible = !impossible
            && heads.iter().all(|(id, said)| exists(said, *id))
            && heads.values().any(|said| said.on == Some(true));
        if possible && (!apply || self.say_of_monitors(&heads)) {
            configuration.succeeded();
        } else {
            configuration.failed();
        }
    }
}

impl GlobalDispatch<ZwlrOutputManagerV1, ()> for Desktop {
    fn bind(
        desktop: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwlrOutputManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let manager = init.init(manager, ());
        let mut heads = Vec::new();
        desktop.tell_output_manager(&manager, &mut heads);
        desktop.wayland.managers.list.push((manager, heads));
    }
}

impl Dispatch<ZwlrOutputManagerV1, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        manager: &ZwlrOutputManagerV1,
        request: zwlr_output_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            zwlr_output_manager_v1::Request::CreateConfiguration { id, serial } => {
                let wanted = Wanted { serial, heads: BTreeMap::new(), impossible: false, used: false };
                init.init(id, Mutex::new(wanted));
            }
            zwlr_output_manager_v1::Request::Stop => {
                desktop.wayland.managers.list.retain(|(kept, _)| kept != manager);
                manager.finished();
            }
            _ => {}
        }
    }

    fn destroyed(desktop: &mut Self, _: ClientId, manager: &ZwlrOutputManagerV1, (): &()) {
        desktop.wayland.managers.list.retain(|(kept, _)| kept != manager);
    }
}

impl Dispatch<ZwlrOutputHeadV1, u32> for Desktop {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZwlrOutputHeadV1,
        _: zwlr_output_head_v1::Request,
        _: &u32,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // Only to let go of it.
    }
}

impl Dispatch<ZwlrOutputModeV1, Mode> for Desktop {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZwlrOutputModeV1,
        _: zwlr_output_mode_v1::Request,
        _: &Mode,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // Only to let go of it.
    }
}

impl Dispatch<ZwlrOutputConfigurationV1, Configuration> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        configuration: &ZwlrOutputConfigurationV1,
        request: zwlr_output_configuration_v1::Request,
        wanted: &Configuration,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        use zwlr_output_configuration_v1::{Error, Request};
        let configured = |head: &ZwlrOutputHeadV1, on: bool| {
            let id = head.data::<u32>().copied().unwrap_or(0);
            let said = Said { on: Some(on), ..Said::default() };
            if with(wanted, |wanted| wanted.heads.insert(id, said)).is_some() {
                configuration.post_error(Error::AlreadyConfiguredHead, "a monitor was named twice");
            }
            id
        };
        match request {
            Request::EnableHead { id, head } => {
                let screen = configured(&head, true);
                init.init(id, (configuration.clone(), screen));
            }
            Request::DisableHead { head } => {
                configured(&head, false);
            }
            Request::Apply => desktop.configure_monitors(configuration, wanted, true),
            Request::Test => desktop.configure_monitors(configuration, wanted, false),
            _ => {}
        }
    }
}

impl Dispatch<ZwlrOutputConfigurationHeadV1, (ZwlrOutputConfigurationV1, u32)> for Desktop {
    fn request(
        _: &mut Self,
        _: &Client,
        head: &ZwlrOutputConfigurationHeadV1,
        request: zwlr_output_configuration_head_v1::Request,
        (configuration, screen): &(ZwlrOutputConfigurationV1, u32),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use zwlr_output_configuration_head_v1::{Error, Request};
        let Some(wanted) = configuration.data::<Configuration>() else { return };
        let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let Wanted { heads, impossible, .. } = &mut *wanted;
        let Some(said) = heads.get_mut(screen) else { return };
        match request {
            Request::SetMode { mode } => said.mode = mode.data::<Mode>().copied().map(WantedMode::from),
            Request::SetCustomMode { width, height, refresh } => {
                // Only modes that the monitor tells of itself.
                let refresh = u32::try_from(refresh).ok().filter(|refresh| *refresh > 0);
                said.mode = Some(WantedMode { size: (width, height).into(), refresh });
            }
            Request::SetPosition { x, y } => said.at = Some((x, y).into()),
            Request::SetTransform { transform: WEnum::Value(transform) } => {
                said.transform = Some(Transform::from(transform));
            }
            Request::SetTransform { transform: WEnum::Unknown(_) } => {
                head.post_error(Error::InvalidTransform, "no such transform");
            }
            Request::SetAdaptiveSync { state: WEnum::Value(state) } => {
                said.vrr = Some(if state == AdaptiveSyncState::Enabled { Vrr::On } else { Vrr::Off });
            }
            Request::SetAdaptiveSync { state: WEnum::Unknown(_) } => {
                head.post_error(Error::InvalidAdaptiveSyncState, "enabled or disabled");
            }
            Request::SetScale { scale } if scale <= 0.0 => {
                head.post_error(Error::InvalidScale, "a scale is more than 0");
            }
            Request::SetScale { scale } => {
                let scale = (scale * 120.0).round() as u32;
                if SCALES.contains(&scale) {
                    said.scale = Some(scale);
                } else {
                    *impossible = true;
                }
            }
            _ => {}
        }
    }
}
