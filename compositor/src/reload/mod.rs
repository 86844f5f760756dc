//! Settings that change while the desktop runs.
//!
//! The config file, the files that it includes and the theme's file are watched. A good file is taken up at once; of
//! a bad one nothing is, and the person sees file, line and reason until it is mended. What cannot
//! change while something runs says so in `default.kdl`: limits of a qube hold from its next connection
//! on, graphics cards from the next start.

mod watch;

use std::path::Path;

use tracing::{error, info};
use transom_theming::Theme;

pub(crate) use self::watch::Watched;
use crate::{
    Desktop,
    config::{self, Config, Loaded},
    ui::notices::Notice,
};

/// The theme that the config names.
///
/// # Errors
/// Its file cannot be read, or is no theme: which, where and why, in one line.
pub fn theme(config: &Config) -> Result<Theme, String> {
    let Some(path) = &config.theme.file else { return Ok(Theme::builtin(config.theme.variant)) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{name}: {e}"))?;
    Theme::parse(&name, &text).map_err(|e| e.to_string())
}

impl Desktop {
    /// Reads the settings again. Watches other files from now on if others are included now.
    fn reload(&mut self, path: &Path) {
        let Loaded { config, mut files } = config::load(path);
        let read = config.map_err(|error| error.to_string()).and_then(|config| {
            files.extend(config.theme.file.clone());
            Ok((theme(&config)?, config))
        });
        match read {
            Ok((theme, config)) => {
                info!("the settings were read again");
                self.tell_of_settings(None);
                self.reconfigure(config, theme);
            }
            Err(problem) => {
                error!("{problem}; the settings stay as they were");
                self.tell_of_settings(Some(format!("{problem}; the settings stay as they were")));
            }
        }
        self.watch_files(path, files);
    }

    /// What is wrong with the settings, for as long as it is.
    pub(crate) fn tell_of_settings(&mut self, problem: Option<String>) {
        self.ui.notices.stand(problem.map(Notice::Text));
        self.damage_all();
    }

    /// Other settings, from now on. What the person chose since stays where the settings say nothing new
    /// about it.
    pub fn reconfigure(&mut self, config: Config, theme: Theme) {
        let config = Config { night: config.night.clone().within(&theme), ..config };
        let old = std::mem::replace(&mut self.config, config);
        if old.keyboard != self.config.keyboard {
            self.take_up_keyboard();
        }
        self.trust.clipboard.reconfigure(self.config.clipboard.clone());
        self.trust.drag.reconfigure(self.config.drag.clone(), self.config.clipboard.clone());
        if theme != *self.ui.theme() {
            self.take_up_theme(theme);
        }
        if old.night != self.config.night {
            self.sync_ramps();
        }
        if old.cursor != self.config.cursor {
            self.damage_all();
        }
        if old.notifications.quiet != self.config.notifications.quiet {
            self.do_not_disturb(self.config.notifications.quiet);
        }
        self.arrange_as_configured(&old.arrange);
        if old.devices != self.config.devices
            && let Some(drm) = self.backend.drm_mut()
        {
            drm.set_devices(&self.config.devices);
        }
        if old.outputs != self.config.outputs {
            self.monitors_changed();
        }
        // The bar may be higher or gone, and with it what is left to windows.
        self.arrange_layers();
    }

    /// No key is held over a change of the keyboard: qubes hear that all are up.
    fn take_up_keyboard(&mut self) {
        let now = self.clock.now();
        let let_go = self.input.keyboard.release_all(now);
        self.outcomes(let_go, now);
        match self.input.keyboard.reconfigure(&self.config.keyboard) {
            Ok(false) => return,
            Ok(true) => {}
            // The file was checked; XKB's own data went away meanwhile.
            Err(problem) => return self.notify(Notice::Text(problem)),
        }
        self.input.layouts = crate::input::Layouts::default();
        let names = self.keymap_for_qubes();
        for link in self.qubes.iter_mut() {
            link.set_keymap(names.clone());
        }
    }

    fn take_up_theme(&mut self, theme: Theme) {
        self.ui.set_theme(theme);
        // Where nothing is, too: what lies behind everything is no item that could have changed.
        self.redraw_all();
        let keys: Vec<_> = self.windows.keys().copied().collect();
        let (toplevel, fullscreen) = self.window_insets();
        for key in keys {
            self.shell.set_insets(key, toplevel, fullscreen);
        }
    }
}
