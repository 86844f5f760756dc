//! What the scripted person does.

use std::{path::Path, time::Duration};

use serde_json::json;
use smithay::reexports::calloop::EventLoop;
use transom_hypervisor::{
    client::{Launch, ensure_running},
    supervisor::QubeInfo,
};
use transom_theming::Fonts;

use super::{
    CONFIG, QUBES,
    person::{Person, key},
    run_programs,
};
use crate::{
    Desktop, Options,
    backend::Pace,
    clock::Clock,
    config::Config,
    ipc::{State, Window},
    lock::LockOptions,
    render::canvas::RendererKind,
};

/// So much of a window's top can be title bar and menus, in logical pixels.
const MENUS: i32 = 90;

fn find<'a>(state: &'a State, qube: &str, app: &str) -> Option<&'a Window> {
    state.windows.iter().find(|w| w.qube == qube && w.app_id.to_lowercase().contains(app))
}

fn focused(state: &State) -> Option<&Window> {
    state.windows.iter().find(|w| w.focused)
}

fn middle(r: [i32; 4]) -> (f64, f64) {
    (f64::from(r[0]) + f64::from(r[2]) / 2.0, f64::from(r[1]) + f64::from(r[3]) / 2.0)
}

/// A place on a window that no other window covers: on its title bar, left of the buttons, else
/// in it, below where a program has its menus. A click on a menu would open it.
fn open_place(state: &State, window: &Window) -> Option<(f64, f64)> {
    let [x, y, w, h] = window.outer;
    let above = state.windows.iter().skip_while(|other| *other != window).skip(1);
    let covers: Vec<[i32; 4]> = above.map(|other| other.outer).collect();
    let open = |px: i32, py: i32| {
        !covers.iter().any(|[cx, cy, cw, ch]| px >= *cx && px < cx + cw && py >= *cy && py < cy + ch)
    };
    let bar = (40..w - 110).step_by(10).map(|dx| (x + dx, y + 15));
    let rest =
        (MENUS..h - 10).step_by(10).flat_map(|dy| (10..w - 10).step_by(10).map(move |dx| (x + dx, y + dy)));
    bar.chain(rest).find(|(px, py)| open(*px, *py)).map(|(px, py)| (f64::from(px), f64::from(py)))
}

impl Person {
    /// Clicks into a window's content and waits until it has the keys.
    fn go_to(&mut self, qube: &str, app: &str) -> Result<Window, String> {
        let state = self.desktop.state();
        let window = find(&state, qube, app).ok_or_else(|| format!("{qube} has no {app}"))?.clone();
        let (x, y) = open_place(&state, &window).ok_or_else(|| format!("{app} of {qube} is covered"))?;
        self.click(x, y);
        self.until(20, |s| focused(s).is_some_and(|w| w.id == window.id && w.qube == qube))?;
        let state = self.desktop.state();
        find(&state, qube, app).cloned().ok_or_else(|| format!("{app} of {qube} is gone"))
    }
}

