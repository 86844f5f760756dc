//! Notifications and status icons of qubes: what is seen of them, what the person does to them, and what a qube that
//! means no good gets out of it.

#![allow(clippy::unused_self, reason = "methods as the bus calls them")]

use std::{
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use image::RgbImage;
use transom::{
    input::event::{BTN_LEFT, BTN_RIGHT, InputEvent},
    ipc::{Card, Reply, Request},
};
use transom_protocol::{
    limits::{MAX_NOTIFICATIONS, MAX_STATUS_ICONS},
    types::{Activation, Status, Urgency},
};
use transom_tests::{
    fixture::{World, assert_golden, hostile::Hostile},
    process::until,
};
use transom_theming::Label;
use zbus::blocking::connection::Builder;

use super::{
    lock::{Locked, SECRET},
    logind::Daemon,
};

const ESCAPE: u32 = 1;
const BACKSPACE: u32 = 14;
const D: u32 = 32;
const N: u32 = 49;
const SHIFT: u32 = 42;
const SUPER: u32 = 125;
const BLUE: [u8; 4] = [40, 160, 250, 255];
const AMBER: [u8; 4] = [250, 180, 40, 255];

fn qube(world: &mut World, name: &str, label: Label) -> Hostile {
    let mut qube = Hostile::new(world.add_raw_qube(name, label));
    qube.hello();
    // Once a frame has been shown, cards can be seen.
    world.frame();
    qube.hear();
    qube
}

fn cards(world: &World) -> Vec<Card> {
    world.desktop.state().cards
}

/// Qube and summary of the cards that are seen, from the top, with what the last of a qube says of others.
fn seen(world: &mut World) -> Vec<(String, String, u32)> {
    world.frame();
    let mut cards: Vec<_> = cards(world).into_iter().filter_map(|card| Some((card.area?[1], card))).collect();
    cards.sort_by_key(|(top, _)| *top);
    cards.into_iter().map(|(_, card)| (card.qube, card.summary, card.more)).collect()
}

fn names(world: &mut World) -> Vec<String> {
    seen(world).into_iter().map(|(_, summary, _)| summary).collect()
}

fn card(world: &mut World, summary: &str) -> Card {
    world.frame();
    cards(world).into_iter().find(|card| card.summary == summary && card.area.is_some()).expect("such a card")
}

/// Clicks into the middle, after cards have been where they are for a while.
fn click(world: &mut World, [x, y, w, h]: [i32; 4], code: u32) {
    world.wait(Duration::from_millis(300));
    world.input(&[InputEvent::PointerTo { x: f64::from(x + w / 2), y: f64::from(y + h / 2) }]);
    world.input(&[InputEvent::Button { code, pressed: true }, InputEvent::Button { code, pressed: false }]);
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn cards_and_icons_stand_behind_their_qubes_names() {
    let mut world = World::two_qubes("");
    let mut mail = qube(&mut world, "personal", Label::Green);
    let mut shop = qube(&mut world, "shopping", Label::Orange);
    mail.notify(1, Urgency::Normal, ["Ada Lovelace", "Lunch at one?"], &["Reply", "Mark as read"], BLUE);
    mail.status_icon(1, Status::Active, "Mail", BLUE);
    mail.status_icon(2, Status::Passive, "Hidden", AMBER);
    let hostile = ["dom0\u{202e}\u{1b}[2J wants\nyour password", "<b>Type it</b> \u{200b}here"];
    shop.notify(7, Urgency::Critical, hostile, &[], AMBER);
    world.turn();
    world.wait(secs(1));
    shop.status_icon(3, Status::NeedsAttention, "Parcel", AMBER);
    world.turn();
    let picture = world.picture();
    assert_eq!(
        seen(&mut world),
        [
            ("shopping".into(), "dom0 [2J wants your password".into(), 0),
            ("personal".into(), "Ada Lovelace".into(), 0),
        ]
    );
    let icons = world.desktop.state().status_icons;
    let icons: Vec<_> = icons.iter().map(|icon| (&*icon.qube, &*icon.title, icon.attention)).collect();
    assert_eq!(icons, [("personal", "Mail", false), ("shopping", "Parcel", true)]);
    assert_golden("notifications", &picture);
}

/// Where a qube's pixels may be: inside the ring of a card's picture, or of an icon in the bar.
fn rings(world: &World) -> Vec<[i32; 4]> {
    let state = world.desktop.state();
    let cards = state.cards.iter().filter_map(|card| card.area).map(|[x, y, ..]| [x + 17, y + 19, 30, 30]);
    let icons = state.status_icons.iter().map(|icon| icon.area);
    cards.chain(icons.map(|[x, y, w, h]| [x + 2, y + 2, w - 4, h - 4])).collect()
}

/// FRAME: the same story with other pixels of the qube's differs inside the rings of its colour and nowhere else.
#[test]
fn pixels_of_a_qube_stay_inside_their_rings() {
    let tell = |rgba: [u8; 4]| -> (RgbImage, Vec<[i32; 4]>) {
        let mut world = World::two_qubes("");
        let mut qube = qube(&mut world, "untrusted", Label::Red);
        for name in 1..4 {
            qube.notify(name, Urgency::Normal, ["Summary", "Body"], &["Button"], rgba);
            qube.status_icon(name, Status::Active, "Icon", rgba);
        }
        world.turn();
        world.wait(secs(1));
        (world.picture(), rings(&world))
    };
    let ((one, rings), (other, same)) = (tell([1, 254, 3, 255]), tell([220, 0, 254, 128]));
    assert_eq!((&rings, rings.len()), (&same, 5), "two cards and three icons");
    let differs = |x: u32, y: u32| one.get_pixel(x, y) != other.get_pixel(x, y);
    let within = |[x, y, w, h]: &[i32; 4], px: u32, py: u32| {
        (*x..x + w).contains(&(px as i32)) && (*y..y + h).contains(&(py as i32))
    };
    let mut inside = 0;
    for (x, y, _) in one.enumerate_pixels().filter(|(x, y, _)| differs(*x, *y)) {
        assert!(rings.iter().any(|ring| within(ring, x, y)), "{x} {y} is outside every ring");
        inside += 1;
    }
    let all: i32 = rings.iter().map(|[_, _, w, h]| w * h).sum();
    assert!(inside * 10 > all * 7, "{inside} of {all} pixels are the qube's");
}

#[test]
fn nothing_is_seen_while_the_desktop_is_locked_and_the_qube_learns_nothing() {
    let mut here = Locked::new();
    let mut web = qube(&mut here.world, "untrusted", Label::Red);
    web.notify(1, Urgency::Normal, ["Before", ""], &["Open"], AMBER);
    here.world.turn();
    assert_eq!(names(&mut here.world), ["Before"]);
    let place = card(&mut here.world, "Before").area.unwrap();
    here.world.desktop.answer(&Request::Lock);
    here.world.frame();
    let locked = here.world.picture();
    web.notify(2, Urgency::Critical, ["Meanwhile", "a secret"], &["Open"], AMBER);
    web.status_icon(1, Status::NeedsAttention, "Icon", AMBER);
    here.world.wait(secs(60));
    assert_eq!(here.world.picture(), locked, "nothing of it is on the lock screen");
    // A click where the card was, and the chord that puts one away, do nothing.
    click(&mut here.world, place, BTN_LEFT);
    here.world.chord(&[SUPER, BACKSPACE]);
    web.hear();
    assert_eq!((web.dismissed.len(), web.chosen.len(), web.clicks.len()), (0, 0, 0));
    here.give(&SECRET);
    assert_eq!(names(&mut here.world), ["Meanwhile", "Before"], "they have not grown older unseen");
    here.world.wait(secs(9));
    assert_eq!(names(&mut here.world), ["Meanwhile"]);
    web.hear();
    assert_eq!(web.dismissed.len(), 0, "that one goes by itself is not told");
}

#[test]
fn a_flood_covers_nobody_else_and_a_violation_ends_only_its_link() {
    let mut world = World::new();
    let mut work = qube(&mut world, "work", Label::Blue);
    let mut flood = qube(&mut world, "flood", Label::Red);
    work.notify(1, Urgency::Low, ["Mine", "to be read"], &[], BLUE);
    world.turn();
    for round in 0..6 {
        for name in 1..=MAX_NOTIFICATIONS as u32 {
            flood.notify(name, Urgency::Critical, ["Look", "here"], &["a", "b", "c", "d"], AMBER);
            let icon = name % MAX_STATUS_ICONS as u32 + 1;
            flood.status_icon(icon, Status::NeedsAttention, &round.to_string(), AMBER);
            // The stream takes some of these at once, and a frame's time has its budget.
            if name.is_multiple_of(8) {
                world.turn();
            }
        }
        world.wait(Duration::from_millis(16));
        flood.hear();
    }
    assert!(!flood.closed, "a flood is no violation");
    // 6 rounds of 64; of the first eight two are shown, and the rest is a number.
    let shown = seen(&mut world);
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert_eq!(shown[1].2, 6 * 64 - 2, "{shown:?}");
    assert_eq!(shown[2], ("work".into(), "Mine".into(), 0));
    // Icons follow a few times a second, and not all of them.
    assert_eq!(world.desktop.state().status_icons.len(), 1);
    world.wait(Duration::from_millis(200));
    world.frame();
    let icons = world.desktop.state().status_icons;
    assert_eq!(icons.iter().map(|icon| &*icon.title).collect::<Vec<_>>(), ["5"; 5]);
    // Frames go on as before: nothing changes, nothing is drawn.
    assert!(!world.frame());
    // One more than may be open.
    flood.notify(999, Urgency::Low, ["One", "too many"], &[], AMBER);
    world.turn();
    flood.hear();
    let why = flood.goodbye.as_deref().unwrap_or_default();
    assert!(flood.closed && why.contains("Notify"), "{why}");
    assert_eq!(names(&mut world), ["Mine"], "all that it told has gone with it");
    assert!(world.desktop.state().status_icons.is_empty());
    work.hear();
    assert!(!work.closed);
    work.close_notification(1);
    world.turn();
    assert!(names(&mut world).is_empty());
}

#[test]
fn the_person_chooses_and_puts_away() {
    let mut world = World::two_qubes("");
    let mut mail = qube(&mut world, "mail", Label::Green);
    for (name, summary) in [(1, "one"), (2, "two"), (3, "three")] {
        mail.notify(name, Urgency::Critical, [summary, ""], &["Reply", "Mark"], BLUE);
        world.turn();
    }
    mail.notify(4, Urgency::Critical, ["plain", ""], &[], BLUE);
    world.turn();
    // A press right after they have moved may have been meant for something else.
    let plain = card(&mut world, "plain");
    let [x, y, ..] = plain.area.unwrap();
    world.click(f64::from(x + 100), f64::from(y + 40));
    assert_eq!(names(&mut world), ["plain", "three"]);
    click(&mut world, plain.area.unwrap(), BTN_LEFT);
    let three = card(&mut world, "three");
    click(&mut world, three.buttons[1], BTN_LEFT);
    let two = card(&mut world, "two");
    click(&mut world, two.area.unwrap(), BTN_LEFT);
    let one = card(&mut world, "one");
    click(&mut world, one.close.unwrap(), BTN_LEFT);
    mail.hear();
    assert_eq!(mail.chosen, [(3, 2), (2, 0)]);
    assert_eq!(mail.dismissed, [4, 1]);
    assert!(cards(&world).is_empty());
    // By key and by the right button. No qube hears of either.
    for name in [5, 6] {
        mail.notify(name, Urgency::Normal, ["again", ""], &["Reply"], BLUE);
    }
    world.turn();
    world.wait(secs(2));
    world.frame();
    world.chord(&[SUPER, BACKSPACE]);
    let again = card(&mut world, "again");
    click(&mut world, again.area.unwrap(), BTN_RIGHT);
    mail.hear();
    assert_eq!((&mail.dismissed[2..], mail.chosen.len()), (&[6, 5][..], 2));
    // Icons.
    mail.status_icon(9, Status::Active, "Icon", AMBER);
    world.turn();
    world.wait(secs(1));
    world.frame();
    let icon = world.desktop.state().status_icons[0].area;
    click(&mut world, icon, BTN_LEFT);
    click(&mut world, icon, BTN_RIGHT);
    mail.hear();
    assert_eq!(mail.clicks, [(9, Activation::Primary), (9, Activation::Context)]);
    // No window of a qube heard of any of it.
    for client in &world.clients {
        assert_eq!((client.heard.buttons.len(), client.heard.keys.len()), (0, 0));
    }
}

#[test]
fn nothing_lies_over_what_dom0_asks() {
    let mut world = World::new();
    let mut mail = qube(&mut world, "mail", Label::Green);
    mail.notify(1, Urgency::Critical, ["Here", ""], &["Reply"], BLUE);
    world.turn();
    let place = card(&mut world, "Here");
    let without = {
        let mut other = World::new();
        let _mail = qube(&mut other, "mail", Label::Green);
        other.chord(&[SUPER, D]);
        other.picture()
    };
    world.chord(&[SUPER, D]);
    assert!(world.desktop.state().launcher.is_some());
    let with = world.picture();
    let differing = with.enumerate_pixels().find(|(x, y, pixel)| without.get_pixel(*x, *y) != *pixel);
    assert_eq!(differing, None, "the launcher has the screen for itself");
    click(&mut world, place.buttons[0], BTN_LEFT);
    mail.hear();
    assert!(mail.chosen.is_empty());
    if world.desktop.state().launcher.is_some() {
        world.chord(&[ESCAPE]);
    }
    assert_eq!(names(&mut world), ["Here"]);
}

#[test]
fn not_to_be_disturbed_and_not_by_this_qube() {
    let config =
        "qube \"web\" { notifications false; }\nqube \"vault\" { notifications false; status-icons false; }";
    let mut world = World::two_qubes(config);
    let mut mail = qube(&mut world, "mail", Label::Green);
    let mut vault = qube(&mut world, "vault", Label::Black);
    assert_eq!((mail.features, vault.features), (1, 0));
    // It tells all the same.
    vault.notify(1, Urgency::Critical, ["No", ""], &[], AMBER);
    vault.status_icon(1, Status::Active, "No", AMBER);
    world.turn();
    vault.hear();
    assert!(names(&mut world).is_empty() && world.desktop.state().status_icons.is_empty() && !vault.closed);
    world.chord(&[SUPER, SHIFT, N]);
    assert!(world.desktop.state().do_not_disturb);
    mail.notify(1, Urgency::Critical, ["Later", ""], &[], BLUE);
    world.turn();
    world.wait(secs(100));
    assert!(names(&mut world).is_empty());
    assert_eq!(world.desktop.answer(&Request::Notifications { on: true }), Reply::Done);
    assert_eq!(names(&mut world), ["Later"]);
    mail.hear();
    assert!(mail.dismissed.is_empty());
}

/// A program that ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn notify_send(bus: &str, arguments: &[&str]) -> Program {
    let mut command = Command::new("notify-send");
    command.args(arguments).env("DBUS_SESSION_BUS_ADDRESS", bus).stdout(Stdio::piped());
    Program(command.spawn().expect("notify-send; is libnotify-bin installed?"))
}

/// The bus's threads and programs take their time: turns until something is so.
fn wait_for<T>(world: &mut World, what: &str, mut look: impl FnMut(&mut World) -> Option<T>) -> T {
    until(what, || {
        world.turn();
        // Cards do not grow older, but may settle.
        world.frame();
        look(world)
    })
}

fn card_of(world: &mut World, summary: &str) -> Option<Card> {
    cards(world).into_iter().find(|card| card.summary == summary && card.area.is_some())
}

#[test]
fn a_real_program_tells_and_hears_what_was_chosen() {
    let Some(daemon) = Daemon::start() else {
        println!("SKIP dbus-daemon is not installed");
        return;
    };
    let mut world = World::two_qubes("");
    world.qubes[0].agent.serve_bus(&daemon.1).unwrap();
    let bus = daemon.1.clone();
    // It waits for the name on the bus by itself: the bus starts nobody, so it is asked until it is there.
    let ready = zbus::blocking::Connection::clone(&Builder::address(bus.as_str()).unwrap().build().unwrap());
    let names = zbus::blocking::fdo::DBusProxy::new(&ready).unwrap();
    for name in ["org.freedesktop.Notifications", "org.kde.StatusNotifierWatcher"] {
        wait_for(&mut world, name, |_| names.name_has_owner(name.try_into().unwrap()).unwrap().then_some(()));
    }
    let text = ["Ada &amp; <b>Bob</b>", "See <a href=\"https://x.example\">this</a> &lt;now&gt;"];
    let mut asks = notify_send(
        &bus,
        &[
            "--wait",
            "-u",
            "critical",
            "-i",
            "dialog-information",
            "-A",
            "yes=Yes",
            "-A",
            "no=No",
            text[0],
            text[1],
        ],
    );
    let card = wait_for(&mut world, "its card", |world| card_of(world, text[0]));
    // A summary has no markup; a body has, and loses it in the qube.
    assert_eq!((&*card.qube, &*card.body, card.critical), ("work", "See this <now>", true));
    assert_eq!(card.actions, ["Yes", "No"]);
    click(&mut world, card.buttons[1], BTN_LEFT);
    wait_for(&mut world, "its end", |_| asks.0.try_wait().unwrap());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut asks.0.stdout.take().unwrap(), &mut said).unwrap();
    assert_eq!(said.trim(), "no");
    // One that is put away ends, too; the card of another is replaced by the same program.
    let mut waits = notify_send(&bus, &["--wait", "Wait"]);
    let card = wait_for(&mut world, "its card", |world| card_of(world, "Wait"));
    click(&mut world, card.close.unwrap(), BTN_LEFT);
    wait_for(&mut world, "its end", |_| waits.0.try_wait().unwrap());
    assert!(cards(&world).is_empty());
    // A desktop that starts anew is not told of old ones, but of new ones.
    let _old = notify_send(&bus, &["Old"]);
    wait_for(&mut world, "its card", |world| card_of(world, "Old"));
    world.restart_desktop();
    let _new = notify_send(&bus, &["New"]);
    wait_for(&mut world, "its card", |world| card_of(world, "New"));
    assert_eq!(cards(&world).len(), 1);
}

