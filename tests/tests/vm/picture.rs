//! What a window of a guest looks like, and where its pixels may be.

pub(crate) use transom_tests::fixture::look::painted;
use transom_tests::{
    fixture::look::{assert_framed, paint_fills},
    process::until,
};
use transom_theming::Label;

use super::lab::Lab;

/// Waits until the guest's paint fills the window, and sees that it is nowhere else and that the
/// frame around it is of the label's colour (rule FRAME).
pub(crate) fn is_painted_within_its_frame(lab: &Lab, title: &str, label: Label) {
    until("the guest's picture", || {
        let window = lab.window(title);
        paint_fills(&lab.picture(), &window).then_some(())
    });
    assert_framed(&lab.picture(), &lab.window(title), label);
}

#[test]
fn memory_above_the_hole_is_shown_right() {
    let Some(mut lab) = Lab::undisturbed() else { return };
    lab.house.start_desktop();
    lab.create("big", "green", "memory \"3072MiB\"\nvcpus 2");
    lab.unlocked();
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
    assert_eq!(lab.ends_with("big", "exit $(nproc)"), 2);
    lab.house.must(&["qube", "stop", "big"]);
}
