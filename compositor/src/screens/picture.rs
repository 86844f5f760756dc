//! Screenshots, for dom0 only.

use image::{RgbImage, imageops};
use smithay::utils::{Physical, Size};

use crate::{
    Desktop,
    render::{canvas::CanvasError, scene::Scene},
};

/// The canvas knows the picture of a capture by this number, which no screen has.
const CAPTURE: u32 = u32::MAX;

/// Rows of BGRX bytes, 4 × width each, top first; and the size in device pixels, as it is seen.
pub(crate) type Captured = (Vec<u8>, Size<i32, Physical>);

/// As other programs know pictures.
///
/// # Errors
/// The bytes are not of this size.
pub(crate) fn rgb((bytes, size): Captured) -> Result<RgbImage, CanvasError> {
    let rgb = bytes.chunks_exact(4).flat_map(|p| [p[2], p[1], p[0]]).collect();
    RgbImage::from_raw(size.w as u32, size.h as u32, rgb)
        .ok_or_else(|| CanvasError::Draw("the picture has the wrong size".into()))
}

impl Desktop {
    /// A screen as it would be drawn now, for a program of dom0. What is on screens stays as it is.
    ///
    /// # Errors
    /// It is locked (FAIL-CLOSED), the screen is dark or gone, or cannot be drawn.
    pub(crate) fn capture(&mut self, id: u32, pointer: bool) -> Result<Captured, CanvasError> {
        let screen = self.screens.get(id).filter(|screen| screen.lit && !self.lock.covers());
        let Some(view) = screen.map(super::Screen::view) else {
            return Err(CanvasError::Draw("nothing is to be seen".into()));
        };
        let scene = self.compose_with(view, pointer);
        self.draw_apart(scene)
    }

    /// Draws something that no screen shows.
    pub(crate) fn draw_apart(&mut self, mut scene: Scene) -> Result<Captured, CanvasError> {
        if self.lock.covers() {
            return Err(CanvasError::Draw("nothing is to be seen".into()));
        }
        scene.screen = CAPTURE;
        let drawn = self.canvas.draw(&scene).and_then(|_| self.canvas.read(CAPTURE));
        self.canvas.forget_picture(CAPTURE);
        drawn
    }

    /// The desktop as it was last drawn; on monitors, or locked, as it would be drawn now. Screens of a
    /// smaller scale are enlarged to the largest; where no screen is, and on dark ones, it is black.
    pub fn screenshot(&mut self) -> Result<RgbImage, CanvasError> {
        let scale = transom_theming::Scale::new(self.screens.scale());
        let lit = self.screens.iter().filter(|screen| screen.lit);
        let ids: Vec<u32> = lit.map(|screen| screen.id).collect();
        if let ([only], 1) = (&ids[..], self.screens.iter().count()) {
            return self.picture_of(*only);
        }
        let device = |logical: i32| scale.to_device(logical).max(0) as u32;
        let (width, height) = self.picture_size();
        let mut whole = RgbImage::new(width as u32, height as u32);
        for id in ids {
            let picture = self.picture_of(id)?;
            let Some(screen) = self.screens.get(id) else { continue };
            let (at, end) = (screen.area.loc, screen.area.loc + screen.area.size.to_point());
            let (x, y) = (device(at.x), device(at.y));
            let size = (device(end.x) - x, device(end.y) - y);
            if screen.scale == scale.get() {
                imageops::replace(&mut whole, &picture, x.into(), y.into());
            } else {
                let picture = imageops::resize(&picture, size.0, size.1, imageops::FilterType::Triangle);
                imageops::replace(&mut whole, &picture, x.into(), y.into());
            }
        }
        Ok(whole)
    }

    /// Size of a screenshot.
    pub(crate) fn picture_size(&self) -> (i32, i32) {
        let mut screens = self.screens.iter();
        if let (Some(only), None) = (screens.next(), screens.next()) {
            return only.size.into();
        }
        let scale = transom_theming::Scale::new(self.screens.scale());
        let size = self.screens.area().size;
        (scale.to_device(size.w), scale.to_device(size.h))
    }

    /// As [`Desktop::screenshot`], of the screen of this name, pixel for pixel.
    pub fn screenshot_of(&mut self, name: &str) -> Result<RgbImage, CanvasError> {
        let id = self.screens.named(name).map(|screen| screen.id);
        let id = id.ok_or_else(|| CanvasError::Draw(format!("there is no screen {name:?}")))?;
        self.picture_of(id)
    }

    fn picture_of(&mut self, id: u32) -> Result<RgbImage, CanvasError> {
        let Some(view) = self.screens.get(id).map(super::Screen::view) else {
            return Err(CanvasError::Draw("there is no such screen".into()));
        };
        let on_monitors = self.backend.drm().is_some();
        // What was last drawn may be older than the lock.
        let locked = self.lock.covers();
        if on_monitors || locked {
            let mut scene = self.compose(view);
            // As it is seen.
            scene.magnified = self.magnifier(view);
            self.canvas.draw(&scene)?;
        }
        let (bytes, size) = self.canvas.read(id)?;
        if on_monitors {
            // Monitors have buffers of their own.
            self.canvas.forget_picture(id);
        } else if locked {
            // What a window of another desktop shows is not what was drawn last any more.
            self.redraw_all();
        }
        rgb((bytes, size))
    }
}
