//! What a window of a guest looks like, and where its pixels may be.

use image::{Rgb, RgbImage};
use transom::ipc::Window;
use transom_tests::process::until;
use transom_theming::{Label, Theme, Variant};

use super::lab::Lab;

/// A colour that no picture of dom0 has.
pub(crate) const PAINT: Rgb<u8> = Rgb([0x13, 0x57, 0x9b]);

/// foot with that background and one title, running a script.
pub(crate) fn painted<'a>(qube: &'a str, title: &'a str, script: &'a str) -> Vec<String> {
    let [title, color] = [format!("--title={title}"), "--override=colors.background=13579b".to_owned()];
    let words = ["qube", "run", qube, "foot", &title, &color, "sh", "-c", script];
    words.map(str::to_owned).to_vec()
}

fn inside([x, y, w, h]: [i32; 4], at: (u32, u32)) -> bool {
    let (px, py) = (at.0 as i32, at.1 as i32);
    (x..x + w).contains(&px) && (y..y + h).contains(&py)
}

/// How many pixels of the paint are inside the window, and how many elsewhere.
fn count(picture: &RgbImage, window: &Window) -> (usize, usize) {
    let painted = picture.enumerate_pixels().filter(|(_, _, pixel)| **pixel == PAINT);
    let (mut within, mut without) = (0, 0);
    for (x, y, _) in painted {
        if inside(window.content, (x, y)) { within += 1 } else { without += 1 }
    }
    (within, without)
}

/// Waits until the guest's paint fills the window, and sees that it is nowhere else and that the
/// frame around it is of the label's colour (rule FRAME).
pub(crate) fn is_painted_within_its_frame(lab: &Lab, title: &str, label: Label) {
    until("the guest's picture", || {
        let window = lab.window(title);
        let picture = lab.picture();
        let (within, without) = count(&picture, &window);
        assert_eq!(without, 0, "{without} pixels of the guest are outside its frame");
        let [_, _, w, h] = window.content;
        (within as i32 * 10 > w * h * 9).then_some(())
    });
    let (window, picture) = (lab.window(title), lab.picture());
    let color = Theme::builtin(Variant::Dark).label_color(label);
    let ([ox, oy, ow, oh], [cx, cy, cw, ch]) = (window.outer, window.content);
    // Each of the four strips between the frame's outside and the content has the label's colour, at
    // least at every third place along it (frames are patterned).
    let colored = |xs: std::ops::Range<i32>, ys: std::ops::Range<i32>| {
        let on_screen =
            |x: i32, y: i32| x >= 0 && y >= 0 && x < picture.width() as i32 && y < picture.height() as i32;
        let places = xs.flat_map(|x| ys.clone().map(move |y| (x, y))).filter(|(x, y)| on_screen(*x, *y));
        places
            .filter(|(x, y)| picture.get_pixel(*x as u32, *y as u32).0 == [color.r, color.g, color.b])
            .count() as i32
    };
    assert!(colored(ox..cx, cy..cy + ch) * 3 > ch, "left");
    assert!(colored(cx + cw..ox + ow, cy..cy + ch) * 3 > ch, "right");
    assert!(colored(cx..cx + cw, oy..cy) * 3 > cw, "above");
    assert!(colored(cx..cx + cw, cy + ch..oy + oh) * 3 > cw, "below");
}

#[test]
fn memory_above_the_hole_is_shown_right() {
    let Some(mut lab) = Lab::new() else { return };
    lab.house.start_desktop();
    lab.create("big", "green", "memory \"3072MiB\"");
    let output = lab.house.run(&["qube", "start", "big"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("MiB are free") {
        println!("SKIP {said}");
        return;
    }
    assert!(output.status.success(), "{said}\n{}", lab.log("big"));
    let words = painted("big", "high", "sleep 1000");
    lab.house.must(&words.iter().map(String::as_str).collect::<Vec<_>>());
    is_painted_within_its_frame(&lab, "high", Label::Green);
    lab.house.must(&["qube", "stop", "big"]);
}
