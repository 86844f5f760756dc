//! Graphics cards that go and come back, and the choice between two. A driver is taken off its card, and
//! put on it again, from inside the machine; to the desktop that is a card that was pulled out.

use transom_tests::{
    fixture::look::{PAINT, painted},
    process::until,
};
use transom_theming::Label;

use super::{
    inside::Ask,
    lock::{ACCOUNT, locked},
    machine::{FIRST_CARD, Machine},
    screen::{framed, keep, settled, starts},
};

/// The one window.
const TITLE: &str = "window";
/// The other card, and where it is.
const SECOND_CARD: &str = "second";
const SECOND: &str = "virtio-gpu-pci,id=second,addr=0x10,max_outputs=1,xres=800,yres=600";
/// A program that shows what is typed and writes it down.
const LISTENS: &str = "stty -icanon; exec tee heard";

#[test]
fn cards_go_and_come_back() {
    let Some(mut machine) = typing("pixman", &[SECOND]) else { return };
    another_takes_over(&mut machine);
    nothing_is_typed_without_one(&mut machine, "pixman", "beforex");
    a_lock_stays(&mut machine);
    the_config_chooses(&mut machine);
}

/// A machine with such cards beside its own, and a window that has heard something.
fn typing(renderer: &str, cards: &[&str]) -> Option<Machine> {
    let mut machine = Machine::start_with(ACCOUNT, cards)?;
    // A driver that ends a program says so on the console.
    shell(&mut machine, "dmesg -n 7");
    machine.create("work", Label::Blue);
    starts(&mut machine, renderer, renderer);
    machine.run(&["qube", "start", "work"]);
    machine.run(&painted("work", TITLE, LISTENS));
    framed(&mut machine);
    machine.focus(TITLE);
    machine.type_letters("before");
    heard(&mut machine, "before");
    Some(machine)
}

/// Two cards: the one in use goes, the other one is taken, and stays in use when the first is back.
fn another_takes_over(machine: &mut Machine) {
    let first = card(machine).unwrap();
    unbind(machine, &first);
    let second = until("the other card", || card(machine).filter(|card| *card != first));
    machine.card = SECOND_CARD;
    until("its monitor", || (machine.state().screen == (800, 600)).then_some(()));
    framed(machine);
    until("it has the keys", || machine.window(TITLE).focused.then_some(()));
    machine.type_letters("x");
    heard(machine, "beforex");
    bind(machine);
    framed(machine);
    assert_eq!(card(machine).as_ref(), Some(&second));
    // And back.
    unbind(machine, &second);
    until("the first card", || card(machine).filter(|card| *card != second));
    machine.card = FIRST_CARD;
    until("its monitor", || (machine.state().screen == (1024, 768)).then_some(()));
    framed(machine);
}

/// The only card goes and comes back, twice. Meanwhile windows stay, and what is typed reaches nobody.
fn nothing_is_typed_without_one(machine: &mut Machine, renderer: &str, received: &str) {
    machine.focus(TITLE);
    // On no pixel that is looked at.
    machine.point((20, 650));
    for round in 0..2 {
        settled(machine);
        let before = content(machine);
        let outer = machine.window(TITLE).outer;
        let only = card(machine).unwrap();
        unbind(machine, &only);
        until("no card", || card(machine).is_none().then_some(()));
        let state = machine.state();
        assert!(state.monitors.is_empty(), "{:?}", state.monitors);
        assert!(state.in_front && state.windows.len() == 1, "{state:?}");
        assert!(!machine.window(TITLE).focused, "nobody sees that it has the keys");
        machine.type_letters("secret");
        machine.chord(&["shift", "s"]);
        machine.press("z", true);
        // Whatever was pressed has come to the desktop by then.
        for _ in 0..5 {
            machine.ask(&Ask::Shell("true".into()));
            assert_eq!(machine.state().monitors.len(), 0);
        }
        bind(machine);
        until("the monitor is back", || (machine.state().monitors.len() == 1).then_some(()));
        framed(machine);
        until("it has the keys", || machine.window(TITLE).focused.then_some(()));
        machine.press("z", false);
        settled(machine);
        let state = machine.state();
        assert_eq!((state.renderer.as_str(), machine.window(TITLE).outer), (renderer, outer));
        let after = content(machine);
        keep(&before, &format!("card-{renderer}-before-{round}"));
        keep(&after, &format!("card-{renderer}-after-{round}"));
        assert!(before == after, "round {round}: the window is not as it was");
        heard(machine, received);
        // Nothing holds the old card.
        shell(machine, "! ls -l /proc/$(pidof transom)/fd | grep 'dri.*deleted'");
    }
}

