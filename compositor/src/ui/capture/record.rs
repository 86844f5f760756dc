//! Videos of the screen: `wf-recorder`, a program of dom0, takes them by the protocol that any program of dom0 has,
//! and so the bar says it. Here it is started and told to end.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::{
    fd::OwnedFd,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use smithay::utils::{Logical, Rectangle};
use transom_hypervisor::paths;

use super::keep::{Taken, file_name, folder, free_path};
use crate::{Desktop, ui::notices::Notice};

/// The program.
const RECORDER: &str = "wf-recorder";

/// A video that is being taken.
#[derive(Debug)]
pub(crate) struct Recording {
    /// The recorder: never another process that has its number.
    process: OwnedFd,
    path: PathBuf,
    /// It was told to end.
    ends: bool,
}

/// What is asked of the recorder.
fn arguments(output: &str, region: Option<Rectangle<i32, Logical>>, path: &std::path::Path) -> Vec<String> {
    let mut all = vec!["-o".to_owned(), output.to_owned()];
    if let Some(Rectangle { loc, size }) = region {
        // The codec takes pixels in pairs.
        let even = |length: i32| if length > 2 { length & !1 } else { 2 };
        all.extend(["-g".to_owned(), format!("{},{} {}x{}", loc.x, loc.y, even(size.w), even(size.h))]);
    }
    // Colours in the form that every player can show.
    all.extend(["-c", "libx264", "-t", "-p", "preset=veryfast", "-f"].map(str::to_owned));
    all.push(path.display().to_string());
    all
}

impl Desktop {
    /// Begins a video of a screen, or of a part of it.
    pub(super) fn begin_recording(&mut self, screen: u32, region: Option<Rectangle<i32, Logical>>) {
        if let Err(error) = self.try_recording(screen, region) {
            self.notify(Notice::Text(format!("no video: {error}")));
        }
    }

    fn try_recording(&mut self, screen: u32, region: Option<Rectangle<i32, Logical>>) -> Result<(), String> {
        let output = self.screens.get(screen).map(|screen| screen.name.clone());
        let output = output.ok_or("the monitor is gone")?;
        let program = paths::find_program(RECORDER);
        let program = program.ok_or("wf-recorder, the program that takes it, is not installed")?;
        let socket = self.wayland.socket().ok_or("programs of dom0 have no socket here")?;
        let folder = folder("XDG_VIDEOS_DIR", "Videos");
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let path = free_path(&folder, &file_name("video", "mkv"));
        let mut command = Command::new(program);
        command
            .args(arguments(&output, region, &path))
            .env("WAYLAND_DISPLAY", socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn().map_err(|error| error.to_string())?;
        let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).map_err(|e| e.to_string())?;
        self.ui.recording = Some(Recording { process, path, ends: false });
        self.watch_recorder(child)?;
        self.damage_all();
        Ok(())
    }

    /// Waits for its end on a thread of its own.
    fn watch_recorder(&mut self, mut child: Child) -> Result<(), String> {
        use smithay::reexports::calloop::channel;
        let (told, heard) = channel::channel();
        self.handle
            .insert_source(heard, |event, (), desktop: &mut Self| {
                if let channel::Event::Msg(ended) = event {
                    desktop.recorder_ended(ended);
                }
            })
            .map_err(|error| error.to_string())?;
        let thread = thread::Builder::new().name("recorder".into()).spawn(move || {
            let ended = match child.wait() {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("{RECORDER} has ended: {status}")),
                Err(error) => Err(error.to_string()),
            };
            // Without a desktop there is nobody to tell.
            let _ = told.send(ended);
        });
        thread.map(drop).map_err(|error| error.to_string())
    }

    /// Ends the video that is being taken. `false`: there is none.
    pub(super) fn stop_recording(&mut self) -> bool {
        let Some(recording) = &mut self.ui.recording else { return false };
        // One that does not end when it is asked to is made to.
        let signal = if std::mem::replace(&mut recording.ends, true) { Signal::KILL } else { Signal::INT };
        if let Err(error) = pidfd_send_signal(&recording.process, signal) {
            tracing::warn!(%error, "the recorder cannot be told to end");
        }
        true
    }

    fn recorder_ended(&mut self, ended: Result<(), String>) {
        let Some(recording) = self.ui.recording.take() else { return };
        self.damage_all();
        match ended {
            // One that ended by itself may have taken something all the same.
            Err(error) if !recording.path.exists() => {
                self.notify(Notice::Text(format!("no video: {error}")));
            }
            Err(error) => {
                let path = recording.path.display();
                self.notify(Notice::Text(format!("the video ended early ({error}); so far it is {path}")));
            }
            Ok(()) if self.lock.covers() || self.dom0_asks() || !recording.ends => {
                self.notify(Notice::Text(format!("The video is {}", recording.path.display())));
            }
            Ok(()) => self.ask_where_to_keep(Taken::Video(recording.path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_asked_for_in_pairs_of_pixels() {
        let region = Rectangle::new((10, 20).into(), (301, 1).into());
        let all = arguments("DP-1", Some(region), std::path::Path::new("/v/a.mkv"));
        assert_eq!(all[..4], ["-o", "DP-1", "-g", "10,20 300x2"]);
        assert_eq!(all.last().map(String::as_str), Some("/v/a.mkv"));
        assert!(!arguments("DP-1", None, std::path::Path::new("/v/a.mkv")).contains(&"-g".to_owned()));
    }
}
