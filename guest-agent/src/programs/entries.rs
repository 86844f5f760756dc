//! Desktop entries: which programs there are, and how each is started.
//!
//! After the Desktop Entry Specification 1.5 and the Desktop Menu Specification 1.1: the id of an entry is its
//! path below `applications` with `-` for `/`; of two with one id the one in the more important directory is
//! meant, even where it says that there is none.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use freedesktop_desktop_entry::{DesktopEntry, get_languages_from_env};
use transom_protocol::programs::is_program_id;

/// How deep entries may lie below `applications`.
const DEEPEST: usize = 4;
/// Most files that are looked at.
const MOST_FILES: usize = 4_096;
/// Longest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;
/// Terminals, the better one first, and what they want before a command.
const TERMINALS: [(&str, &[&str]); 4] =
    [("xdg-terminal-exec", &[]), ("foot", &[]), ("x-terminal-emulator", &["-e"]), ("xterm", &["-e"])];

/// What entries are judged by.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// Directories of entries, the most important one first.
    pub(super) dirs: Vec<PathBuf>,
    /// Languages that the person reads, the best one first.
    locales: Vec<String>,
    /// Names of the desktop, as `OnlyShowIn` means them.
    desktops: Vec<String>,
    /// Where programs are.
    path: Vec<PathBuf>,
}

/// How a program is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Program and arguments.
    pub(crate) argv: Vec<String>,
    /// Where it starts, if not at home.
    pub(crate) dir: Option<PathBuf>,
}

/// A program that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) comment: String,
    pub(super) categories: String,
    pub(super) keywords: String,
    pub(super) icon: Option<String>,
}