/// What a program's icon was told.
type Told = Arc<Mutex<Vec<(String, i32, i32)>>>;

struct Item {
    told: Told,
    status: String,
}

impl Item {
    fn say(&self, what: &str, x: i32, y: i32) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push((what.into(), x, y));
    }
}

#[zbus::interface(name = "org.kde.StatusNotifierItem")]
impl Item {
    fn activate(&self, x: i32, y: i32) {
        self.say("activate", x, y);
    }

    fn context_menu(&self, x: i32, y: i32) {
        self.say("menu", x, y);
    }

    #[zbus(property)]
    fn id(&self) -> &'static str {
        "test"
    }

    #[zbus(property)]
    fn title(&self) -> &'static str {
        "A test"
    }

    #[zbus(property)]
    fn status(&self) -> String {
        self.status.clone()
    }

    #[zbus(property)]
    fn icon_pixmap(&self) -> Vec<(i32, i32, Vec<u8>)> {
        vec![(2, 2, [255, 9, 200, 30].repeat(4))]
    }
}

#[test]
fn a_real_icon_is_seen_changes_is_clicked_and_goes() {
    let Some(daemon) = Daemon::start() else {
        println!("SKIP dbus-daemon is not installed");
        return;
    };
    let mut world = World::two_qubes("");
    world.qubes[1].agent.serve_bus(&daemon.1).unwrap();
    let told = Told::default();
    let item = Item { told: told.clone(), status: "Active".into() };
    let program = Builder::address(daemon.1.as_str()).unwrap();
    let program = program.serve_at("/StatusNotifierItem", item).unwrap().build().unwrap();
    let watcher = "org.kde.StatusNotifierWatcher";
    let register = || {
        let name = program.unique_name().unwrap().to_string();
        program.call_method(
            Some(watcher),
            "/StatusNotifierWatcher",
            Some(watcher),
            "RegisterStatusNotifierItem",
            &name,
        )
    };
    wait_for(&mut world, "the watcher", |_| register().ok());
    let icons = |world: &World| world.desktop.state().status_icons;
    let icon = wait_for(&mut world, "the icon", |world| icons(world).into_iter().next());
    assert_eq!((&*icon.qube, &*icon.title, icon.attention), ("web", "A test", false));
    let picture = world.picture();
    let [x, y, w, h] = icon.area;
    assert_eq!(picture.get_pixel((x + w / 2) as u32, (y + h / 2) as u32).0, [9, 200, 30]);
    register().unwrap();
    click(&mut world, icon.area, BTN_LEFT);
    click(&mut world, icon.area, BTN_RIGHT);
    let heard = || told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    wait_for(&mut world, "two clicks", |_| (heard().len() == 2).then_some(()));
    // Where the pointer was is not told.
    assert_eq!(heard(), [("activate".into(), 0, 0), ("menu".into(), 0, 0)]);
    let set = |status: &str| {
        let item = program.object_server().interface::<_, Item>("/StatusNotifierItem").unwrap();
        item.get_mut().status = status.into();
        let path = "/StatusNotifierItem";
        program.emit_signal(None::<&str>, path, "org.kde.StatusNotifierItem", "NewStatus", &status).unwrap();
    };
    set("NeedsAttention");
    let advance = |world: &mut World| world.wait(Duration::from_millis(250));
    wait_for(&mut world, "a marked icon", |world| {
        advance(world);
        icons(world).first().filter(|icon| icon.attention).map(drop)
    });
    set("Passive");
    wait_for(&mut world, "no icon", |world| {
        advance(world);
        icons(world).is_empty().then_some(())
    });
    set("Active");
    wait_for(&mut world, "the icon again", |world| {
        advance(world);
        (icons(world).len() == 1).then_some(())
    });
    // A new desktop knows it, too; one whose program has ended is gone.
    world.restart_desktop();
    wait_for(&mut world, "the icon on the new desktop", |world| (icons(world).len() == 1).then_some(()));
    program.close().unwrap();
    wait_for(&mut world, "no icon", |world| {
        advance(world);
        icons(world).is_empty().then_some(())
    });
}
