//! `ext_workspace_manager_v1`: which workspaces there are, and which is to be shown. What is told is in `workspaces`.

use std::collections::BTreeMap;

use smithay::{
    output::Output,
    reexports::{
        wayland_protocols::ext::workspace::v1::server::{
            ext_workspace_group_handle_v1::{self, ExtWorkspaceGroupHandleV1, GroupCapabilities},
            ext_workspace_handle_v1::{
                self, ExtWorkspaceHandleV1, State as WireState, WorkspaceCapabilities,
            },
            ext_workspace_manager_v1::{self, ExtWorkspaceManagerV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, backend::ClientId,
            protocol::wl_output::WlOutput,
        },
    },
};

use crate::{
    Desktop,
    wayland::workspaces::{Group, GroupId, State},
};

/// Most managers of all programs together.
const MOST: usize = 32;

/// Managers of programs.
#[derive(Debug, Default)]
pub(in crate::wayland) struct Workspaces {
    managers: Vec<Manager>,
    /// Too many. They end with the turn: what is being bound cannot end at once.
    refused: Vec<ExtWorkspaceManagerV1>,
}

/// What one program knows.
#[derive(Debug)]
struct Manager {
    resource: ExtWorkspaceManagerV1,
    groups: BTreeMap<GroupId, GroupHandle>,
    /// Workspaces asked for since the last commit, one of each group.
    wanted: Vec<(GroupId, u32)>,
}

/// A group as one program has it. It may have let go of any of these objects.
#[derive(Debug)]
struct GroupHandle {
    resource: ExtWorkspaceGroupHandleV1,
    told: Group,
    /// Outputs that it was told to be on.
    outputs: Vec<(u32, Output)>,
    /// The first is number 1.
    workspaces: Vec<ExtWorkspaceHandleV1>,
}

fn wire(state: State) -> WireState {
    let all = [
        (state.active, WireState::Active),
        (state.urgent, WireState::Urgent),
        (state.hidden, WireState::Hidden),
    ];
    all.into_iter().filter(|(on, _)| *on).map(|(_, state)| state).collect()
}

impl GroupHandle {
    /// Tells how it stands now; `true` if that is new.
    fn tell(&mut self, client: &Client, now: &Group, outputs: Vec<(u32, Output)>) -> bool {
        let same = self.told == *now && self.outputs.iter().eq(&outputs);
        if same {
            return false;
        }
        if self.resource.is_alive() {
            let (before, after) = (&self.outputs, &outputs);
            let only = |these: &Vec<(u32, Output)>, those: &Vec<(u32, Output)>| {
                let all = these.iter().filter(|output| !those.contains(output));
                all.flat_map(|(_, output)| output.client_outputs(client)).collect::<Vec<_>>()
            };
            for output in only(before, after) {
                self.resource.output_leave(&output);
            }
            for output in only(after, before) {
                self.resource.output_enter(&output);
            }
        }
        let states = self.told.workspaces.iter().zip(&now.workspaces);
        for (handle, (before, after)) in self.workspaces.iter().zip(states) {
            if before != after {
                handle.state(wire(*after));
            }
        }
        (self.told, self.outputs) = (now.clone(), outputs);
        true
    }

    /// There is none any longer.
    fn end(self) {
        for workspace in self.workspaces.iter().filter(|workspace| workspace.is_alive()) {
            if self.resource.is_alive() {
                self.resource.workspace_leave(workspace);
            }
            workspace.removed();
        }
        self.resource.removed();
    }
}

impl Manager {
    /// The group and number of a handle that was not removed.
    fn find(&self, handle: &ExtWorkspaceHandleV1) -> Option<(GroupId, u32)> {
        self.groups.iter().find_map(|(id, group)| {
            let index = group.workspaces.iter().position(|workspace| workspace == handle)?;
            Some((*id, index as u32 + 1))
        })
    }
}

impl Desktop {
    /// The end of a turn: programs hear what has changed about workspaces.
    pub(in crate::wayland) fn tell_workspaces(&mut self) {
        let mut managers = std::mem::take(&mut self.wayland.workspaces.managers);
        if !managers.is_empty() {
            let now = self.workspace_groups();
            for manager in &mut managers {
                self.tell_manager(manager, &now);
            }
        }
        self.wayland.workspaces.managers = managers;
        for manager in self.wayland.workspaces.refused.drain(..) {
            manager.finished();
        }
    }

    fn tell_manager(&self, manager: &mut Manager, now: &BTreeMap<GroupId, Group>) {
        let Some(client) = manager.resource.client() else { return };
        let gone: Vec<GroupId> = manager.groups.keys().filter(|id| !now.contains_key(id)).copied().collect();
        let mut news = !gone.is_empty();
        for id in gone {
            manager.wanted.retain(|(group, _)| *group != id);
            if let Some(group) = manager.groups.remove(&id) {
                group.end();
            }
        }
        for (id, group) in now {
            let outputs = self.wayland.outputs.iter().filter(|(screen, _)| group.screens.contains(screen));
            let outputs: Vec<_> = outputs.map(|(screen, output)| (screen, output.clone())).collect();
            if let Some(known) = manager.groups.get_mut(id) {
                news |= known.tell(&client, group, outputs);
                continue;
            }
            // One screen's group needs its name: an output that is not there yet is at the end of this turn.
            if id.is_some() && outputs.is_empty() {
                continue;
            }
            if let Some(new) = self.tell_group(&client, &manager.resource, *id, group, outputs) {
                manager.groups.insert(*id, new);
                news = true;
            }
        }
        if news {
            manager.resource.done();
        }
    }

    /// Tells of a new group, with all that is in it.
    fn tell_group(
        &self,
        client: &Client,
        manager: &ExtWorkspaceManagerV1,
        id: GroupId,
        group: &Group,
        outputs: Vec<(u32, Output)>,
    ) -> Option<GroupHandle> {
        let (display, version) = (&self.wayland.handle, manager.version());
        let resource =
            client.create_resource::<ExtWorkspaceGroupHandleV1, _, Self>(display, version, ()).ok()?;
        manager.workspace_group(&resource);
        resource.capabilities(GroupCapabilities::empty());
        for output in outputs.iter().flat_map(|(_, output)| output.client_outputs(client)) {
            resource.output_enter(&output);
        }
        let mut workspaces = Vec::with_capacity(group.workspaces.len());
        for (number, state) in (1_u32..).zip(&group.workspaces) {
            let made = client.create_resource::<ExtWorkspaceHandleV1, _, Self>(display, version, ());
            let Ok(workspace) = made else { break };
            manager.workspace(&workspace);
            // A monitor's workspaces are the same the next time that it is plugged in there.
            let screen = id.and_then(|id| outputs.iter().find(|(screen, _)| *screen == id));
            workspace.id(match screen {
                Some((_, output)) => format!("{number}@{}", output.name()),
                None => number.to_string(),
            });
            workspace.name(number.to_string());
            workspace.coordinates((number - 1).to_ne_bytes().to_vec());
            workspace.state(wire(*state));
            workspace.capabilities(WorkspaceCapabilities::Activate);
            resource.workspace_enter(&workspace);
            workspaces.push(workspace);
        }
        Some(GroupHandle { resource, told: group.clone(), outputs, workspaces })
    }

    /// A program has bound an output: groups that it has are told of it.
    pub(in crate::wayland) fn workspaces_bind_output(&self, screen: u32, output: &WlOutput) {
        let client = output.client();
        for manager in
            self.wayland.workspaces.managers.iter().filter(|manager| manager.resource.client() == client)
        {
            let on_it = |group: &&GroupHandle| {
                group.resource.is_alive() && group.outputs.iter().any(|(id, _)| *id == screen)
            };
            if let Some(group) = manager.groups.values().find(on_it) {
                group.resource.output_enter(output);
                manager.resource.done();
            }
        }
    }
}

impl GlobalDispatch<ExtWorkspaceManagerV1, ()> for Desktop {
    fn bind(
        desktop: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ExtWorkspaceManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let resource = init.init(manager, ());
        if desktop.wayland.workspaces.managers.len() >= MOST {
            desktop.wayland.workspaces.refused.push(resource);
            return;
        }
        let mut manager = Manager { resource, groups: BTreeMap::new(), wanted: Vec::new() };
        desktop.tell_manager(&mut manager, &desktop.workspace_groups());
        desktop.wayland.workspaces.managers.push(manager);
    }
}

impl Dispatch<ExtWorkspaceManagerV1, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        manager: &ExtWorkspaceManagerV1,
        request: ext_workspace_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        match request {
            ext_workspace_manager_v1::Request::Commit => {
                let managers = &mut desktop.wayland.workspaces.managers;
                let wanted = managers.iter_mut().find(|kept| kept.resource == *manager);
                let wanted = wanted.map(|manager| std::mem::take(&mut manager.wanted));
                desktop.show_workspaces(&wanted.unwrap_or_default());
            }
            ext_workspace_manager_v1::Request::Stop => {
                desktop.wayland.workspaces.managers.retain(|kept| kept.resource != *manager);
                manager.finished();
            }
            _ => {}
        }
    }

    fn destroyed(desktop: &mut Self, _: ClientId, manager: &ExtWorkspaceManagerV1, (): &()) {
        desktop.wayland.workspaces.managers.retain(|kept| kept.resource != *manager);
    }
}

impl Dispatch<ExtWorkspaceGroupHandleV1, ()> for Desktop {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ExtWorkspaceGroupHandleV1,
        _: ext_workspace_group_handle_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // None can be made: there are always the same.
    }
}

impl Dispatch<ExtWorkspaceHandleV1, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        handle: &ExtWorkspaceHandleV1,
        request: ext_workspace_handle_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let ext_workspace_handle_v1::Request::Activate = request else { return };
        let found = desktop.wayland.workspaces.managers.iter_mut().find_map(|manager| {
            let place = manager.find(handle)?;
            Some((manager, place))
        });
        if let Some((manager, (group, number))) = found {
            // A screen shows one at a time: the last word counts.
            manager.wanted.retain(|(other, _)| *other != group);
            manager.wanted.push((group, number));
        }
    }
}
