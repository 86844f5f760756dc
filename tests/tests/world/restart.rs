//! The compositor dies: windows come back with what they show.

use transom_tests::fixture::{World, pixel};
use transom_theming::Label;

const TEAL: u32 = 0xff00_8080;

#[test]
fn every_window_is_back() {
    let mut world = World::new();
    for (name, label) in [("work", Label::Blue), ("web", Label::Red)] {
        let qube = world.add_qube(name, label);
        let client = world.add_client(qube);
        world.clients[client].listen();
        world.add_window(client, name, (200, 100), TEAL);
    }
    let window = world.add_window(0, "second", (120, 80), TEAL);
    world.restart_desktop();
    world.frame();
    let titles: std::collections::BTreeSet<String> =
        world.desktop.state().windows.into_iter().map(|w| w.title).collect();
    assert_eq!(titles.into_iter().collect::<Vec<_>>(), ["second", "web", "work"]);
    let [x, y, w, h] = world.content("second");
    assert_eq!((w, h), (120, 80), "as large as before");
    assert_eq!(pixel(&world.picture(), x + 5, y + 5), TEAL & 0xff_ffff);
    // And they go on working.
    world.clients[0].show(window, (120, 80), 0xffff_66aa);
    world.click(f64::from(x) + 50.0, f64::from(y) + 50.0);
    world.chord(&[30]);
    assert_eq!(world.clients[0].heard.keys, [(30, true), (30, false)]);
    assert_eq!(pixel(&world.picture(), x + 5, y + 5), 0x00ff_66aa);
    assert!(world.clients.iter().all(|c| c.error.is_none()));
}