/// Where data is, the most important directory first (XDG Base Directory Specification).
fn data_dirs() -> Vec<PathBuf> {
    let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let home = given("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&given("HOME")?).join(".local/share")));
    let system = given("XDG_DATA_DIRS").unwrap_or_else(|| "/usr/local/share:/usr/share".into());
    home.into_iter().chain(env::split_paths(&system)).filter(|dir| dir.is_absolute()).collect()
}

impl Surroundings {
    /// As this process finds them.
    pub(super) fn of_process() -> Self {
        let list = |name: &str| env::var(name).unwrap_or_default();
        Self {
            dirs: data_dirs().into_iter().map(|dir| dir.join("applications")).collect(),
            locales: get_languages_from_env(),
            desktops: list("XDG_CURRENT_DESKTOP").split(':').map(str::to_owned).collect(),
            path: env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect(),
        }
    }

    /// Every program that a person may be shown, in the order of their names.
    pub(super) fn programs(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> =
            self.files().into_iter().filter_map(|(id, path)| self.entry(id, &path)).collect();
        entries.sort_by_cached_key(|entry| (entry.name.to_lowercase(), entry.id.clone()));
        entries
    }

    /// How a program is started.
    ///
    /// # Errors
    /// There is no such program, or it cannot be started: in one line.
    pub(super) fn start(&self, id: &str) -> Result<Start, String> {
        let path = self.files().remove(id).ok_or_else(|| format!("there is no program {id}"))?;
        let entry = self.read(&path).ok_or_else(|| format!("{} cannot be read", path.display()))?;
        self.command(&entry)
    }

    /// The file of each id.
    fn files(&self) -> BTreeMap<String, PathBuf> {
        let mut files = BTreeMap::new();
        for dir in &self.dirs {
            let mut found = Vec::new();
            walk(dir, 0, &mut found);
            for path in found {
                let Ok(below) = path.strip_prefix(dir) else { continue };
                let Some(below) = below.to_str().and_then(|text| text.strip_suffix(".desktop")) else {
                    continue;
                };
                let id = below.replace('/', "-");
                if is_program_id(&id) {
                    files.entry(id).or_insert(path);
                }
            }
        }
        files
    }

    fn read(&self, path: &Path) -> Option<DesktopEntry> {
        fs::metadata(path).ok().filter(|meta| meta.is_file() && meta.len() <= LONGEST)?;
        let entry = DesktopEntry::from_path(path, Some(&self.locales)).ok()?;
        (entry.desktop_entry("Type") == Some("Application") && !entry.hidden()).then_some(entry)
    }

    fn entry(&self, id: String, path: &Path) -> Option<Entry> {
        let entry = self.read(path)?;
        let here = |names: Vec<&str>| names.iter().any(|name| self.desktops.iter().any(|here| here == name));
        if entry.no_display()
            || entry.only_show_in().is_some_and(|names| !here(names))
            || entry.not_show_in().is_some_and(here)
            || entry.try_exec().is_some_and(|program| !self.is_there(program))
            || self.command(&entry).is_err()
        {
            return None;
        }
        let joined = |words: Option<Vec<String>>| words.unwrap_or_default().join(";");
        let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
        Some(Entry {
            id,
            name: entry.name(&self.locales)?.into_owned(),
            comment: entry
                .comment(&self.locales)
                .or_else(|| entry.generic_name(&self.locales))
                .unwrap_or_default()
                .into_owned(),
            categories: joined(entry.categories().map(owned)),
            keywords: joined(
                entry.keywords(&self.locales).map(|words| words.into_iter().map(Into::into).collect()),
            ),
            icon: entry.icon().map(str::to_owned),
        })
    }

    fn command(&self, entry: &DesktopEntry) -> Result<Start, String> {
        let mut argv = entry
            .parse_exec_with_uris(&[], &self.locales)
            .map_err(|error| format!("{}: {error}", entry.id()))?;
        let program = argv.first().cloned().unwrap_or_default();
        if !self.is_there(&program) {
            return Err(format!("{program} is not installed"));
        }
        if entry.terminal() {
            let terminal = TERMINALS.iter().find(|(terminal, _)| self.is_there(terminal));
            let (terminal, before) = terminal.ok_or("it needs a terminal, and there is none")?;
            argv.splice(0..0, [terminal].into_iter().chain(before.iter()).map(|word| (*word).to_owned()));
        }
        let dir = entry.desktop_entry("Path").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        Ok(Start { argv, dir })
    }

    /// True if this is a program, by path or by name.
    fn is_there(&self, program: &str) -> bool {
        let runs = |path: &Path| {
            fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        };
        match program {
            "" => false,
            path if path.contains('/') => runs(Path::new(path)),
            name => self.path.iter().any(|dir| runs(&dir.join(name))),
        }
    }
}

/// Entries below a directory; links to directories are followed, to a bounded depth.
fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if found.len() >= MOST_FILES {
            return;
        }
        if path.extension() == Some(OsStr::new("desktop")) {
            found.push(path);
        } else if depth < DEEPEST && path.is_dir() {
            walk(&path, depth + 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct House {
        dir: tempfile::TempDir,
        here: Surroundings,
    }

    impl House {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name);
            let here = Surroundings {
                dirs: vec![at("home"), at("system")],
                locales: vec!["de_DE".into(), "de".into()],
                desktops: vec!["Here".into()],
                path: vec![at("bin")],
            };
            let house = Self { dir, here };
            for program in ["editor", "tool", "foot"] {
                house.program(program);
            }
            house
        }

        fn program(&self, name: &str) {
            let path = self.dir.path().join("bin").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn entry(&self, path: &str, lines: &str) {
            let path = self.dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("[Desktop Entry]\nType=Application\n{lines}\n")).unwrap();
        }

        fn ids(&self) -> Vec<String> {
            self.here.programs().into_iter().map(|entry| entry.id).collect()
        }
    }

    #[test]
    fn a_program_is_named_in_the_persons_language() {
        let house = House::new();
        house.entry(
            "system/org.x.edit.desktop",
            "Name=Editor\nName[de]=Textbearbeitung\nName[fr]=Éditeur\nComment=Edit text\nExec=editor %F\n\
             Categories=Utility;TextEditor;\nKeywords=Text;Notes;\nIcon=org.x.edit",
        );
        let [entry] = &house.here.programs()[..] else { panic!() };
        assert_eq!((entry.name.as_str(), entry.comment.as_str()), ("Textbearbeitung", "Edit text"));
        assert!(entry.keywords.contains("Notes") && entry.categories.contains("TextEditor"), "{entry:?}");
        assert_eq!(entry.icon.as_deref(), Some("org.x.edit"));
        assert_eq!(house.here.start("org.x.edit").unwrap().argv, ["editor"]);
    }

    #[test]
    fn what_is_not_meant_for_this_desktop_is_left_out() {
        let house = House::new();
        let cases = [
            ("plain", "", true),
            ("hidden", "Hidden=true", false),
            ("nodisplay", "NoDisplay=true", false),
            ("only-here", "OnlyShowIn=Other;Here;", true),
            ("only-there", "OnlyShowIn=Other;", false),
            ("not-here", "NotShowIn=Here;", false),
            ("not-there", "NotShowIn=Other;", true),
            ("tried", "TryExec=tool", true),
            ("missing", "TryExec=no-such-program", false),
        ];
        for (id, lines, _) in cases {
            house.entry(&format!("system/{id}.desktop"), &format!("Name={id}\nExec=tool\n{lines}"));
        }
        house.entry("system/gone.desktop", "Name=gone\nExec=not-installed");
        house.entry("system/empty.desktop", "Name=empty");
        fs::write(
            house.dir.path().join("system/link.desktop"),
            "[Desktop Entry]\nType=Link\nName=l\nExec=tool\n",
        )
        .unwrap();
        fs::write(house.dir.path().join("system/junk.desktop"), b"\xff\xfe\0[[[").unwrap();
        let mut shown: Vec<_> = cases.iter().filter(|(.., shown)| *shown).map(|(id, ..)| *id).collect();
        shown.sort_unstable();
        assert_eq!(house.ids(), shown);
        // One that is not listed can still be started by those who know its id, unless it is hidden.
        assert!(house.here.start("nodisplay").is_ok());
        assert!(house.here.start("hidden").is_err() && house.here.start("none").is_err());
    }

    #[test]
    fn home_goes_before_the_system_and_folders_become_part_of_the_id() {
        let house = House::new();
        house.entry("system/a.desktop", "Name=System\nExec=tool");
        house.entry("home/a.desktop", "Name=Mine\nExec=editor");
        house.entry("system/b.desktop", "Name=Taken away\nExec=tool");
        house.entry("home/b.desktop", "Hidden=true");
        house.entry("home/wine/Some Program.desktop", "Name=Wine\nExec=tool");
        house.entry("home/bad\u{e9}.desktop", "Name=Not ASCII\nExec=tool");
        assert_eq!(house.ids(), ["a", "wine-Some Program"]);
        assert_eq!(house.here.start("a").unwrap().argv, ["editor"]);
    }

    #[test]
    fn commands_are_taken_apart_and_terminals_are_put_before_them() {
        let house = House::new();
        house.entry(
            "system/q.desktop",
            "Name=Q\nIcon=pic\nPath=/srv\nExec=tool \"two words\" %i --name %c %U 100%%",
        );
        let start = house.here.start("q").unwrap();
        assert_eq!(start.dir.as_deref(), Some(Path::new("/srv")));
        assert_eq!(start.argv[..2], ["tool", "two words"]);
        assert!(!start.argv.iter().any(|word| word == "%U"), "{start:?}");
        house.entry("system/t.desktop", "Name=T\nExec=tool -x\nTerminal=true");
        assert_eq!(house.here.start("t").unwrap().argv, ["foot", "tool", "-x"]);
        fs::remove_file(house.dir.path().join("bin/foot")).unwrap();
        assert!(house.here.start("t").unwrap_err().contains("terminal"));
        assert_eq!(house.ids(), ["q"]);
    }
}