pub(super) fn run(launch: &Launch, out: &Path, renderer: RendererKind, slow: u32) -> Result<(), String> {
    let config = Config::parse("demo.kdl", CONFIG).map_err(|e| e.to_string())?;
    let mut event_loop = EventLoop::<Desktop>::try_new().map_err(|e| e.to_string())?;
    let options = Options {
        clock: Clock::default(),
        config,
        theme: None,
        fonts: Fonts::System,
        renderer,
        size: (1920, 1080),
        scale: 120,
        pace: Pace::Timer,
        time_of_day: true,
        watch_idle: false,
        lock: LockOptions::default(),
    };
    let mut desktop = Desktop::new(event_loop.handle(), options).map_err(|e| e.to_string())?;
    desktop
        .attach_supervisor(ensure_running(launch).map_err(|e| e.to_string())?)
        .map_err(|e| e.to_string())?;
    desktop.settle();
    let _ = event_loop.dispatch(Some(Duration::ZERO), &mut desktop);
    for old in std::fs::read_dir(out).into_iter().flatten().flatten() {
        if old.path().extension().is_some_and(|e| e == "png") {
            let _ = std::fs::remove_file(old.path());
        }
    }
    let mut person = Person::new(event_loop, desktop, out.to_owned(), slow);

    person.step("empty desktop", |p| p.until(20, |s| s.qubes.len() == QUBES.len()).map(drop));
    let mut supervisor = ensure_running(launch).map_err(|e| e.to_string())?;
    person.step("three qubes", |p| {
        run_programs(&mut supervisor, slow)?;
        p.until(60, |s| {
            QUBES.iter().all(|(qube, _)| s.windows.iter().filter(|w| w.qube == *qube).count() == 3)
        })
        .map_err(|e| format!("not every program has a window: {e}"))?;
        p.wait(Duration::from_secs(1));
        // Nothing may have taken the keys by itself (FOCUS).
        match focused(&p.desktop.state()) {
            None => Ok(()),
            Some(w) => Err(format!("{} of {} took the focus", w.title, w.qube)),
        }
    });
    person.step("type into work", |p| {
        p.go_to("work", "foot")?;
        p.write("echo typed by hand > typed.txt; ls /home/user\n");
        p.file_of(&mut supervisor, out, "work", "typed.txt", "typed by hand")
    });
    person.step("alt-tab open", |p| {
        p.go_to("personal", "mousepad")?;
        p.go_to("work", "foot")?;
        p.press(key::ALT);
        p.tap(key::TAB);
        p.until(20, |s| s.switcher.as_ref().is_some_and(|(w, chosen)| w.len() == 9 && *chosen == 1)).map(drop)
    });
    person.step("alt-tab done", |p| {
        p.release(key::ALT);
        p.until(20, |s| focused(s).is_some_and(|w| w.qube == "personal" && w.app_id.contains("mousepad")))
            .map(drop)
    });
    person.step("open a menu", |p| {
        let window = p.go_to("personal", "mousepad")?;
        p.click(f64::from(window.content[0]) + 20.0, f64::from(window.content[1]) + 12.0);
        p.until(20, |s| find(s, "personal", "mousepad").is_some_and(|w| !w.popups.is_empty())).map(drop)
    });
    person.step("close the menu", |p| {
        p.tap(key::ESC);
        p.until(20, |s| find(s, "personal", "mousepad").is_some_and(|w| w.popups.is_empty())).map(drop)
    });
    person.step("move a window", |p| {
        let window = p.go_to("untrusted", "foot")?;
        let from = (f64::from(window.outer[0]) + 200.0, f64::from(window.outer[1]) + 15.0);
        p.drag(from, (from.0 - 120.0, from.1 + 60.0));
        p.until(20, |s| {
            find(s, "untrusted", "foot")
                .is_some_and(|w| w.outer[0] == window.outer[0] - 120 && w.outer[1] == window.outer[1] + 60)
        })
        .map(drop)
    });
    person.step("resize a window", |p| {
        let window = p.go_to("untrusted", "foot")?;
        let [x, y, w, h] = window.outer;
        let corner = (f64::from(x + w) - 2.0, f64::from(y + h) - 2.0);
        p.drag(corner, (corner.0 + 90.0, corner.1 + 70.0));
        p.until(20, |s| {
            find(s, "untrusted", "foot").is_some_and(|n| n.outer[2] > w + 50 && n.outer[3] > h + 40)
        })
        .map(drop)
    });
    person.step("copy out of work", |p| {
        let window = p.go_to("work", "mousepad")?;
        let (x, y) = middle(window.content);
        p.click(x, y);
        p.write("the minutes of Monday");
        p.chord(&[key::CTRL, key::A]);
        p.chord(&[key::CTRL, key::C]);
        p.pause();
        p.chord(&[key::SUPER, key::C]);
        p.until(20, |s| s.clipboard.is_some()).map(drop)
    });
    person.step("asked before the paste", |p| {
        p.go_to("untrusted", "mousepad")?;
        p.chord(&[key::SUPER, key::V]);
        p.until(20, |s| s.prompt.is_some()).map(drop)
    });
    person.step("paste into untrusted", |p| {
        p.wait(Duration::from_millis(600));
        p.tap(key::TAB);
        p.tap(key::ENTER);
        p.until(20, |s| s.prompt.is_none() && s.clipboard.is_none())?;
        p.pause();
        let window = p.go_to("untrusted", "mousepad")?;
        let (x, y) = middle(window.content);
        p.click(x, y);
        p.chord(&[key::CTRL, key::V]);
        p.pause();
        p.chord(&[key::CTRL, key::S]);
        p.file_of(&mut supervisor, out, "untrusted", "notes.txt", "the minutes of Monday")
    });
    person.step("refused by a rule", |p| {
        p.go_to("untrusted", "mousepad")?;
        p.chord(&[key::CTRL, key::A]);
        p.chord(&[key::CTRL, key::C]);
        p.pause();
        p.chord(&[key::SUPER, key::C]);
        // Until then the bar names what was copied out of another one, or that this is on its way.
        p.until(20, |s| s.clipboard.as_ref().is_some_and(|says| says.contains("untrusted →")))?;
        p.go_to("work", "mousepad")?;
        p.chord(&[key::SUPER, key::V]);
        p.until(20, |s| s.notices.iter().any(|n| n.contains("not allowed") || n.contains("refused")))
            .map(drop)
    });
    let desktop_picture = out.join("desktop.png");
    person.step("three qubes side by side", |p| {
        p.point(960.0, 1070.0);
        p.wait(Duration::from_millis(5500));
        let picture = p.desktop.screenshot().map_err(|e| e.to_string())?;
        picture.save(&desktop_picture).map_err(|e| e.to_string())
    });
    let machines = supervisor.list(super::soon(10)).map_err(|e| e.to_string())?;
    report(&person, &machines, out)
}

fn report(person: &Person, machines: &[QubeInfo], out: &Path) -> Result<(), String> {
    let state = person.desktop.state();
    let windows = |qube: &str| -> Vec<_> {
        state
            .windows
            .iter()
            .filter(|w| w.qube == qube)
            .map(|w| json!({"title": w.title, "app_id": w.app_id, "outer": w.outer, "content": w.content}))
            .collect()
    };
    let by_qube: serde_json::Map<String, serde_json::Value> =
        QUBES.iter().map(|(qube, _)| ((*qube).to_owned(), windows(qube).into())).collect();
    let machines: Vec<_> = machines
        .iter()
        .map(|q| json!({"name": q.name, "backend": q.backend, "because": q.backend_reason, "isolated": q.isolated}))
        .collect();
    let report = json!({
        "steps": person.steps,
        "windows": by_qube,
        "qubes": state.qubes,
        "machines": machines,
        "frames": state.frames,
        "versions": {"transom": state.version, "protocol": transom_protocol::VERSION},
        "backend": state.backend,
        "renderer": state.renderer,
        "screen": state.screen,
    });
    let path = out.join("report.json");
    let text = serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?;
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    let failed = person.failed();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("the scripted person could not do: {} (see {})", failed.join(", "), path.display()))
    }
}
