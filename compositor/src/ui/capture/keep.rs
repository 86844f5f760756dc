//! Where a picture or a video goes: a folder of dom0, the clipboard, or straight into a qube.
//!
//! What takes time is done on a thread of its own: writing a picture, starting a qube for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use image::{ImageFormat, RgbImage};
use smithay::reexports::calloop::channel::{self, Sender};
use transom_hypervisor::{client::copy_command, paths, supervisor::QubeName};
use transom_protocol::{
    supervisor::{Disposable, QubeInfo, QubeState},
    text::clean,
};
use transom_theming::Label;

use crate::{
    Desktop,
    trust::policy::SCREEN,
    ui::{
        notices::{Notice, Part},
        prompt::{Asks, Prompt, Row},
    },
};

/// What was taken, until it is said where it goes.
#[derive(Debug)]
pub(super) enum Taken {
    Picture(RgbImage),
    /// A video, where it was recorded to.
    Video(PathBuf),
}

impl Taken {
    fn name(&self) -> &'static str {
        match self {
            Self::Picture(_) => "picture",
            Self::Video(_) => "video",
        }
    }
}

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Folder(PathBuf),
    Clipboard,
    Qube(QubeName),
}

/// How it went.
#[derive(Debug)]
enum Kept {
    /// It is in a file of dom0.
    File(PathBuf),
    /// The bytes of a picture for the clipboard.
    Bytes(Vec<u8>),
    /// It is in a qube, under this name.
    Qube(QubeName, String),
    /// It is not kept.
    Failed(String),
}

/// What waits for an answer, and who tells how it went.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    waiting: Option<(Taken, Vec<Place>)>,
    told: Option<Sender<(&'static str, Kept)>>,
}

/// A folder of the person's in dom0: as `variable` says, else of this name in their home, if it is there.
pub(super) fn folder(variable: &str, name: &str) -> PathBuf {
    if let Some(said) = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute()) {
        return said;
    }
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    let named = home.join(name);
    if named.is_dir() { named } else { home }
}

/// A name that says what it is and when it was taken.
pub(super) fn file_name(what: &str, ending: &str) -> String {
    format!("{what}-{}.{ending}", jiff::Zoned::now().strftime("%Y-%m-%d-%H%M%S"))
}

/// A path in a folder that nothing has: `name`, or with a number behind it.
pub(super) fn free_path(folder: &Path, name: &str) -> PathBuf {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let numbered = (2..).map(|number| folder.join(format!("{stem}-{number}.{ending}")));
    let mut paths = std::iter::once(folder.join(name)).chain(numbered);
    paths.find(|path| !path.exists()).unwrap_or_else(|| folder.join(name))
}

