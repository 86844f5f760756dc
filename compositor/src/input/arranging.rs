//! What chords do to windows: close, put away, arrange.

use crate::{
    Desktop,
    config::{ArrangeConfig, bindings::Action},
    render::scene::SurfaceKey,
    shell::{Arrangement, Direction, WORKSPACES},
};

impl Desktop {
    /// A chord that is for the window that has the focus.
    pub(super) fn window_action(&mut self, key: SurfaceKey, action: &Action) {
        match *action {
            Action::Close => self.close_window(key),
            Action::Minimise => self.minimise(key),
            Action::Maximise => self.toggle_maximised(key),
            Action::Fullscreen => self.toggle_fullscreen(key),
            Action::TileLeft | Action::TileRight => self.shell.tile(key, *action == Action::TileLeft),
            Action::Arrow(to) => self.arrow(key, to),
            Action::Focus(to) => self.focus_towards(key, to),
            Action::Move(to) => self.shell.shift(key, to),
            Action::MoveToOutput(to) => {
                if let Some(output) = self.shell.output_towards(key, to) {
                    self.shell.move_to_output(key, output);
                }
            }
            Action::Grow(wider, higher) => self.shell.grow(key, wider, higher),
            Action::ColumnWidth(wider) => self.shell.next_width(key, wider),
            Action::ColumnShow(show) => self.shell.set_show(key, show),
            Action::ToScratch => {
                self.shell.set_scratch(key, !self.shell.is_scratch(key));
                self.follow_shell_focus();
            }
            Action::Float => self.shell.set_floating(key, self.shell.stands(key)),
            _ => return,
        }
        self.windows_moved();
    }

    fn arrow(&mut self, key: SurfaceKey, to: Direction) {
        if self.shell.stands(key) {
            return self.focus_towards(key, to);
        }
        match to {
            Direction::Left => self.shell.tile(key, true),
            Direction::Right => self.shell.tile(key, false),
            Direction::Up => self.shell.set_maximised(key, true),
            Direction::Down => self.shell.float(key),
        }
    }

    fn focus_towards(&mut self, key: SurfaceKey, to: Direction) {
        if let Some(next) = self.shell.neighbour(key, to) {
            self.focus_window(next);
        }
    }

    /// Nothing has the focus: the outermost window in sight on the other side gets it, so that going on
    /// leads past all of them.
    pub(super) fn focus_any(&mut self, to: Direction) {
        let first = self.shell.visible().min_by_key(|placed| {
            let at = placed.outer.center();
            match to {
                Direction::Right => at.x,
                Direction::Left => at.x.saturating_neg(),
                Direction::Down => at.y,
                Direction::Up => at.y.saturating_neg(),
            }
        });
        if let Some(key) = first.map(|placed| placed.key) {
            self.focus_window(key);
        }
    }

    /// Workspaces stand as the config says where it says something else than before.
    pub(crate) fn arrange_as_configured(&mut self, before: &ArrangeConfig) {
        self.shell.set_columns(self.config.arrange.columns);
        self.shell.set_workspaces(self.config.arrange.screens);
        self.follow_shell_focus();
        for workspace in 1..=WORKSPACES {
            let arrangement = self.config.arrange.of(workspace);
            if arrangement != before.of(workspace) {
                self.shell.arrange(workspace, arrangement);
            }
        }
    }

    /// The person turns to the screen on that side of where they are.
    pub(super) fn turn_to_output(&mut self, to: Direction) {
        if let Some(output) = self.shell.output_beside(self.shell.active_output(), to) {
            self.shell.turn_to(output);
            self.follow_shell_focus();
        }
    }

    /// Arranges the workspace that is shown; `None`: the other way.
    pub(super) fn arrange(&mut self, arrangement: Option<Arrangement>) {
        // All screens show it alike.
        let workspace = self.shell.current_workspace();
        let other = match self.shell.arrangement(workspace) {
            Arrangement::Floating => Arrangement::Columns,
            Arrangement::Columns => Arrangement::Floating,
        };
        self.shell.arrange(workspace, arrangement.unwrap_or(other));
        self.windows_moved();
    }
}