/// Locked before the card goes, locked when it is back, whatever is typed meanwhile.
fn a_lock_stays(machine: &mut Machine) {
    machine.chord(&["meta_l", "l"]);
    locked(machine, 1);
    let only = card(machine).unwrap();
    unbind(machine, &only);
    until("no card", || card(machine).is_none().then_some(()));
    // The password itself, which nobody can see that it is asked for.
    machine.type_letters("letmein");
    machine.chord(&["ret"]);
    bind(machine);
    until("the monitor is back", || {
        let painted = machine.connector(0).pixels().filter(|pixel| **pixel == PAINT).count();
        assert_eq!(painted, 0, "the qube is to be seen");
        (machine.state().monitors.len() == 1).then_some(())
    });
    locked(machine, 1);
    let picture = machine.connector(0);
    keep(&picture, "card-locked");
    machine.type_letters("letmein");
    machine.chord(&["ret"]);
    until("the desktop is open", || (machine.state().lock == "open").then_some(()));
    framed(machine);
    heard(machine, "beforex");
}

/// The card that the config names is taken; without it there is the other one.
fn the_config_chooses(machine: &mut Machine) {
    machine.ask(&Ask::Kill);
    let chosen = |name: &str| Ask::Configure(format!("card \"{name}\""));
    machine.ask(&chosen("/dev/dri/by-path/pci-0000:00:10.0-card"));
    machine.ask(&Ask::Start("pixman".into()));
    // Its driver is still off it.
    until("the first card", || (machine.state().screen == (1024, 768)).then_some(()));
    shell(machine, "grep -q 'no card that the config names' $TRANSOM_RUNTIME_DIR/desktop.log");
    machine.ask(&Ask::Kill);
    bind(machine);
    for name in ["/dev/dri/by-path/pci-0000:00:10.0-card", "00:10.0"] {
        machine.ask(&chosen(name));
        machine.ask(&Ask::Start("pixman".into()));
        machine.card = SECOND_CARD;
        until("the second card", || (machine.state().screen == (800, 600)).then_some(()));
        framed(machine);
        shell(machine, "grep -q 'monitors of another graphics card' $TRANSOM_RUNTIME_DIR/desktop.log");
        machine.ask(&Ask::Kill);
    }
}

/// The window's content on the connector.
fn content(machine: &mut Machine) -> image::RgbImage {
    let [x, y, w, h] = machine.window(TITLE).content.map(|side| side as u32);
    image::imageops::crop_imm(&machine.picture(), x, y, w, h).to_image()
}

/// What the program has received, all in all.
fn heard(machine: &mut Machine, text: &str) {
    let file = "$XDG_DATA_HOME/transom/qubes/work/home/heard";
    shell(
        machine,
        &format!(
            "for i in $(seq 50); do test \"$(cat {file})\" = {text} && exit 0; sleep 0.1; done; cat {file}; exit 1"
        ),
    );
}

fn card(machine: &mut Machine) -> Option<String> {
    machine.state().card
}

/// Takes the driver off a card.
fn unbind(machine: &mut Machine, card: &str) {
    let name = card.strip_prefix("/dev/dri/").unwrap();
    shell(
        machine,
        &format!(
            "device=$(readlink -f /sys/class/drm/{name}/device); driver=$(readlink -f $device/driver)
             echo $driver/bind $(basename $device) >> /run/away; basename $device > $driver/unbind"
        ),
    );
}

/// Puts it on the card again that went last.
fn bind(machine: &mut Machine) {
    shell(machine, "set -- $(tail -n1 /run/away); sed -i '$d' /run/away; echo $2 > $1; udevadm settle");
}

fn shell(machine: &mut Machine, lines: &str) {
    machine.ask(&Ask::Shell(lines.to_owned()));
}