/// A path as people write it.
fn short(path: &Path) -> String {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    match home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

fn png(picture: &RgbImage) -> Result<Vec<u8>, String> {
    let mut bytes = io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(|error| error.to_string())?;
    Ok(bytes.into_inner())
}

/// Copies a file of dom0 into a qube.
fn copy(file: PathBuf, qube: &QubeName) -> Result<(), String> {
    let output = copy_command(qube, [file]).map_err(|error| error.to_string())?.output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or("it says nothing").trim_start_matches("transom: ");
    Err(clean(last.as_bytes(), 200))
}

/// Does it. Runs on a thread of its own.
fn keep(taken: Taken, place: Place) -> Result<Kept, String> {
    let text = |error: io::Error| error.to_string();
    match (taken, place) {
        (Taken::Picture(picture), Place::Folder(folder)) => {
            let bytes = png(&picture)?;
            fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
            let path = free_path(&folder, &file_name("picture", "png"));
            let mut file = fs::File::create_new(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            io::Write::write_all(&mut file, &bytes).map_err(text)?;
            Ok(Kept::File(path))
        }
        (Taken::Picture(picture), Place::Clipboard) => png(&picture).map(Kept::Bytes),
        (Taken::Picture(picture), Place::Qube(qube)) => {
            let bytes = png(&picture)?;
            let dir = paths::runtime_dir().map_err(|error| error.to_string())?;
            let dir = tempfile::Builder::new().prefix("picture-").tempdir_in(dir).map_err(text)?;
            let name = file_name("picture", "png");
            let file = dir.path().join(&name);
            fs::write(&file, bytes).map_err(text)?;
            copy(file, &qube)?;
            Ok(Kept::Qube(qube, name))
        }
        // It lies there already.
        (Taken::Video(path), Place::Folder(_) | Place::Clipboard) => Ok(Kept::File(path)),
        (Taken::Video(path), Place::Qube(qube)) => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // Of a video that did not arrive nothing is lost.
            copy(path.clone(), &qube).map_err(|error| format!("{error}; it is still {}", path.display()))?;
            fs::remove_file(&path).map_err(text)?;
            Ok(Kept::Qube(qube, name))
        }
    }
}

/// A file can go there. What waits for its program is nobody's yet.
fn takes_files(info: &QubeInfo) -> bool {
    let comes = !matches!(info.state, QubeState::Stopping | QubeState::Paused);
    comes && info.problem.is_none() && info.disposable != Some(Disposable::Spare)
}

impl Desktop {
    /// Asks where what was taken goes: dom0's folder at first, so that two times Return is a file.
    pub(super) fn ask_where_to_keep(&mut self, taken: Taken) {
        let row = |label: Option<Label>, name: &str, note: &str| Row {
            label,
            name: name.to_owned(),
            note: note.to_owned(),
        };
        let folder = match &taken {
            Taken::Picture(_) => folder("XDG_PICTURES_DIR", "Pictures"),
            Taken::Video(path) => path.parent().map(Path::to_owned).unwrap_or_default(),
        };
        let mut rows = vec![row(None, "dom0", &format!("in {}", short(&folder)))];
        let mut places = vec![Place::Folder(folder)];
        if matches!(taken, Taken::Picture(_)) {
            rows.push(row(None, "clipboard", "to be pasted into a qube"));
            places.push(Place::Clipboard);
        }
        let infos = self.supervisor.as_ref().map(crate::qubes::Supervisor::infos).unwrap_or_default();
        for (info, label) in infos.into_iter().filter(|(info, _)| takes_files(info)) {
            let note = if info.state == QubeState::Running { "" } else { "is started for it" };
            rows.push(row(Some(label), info.name.as_str(), note));
            places.push(Place::Qube(info.name));
        }
        let what = match &taken {
            Taken::Picture(picture) => {
                format!("Keep the picture, {} × {}, in:", picture.width(), picture.height())
            }
            Taken::Video(_) => "Keep the video in:".to_owned(),
        };
        let now = self.clock.now();
        let prompt = Prompt::new(Asks::Keep, vec![Part::Text(what)], now).with_choices(rows, Some(0));
        self.ui.keeping.waiting = Some((taken, places));
        self.open_prompt(prompt);
    }

    /// The person has said where; `None`: nowhere.
    pub(in crate::ui) fn keep_taken(&mut self, row: Option<usize>) {
        let Some((taken, mut places)) = self.ui.keeping.waiting.take() else { return };
        let place = row.filter(|row| *row < places.len()).map(|row| places.swap_remove(row));
        match (place, taken) {
            (Some(place), taken) => self.begin_keeping(taken, place),
            (None, Taken::Video(path)) => {
                if let Err(error) = fs::remove_file(&path) {
                    self.notify(Notice::Text(format!("{} is still there: {error}", path.display())));
                }
            }
            (None, Taken::Picture(_)) => {}
        }
    }

    /// A picture goes into dom0's folder without a question.
    pub(crate) fn keep_picture(&mut self, picture: RgbImage) {
        let folder = folder("XDG_PICTURES_DIR", "Pictures");
        self.begin_keeping(Taken::Picture(picture), Place::Folder(folder));
    }

    fn begin_keeping(&mut self, taken: Taken, place: Place) {
        let what = taken.name();
        let told = match self.keeping_channel() {
            Ok(told) => told,
            Err(error) => return self.notify(Notice::Text(format!("the {what} is not kept: {error}"))),
        };
        let thread = thread::Builder::new().name("keep".into()).spawn(move || {
            let kept = keep(taken, place).unwrap_or_else(Kept::Failed);
            // Without a desktop there is nobody to tell.
            let _ = told.send((what, kept));
        });
        if let Err(error) = thread {
            self.notify(Notice::Text(format!("the {what} is not kept: {error}")));
        }
    }

    fn keeping_channel(&mut self) -> Result<Sender<(&'static str, Kept)>, String> {
        if let Some(told) = &self.ui.keeping.told {
            return Ok(told.clone());
        }
        let (told, heard) = channel::channel();
        self.handle
            .insert_source(heard, |event, (), desktop: &mut Self| {
                if let channel::Event::Msg((what, kept)) = event {
                    desktop.was_kept(what, kept);
                }
            })
            .map_err(|error| error.to_string())?;
        self.ui.keeping.told = Some(told.clone());
        Ok(told)
    }

    fn was_kept(&mut self, what: &str, kept: Kept) {
        let notice = match kept {
            Kept::File(path) => Notice::Text(format!("The {what} is {}", path.display())),
            Kept::Qube(qube, name) => Notice::Runs(vec![
                Part::Text(format!("The {what} is in")),
                self.known_qube(qube.as_str()),
                Part::Text(format!(": QubesIncoming/dom0/{name}")),
            ]),
            Kept::Failed(error) => Notice::Text(format!("The {what} is not kept: {error}")),
            Kept::Bytes(bytes) => {
                let types = vec![("image/png".to_owned(), Arc::from(bytes))];
                let now = self.clock.now();
                let effects = self.trust.clipboard.hold(SCREEN, types, now);
                return self.clipboard_effects(effects);
            }
        };
        self.notify(notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let free =
            || free_path(dir.path(), "picture-1.png").file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(free(), "picture-1.png");
        fs::write(dir.path().join("picture-1.png"), "").unwrap();
        assert_eq!(free(), "picture-1-2.png");
        fs::write(dir.path().join("picture-1-2.png"), "").unwrap();
        assert_eq!(free(), "picture-1-3.png");
    }

    #[test]
    fn a_picture_is_written_once_and_never_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let picture = RgbImage::from_pixel(3, 2, image::Rgb([1, 2, 3]));
        for _ in 0..2 {
            let kept = keep(Taken::Picture(picture.clone()), Place::Folder(dir.path().to_owned())).unwrap();
            let Kept::File(path) = kept else { panic!("{kept:?}") };
            assert_eq!(image::open(path).unwrap().into_rgb8(), picture);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        fs::write(dir.path().join("file"), "").unwrap();
        let nowhere = Place::Folder(dir.path().join("file/none"));
        let error = keep(Taken::Picture(picture), nowhere).unwrap_err();
        assert!(error.contains("Not a directory"), "{error}");
    }
}
