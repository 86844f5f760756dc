//! Frames of windows, kept until what they say changes.

use std::{collections::HashMap, rc::Rc};

use smithay::utils::{Physical, Rectangle};
use transom_theming::{FrameKind, FrameSpec, Label, Painter, TitleButton};

use crate::render::{
    DeviceRect,
    scene::{Picture, SurfaceKey},
};

/// A drawn frame. Rectangles are relative to its outer top left corner, in device pixels.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Strips that fill the ring between `outer` and `inner`.
    pub parts: Vec<(DeviceRect, Rc<Picture>)>,
    /// Where the content goes.
    pub inner: DeviceRect,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FrameLook {
    pub kind: FrameKind,
    pub label: Option<Label>,
    pub qube: String,
    pub title: String,
    pub active: bool,
    pub attention: Option<f32>,
    pub not_isolated: bool,
    pub maximised: bool,
    pub hovered: Option<TitleButton>,
    pub pressed: Option<TitleButton>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct FrameCache {
    /// By window and scale: on every screen a window has a frame of that screen's scale.
    frames: HashMap<(SurfaceKey, u32), (Stamp, Rc<Frame>)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Stamp {
    look: FrameLook,
    content: (i32, i32),
}

impl FrameCache {
    pub(crate) fn get(&mut self, painter: &mut Painter, key: SurfaceKey, spec: &FrameSpec<'_>) -> Rc<Frame> {
        let stamp = Stamp {
            look: FrameLook {
                kind: spec.kind,
                label: spec.label,
                qube: spec.qube.to_owned(),
                title: spec.title.to_owned(),
                active: spec.active,
                attention: spec.attention,
                not_isolated: spec.not_isolated,
                maximised: spec.maximised,
                hovered: spec.hovered,
                pressed: spec.pressed,
            },
            content: (spec.content.w, spec.content.h),
        };
        let key = (key, spec.scale.get());
        if let Some((kept, frame)) = self.frames.get(&key)
            && *kept == stamp
        {
            return frame.clone();
        }
        let frame = Rc::new(draw(painter, spec));
        self.frames.insert(key, (stamp, frame.clone()));
        frame
    }

    pub(crate) fn forget(&mut self, key: SurfaceKey) {
        self.frames.retain(|(kept, _), _| *kept != key);
    }
}

fn draw(painter: &mut Painter, spec: &FrameSpec<'_>) -> Frame {
    let geometry = painter.frame_geometry(spec);
    let parts =
        painter.frame(spec).into_iter().map(|part| (device(part.rect), Picture::new(part.image))).collect();
    Frame { parts, inner: device(geometry.inner) }
}

fn device(rect: transom_theming::DeviceRect) -> Rectangle<i32, Physical> {
    Rectangle::new((rect.x, rect.y).into(), (rect.w, rect.h).into())
}
