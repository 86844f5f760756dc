//! What keys and the pointer do while the person chooses what is taken.

use image::RgbImage;
use smithay::{
    input::keyboard::xkb::keysyms,
    utils::{Logical, Point, Rectangle},
};

use super::{
    Button,
    keep::Taken,
    model::{Nudge, Of, Purpose},
};
use crate::{
    Desktop,
    config::bindings::{Action, Mods},
    render::{
        canvas::CanvasError,
        scene::{Scene, SurfaceKey, color},
        view::View,
    },
    screens::rgb,
    shell::Direction,
    ui::notices::Notice,
};

impl Desktop {
    /// A chord while the person chooses. `false`: it means what it always does.
    pub(crate) fn capture_action(&mut self, action: &Action) -> bool {
        if self.ui.kept.capture.is_none() {
            return false;
        }
        match action {
            Action::Capture | Action::Record | Action::Lock | Action::Quit | Action::Logout => false,
            Action::Zoom(_) | Action::ZoomOff | Action::Layout(_) | Action::Console(_) => false,
            // The windows are a picture now.
            _ => true,
        }
    }

    /// A key while the person chooses.
    pub(crate) fn capture_key(&mut self, sym: u32) {
        let Some(capture) = &mut self.ui.kept.capture else { return };
        let arrow = match sym {
            keysyms::KEY_Left => Some(Direction::Left),
            keysyms::KEY_Right => Some(Direction::Right),
            keysyms::KEY_Up => Some(Direction::Up),
            keysyms::KEY_Down => Some(Direction::Down),
            _ => None,
        };
        match (sym, arrow) {
            (keysyms::KEY_Escape, _) => self.close_capture(),
            (keysyms::KEY_Return | keysyms::KEY_KP_Enter, _) => self.take_capture(),
            (keysyms::KEY_Tab, _) => capture.model.other_kind(true),
            (keysyms::KEY_ISO_Left_Tab, _) => capture.model.other_kind(false),
            (keysyms::KEY_f | keysyms::KEY_F, _) if capture.model.of == Of::Window => {
                capture.model.frames ^= true;
            }
            (_, Some(to)) => self.capture_arrow(to),
            _ => {}
        }
        self.damage_all();
    }

    fn capture_arrow(&mut self, to: Direction) {
        let mods = self.input.keyboard.held_mods();
        let Some(capture) = &mut self.ui.kept.capture else { return };
        match capture.model.of {
            Of::Region => {
                let (resize, fine) = (mods.meets(Mods::SHIFT), mods.meets(Mods::CTRL));
                capture.model.nudge(Nudge { to, resize, fine });
            }
            Of::Monitor => {
                if let Some(screen) = self.shell.output_beside(capture.model.screen(), to) {
                    capture.model.turn_to(screen);
                }
            }
            Of::Window => {
                let count = capture.windows.len();
                let now = capture.windows.iter().position(|window| Some(window.key) == capture.window);
                let forward = matches!(to, Direction::Right | Direction::Down);
                let next = match now {
                    None => 0,
                    Some(at) => (at + if forward { 1 } else { count - 1 }) % count,
                };
                capture.window = capture.windows.get(next).map(|window| window.key);
            }
        }
    }

    /// The left button, or a finger, is pressed at a place.
    pub(in crate::ui) fn press_on_capture(&mut self, at: Point<f64, Logical>) {
        match self.panel_under(at) {
            Some(Ok(button)) => self.capture_button(button),
            Some(Err(())) => {}
            None => {
                let screen = self.screens.at(at).map(|screen| screen.id);
                if let (Some(capture), Some(screen)) = (&mut self.ui.kept.capture, screen) {
                    capture.model.press(screen, at);
                    if capture.model.of != Of::Region {
                        self.capture_points(at);
                        self.take_capture();
                    }
                }
            }
        }
        self.damage_all();
    }

    fn capture_button(&mut self, button: Button) {
        let Some(capture) = &mut self.ui.kept.capture else { return };
        match button {
            Button::Kind(of) => capture.model.of = of,
            Button::Frames => capture.model.frames ^= true,
            Button::Cancel => self.close_capture(),
            Button::Take => self.take_capture(),
        }
    }

