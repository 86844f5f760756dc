//! The real fcitx5, with rime and its dictionary of pinyin, as they are in Debian: Chinese is written into
//! terminals of a qube and of dom0.

use std::{fs, path::Path, process::Command};

use transom::ipc::{InputMethod, Request, Window};
use transom_tests::process::{House, until};

use super::dom0::{Native, click, native, typed};

/// `nihao`, in letters of keys.
const NIHAO: [u32; 5] = [49, 23, 35, 30, 24];
const SPACE: u32 = 57;
const ENTER: u32 = 28;

const PROFILE: &str = "[Groups/0]\nName=Default\nDefault Layout=us\nDefaultIM=rime\n\n\
                       [Groups/0/Items/0]\nName=rime\nLayout=\n\n[GroupOrder]\n0=Default\n";

/// One schema, simplified letters. Made ready beforehand: what is typed while rime does that is not taken.
fn make_ready(house: &House) {
    let write = |path: &Path, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(&house.path().join(".config/fcitx5/profile"), PROFILE);
    let rime = house.path().join(".local/share/fcitx5/rime");
    let custom = "patch:\n  schema_list:\n    - schema: luna_pinyin_simp\n";
    write(&rime.join("default.custom.yaml"), custom);
    let status = Command::new("rime_deployer")
        .arg("--build")
        .args([&rime, Path::new("/usr/share/rime-data"), &rime.join("build")])
        .env("HOME", house.path())
        .stderr(fs::File::create(house.path().join("deployed")).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    // As of now nothing is newer than that, whatever rime writes when it starts: it does not do it again.
    write(&rime.join("user.yaml"), &format!("var:\n  last_build_time: {}\n", i32::MAX));
}

/// fcitx5 with what writes Chinese into Wayland programs, and nothing else.
fn fcitx(house: &House) -> Native {
    let addons = "--enable=wayland,waylandim,classicui,rime";
    let started = native(house, "fcitx5", &["-D", "--disable=all", addons]);
    until("an input method", || method(house).map(drop));
    started
}

fn method(house: &House) -> Option<InputMethod> {
    house.state().input_method
}

fn focused(house: &House, title: &str) {
    let find = || house.state().windows.into_iter().find(|window| window.title == title);
    let window = until("its window", find);
    click(house, window.content);
    until("its focus", || find().filter(|window: &Window| window.focused).map(drop));
    until("its text field", || method(house).filter(|method| method.serves).map(drop));
}

/// Writes into the terminal of this title what is then read from it.
fn writes(house: &House, title: &str, said: &Path, picture: &Path) {
    focused(house, title);
    typed(house, &NIHAO);
    // The terminal says where its cursor is after what is being composed: it has been told of all of it.
    // Before words, fcitx5 may say in a small window which input method this is.
    let first = || method(house)?.words.first().copied().filter(|[_, _, w, _]| *w > 100);
    let words = until("words to choose from", first);
    let content = house.state().windows.into_iter().find(|w| w.title == title).unwrap().content;
    let [x, y, w, h] = words;
    assert!(h > 10 && x >= content[0] && y > content[1], "{words:?} of {content:?}");
    until("white paper for them", || {
        house.ask(&Request::Screenshot { path: picture.into(), output: None });
        let picture = image::open(picture).ok()?.to_rgb8();
        let at = |dx, dy| picture.get_pixel((x + dx) as u32, (y + dy) as u32).0;
        let row = (0..w).filter(|dx| at(*dx, h / 2) == [255, 255, 255]).count();
        (row > w as usize / 4).then_some(())
    });
    typed(house, &[SPACE, ENTER]);
    let text = until("what was written", || fs::read_to_string(said).ok().filter(|t| t.ends_with('\n')));
    assert_eq!(text, "你好\n");
    until("the end of the words", || method(house)?.words.is_empty().then_some(()));
}

#[test]
fn chinese_is_written_into_a_qube_and_into_dom0() {
    let mut house = House::new();
    house.start_desktop();
    make_ready(&house);
    let _fcitx = fcitx(&house);
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.must(&["qube", "start", "work"]);
    let read = "read line; echo \"$line\" > ~/said; sleep 600";
    house.must(&["qube", "run", "work", "foot", "--title=letters", "sh", "-c", read]);
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"));
    writes(&house, "letters", &house.home("work").join("said"), &pictures.join("chinese-in-a-qube.png"));
    // Without a field nothing is composed: dom0's launcher has the keys.
    typed(&house, &NIHAO[..2]);
    until("words again", || method(&house)?.words.first().map(drop));
    house.ask(&Request::Key { code: 125, pressed: true });
    typed(&house, &[32]);
    house.ask(&Request::Key { code: 125, pressed: false });
    let state = house.state();
    assert!(state.launcher.is_some() && state.input_method.is_some_and(|m| !m.serves && m.words.is_empty()));
    typed(&house, &[1]);
    // The same in a program of dom0.
    let said = house.path().join("said");
    let read = format!("read line; echo \"$line\" > {}; sleep 600", said.display());
    let _foot = native(&house, "foot", &["--title=dom0's letters", "sh", "-c", &read]);
    writes(&house, "dom0's letters", &said, &pictures.join("chinese-in-dom0.png"));
}
