//! A program of a guest with a status icon. What the icon is told stands in the file of the first argument,
//! a line for each, with where the pointer was.

use std::{
    error::Error,
    fs::OpenOptions,
    io::Write as _,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use zbus::blocking::connection::Builder;

/// Where icons are told of (StatusNotifierItem, `org.kde.StatusNotifierWatcher`).
const WATCHER: &str = "org.kde.StatusNotifierWatcher";
/// The agent may still be at its start.
const PATIENCE: Duration = Duration::from_mins(1);

struct Item {
    told: PathBuf,
    title: &'static str,
    status: &'static str,
    /// Width, height, and pixels: alpha, red, green, blue.
    pictures: Vec<(i32, i32, Vec<u8>)>,
}

impl Item {
    fn say(&self, what: &str) -> zbus::fdo::Result<()> {
        let file = OpenOptions::new().append(true).create(true).open(&self.told);
        let written = file.and_then(|mut file| writeln!(file, "{what}"));
        written.map_err(|error| zbus::fdo::Error::Failed(format!("{}: {error}", self.told.display())))
    }
}

#[zbus::interface(name = "org.kde.StatusNotifierItem")]
impl Item {
    fn activate(&self, x: i32, y: i32) -> zbus::fdo::Result<()> {
        self.say(&format!("activate {x} {y}"))
    }

    fn context_menu(&self, x: i32, y: i32) -> zbus::fdo::Result<()> {
        self.say(&format!("menu {x} {y}"))
    }

    #[zbus(property)]
    fn id(&self) -> &'static str {
        self.title
    }

    #[zbus(property)]
    fn title(&self) -> &'static str {
        self.title
    }

    #[zbus(property)]
    fn status(&self) -> &'static str {
        self.status
    }

    #[zbus(property)]
    fn icon_pixmap(&self) -> Vec<(i32, i32, Vec<u8>)> {
        self.pictures.clone()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let told = std::env::args_os().nth(1).ok_or("a file is missing")?.into();
    let pictures = vec![(2, 2, [255, 9, 200, 30].repeat(4))];
    let item = Item { told, title: "Of a guest", status: "Active", pictures };
    let bus = Builder::session()?.serve_at("/StatusNotifierItem", item)?.build()?;
    let name = bus.unique_name().ok_or("the bus gives no name")?.to_string();
    let until = Instant::now() + PATIENCE;
    let register = "RegisterStatusNotifierItem";
    while let Err(error) =
        bus.call_method(Some(WATCHER), "/StatusNotifierWatcher", Some(WATCHER), register, &name)
    {
        if Instant::now() > until {
            return Err(error.into());
        }
        thread::park_timeout(Duration::from_millis(100));
    }
    loop {
        thread::park();
    }
}