    /// The pointer is somewhere else.
    pub(crate) fn capture_pointer(&mut self, at: Point<f64, Logical>) {
        let screen = self.screens.at(at).map(|screen| screen.id);
        let Some(capture) = &mut self.ui.kept.capture else { return };
        match screen {
            Some(screen) if capture.model.of == Of::Region => capture.model.drag(screen, at),
            _ if self.panel_under(at).is_none() => self.capture_points(at),
            _ => {}
        }
        self.damage_all();
    }

    /// The window, or the monitor, under the pointer is the one that is meant.
    fn capture_points(&mut self, at: Point<f64, Logical>) {
        let screen = self.screens.at(at).map(|screen| screen.id);
        let (Some(capture), Some(screen)) = (&mut self.ui.kept.capture, screen) else { return };
        match capture.model.of {
            Of::Region => {}
            Of::Monitor => capture.model.turn_to(screen),
            Of::Window => {
                let under = |window: &&crate::qubes::PlacedWindow| {
                    window.may_be_on(screen) && window.outer.to_f64().contains(at)
                };
                let found = capture.windows.iter().rev().find(under).map(|window| window.key);
                capture.window = found.or(capture.window);
            }
        }
    }

    /// A button is let go: a press inside the region takes it.
    pub(crate) fn capture_release(&mut self, at: Point<f64, Logical>) {
        let Some(capture) = &mut self.ui.kept.capture else { return };
        if capture.model.release() && capture.model.region().to_f64().contains(at) {
            self.take_capture();
        }
    }

    /// Takes what is chosen.
    fn take_capture(&mut self) {
        let Some(capture) = &self.ui.kept.capture else { return };
        let Some(chosen) = capture.chosen() else { return };
        if capture.model.purpose == Purpose::Recording {
            let whole = capture.model.of == Of::Monitor;
            let screen = capture.model.screen();
            self.close_capture();
            return self.begin_recording(screen, (!whole).then_some(chosen));
        }
        let picture = match (capture.model.of, capture.window()) {
            (Of::Window, Some(window)) => {
                let (key, with_frame) = (window.key, capture.model.frames);
                self.window_alone(key, with_frame).map_err(|error| error.to_string())
            }
            _ => self.cut_out(chosen).ok_or_else(|| "it is not on a screen".to_owned()),
        };
        self.close_capture();
        match picture {
            Ok(picture) => self.ask_where_to_keep(Taken::Picture(picture)),
            Err(error) => self.notify(Notice::Text(format!("no picture: {error}"))),
        }
    }

    /// A part of a screen as it stood.
    fn cut_out(&self, chosen: Rectangle<i32, Logical>) -> Option<RgbImage> {
        let capture = self.ui.kept.capture.as_ref()?;
        let still = capture.stills.get(&capture.model.screen())?;
        let part = still.view.rect_to_device(chosen);
        let part = part.intersection(Rectangle::from_size(still.view.size))?;
        let image = &still.picture.image;
        let mut bytes = Vec::with_capacity(part.size.w as usize * part.size.h as usize * 4);
        for y in part.loc.y..part.loc.y + part.size.h {
            let at = (y as usize * image.width as usize + part.loc.x as usize) * 4;
            bytes.extend_from_slice(image.data.get(at..at + part.size.w as usize * 4)?);
        }
        rgb((bytes, part.size)).ok()
    }

    /// A window as it is now, with its frame or without, in the pixels of the screen that it stands on.
    fn window_alone(&mut self, key: SurfaceKey, with_frame: bool) -> Result<RgbImage, CanvasError> {
        let nothing = || CanvasError::Draw("the window is not there any more".into());
        let window = self.placed_windows().into_iter().find(|window| window.key == key);
        let window = window.ok_or_else(nothing)?;
        let on = self.screens.get(window.output).map(crate::screens::Screen::view).ok_or_else(nothing)?;
        let area = if with_frame { window.outer } else { window.content };
        let size = on.rect_to_device(area).size;
        let view = View { area, size, ..on };
        let mut items = Vec::new();
        self.compose_window(view, &window, &mut items);
        let background = color(self.ui.theme().backdrop());
        let scene = Scene { screen: view.screen, size, items, background, magnified: None };
        self.draw_apart(scene).and_then(rgb)
    }
}
