//! What the shell keeps of a window, and what it says about one.

use super::{
    columns::Laid,
    geometry::{Edges, Insets, Point, Rect, Size},
};

/// Longest side of a content, in logical pixels (the protocol's `MAX_DIMENSION`).
pub const MAX_SIDE: i32 = 16_384;
/// A frame's inside is at least this large, so that the frame can always be held and read; smaller
/// content lies in its upper left corner.
pub const LEAST_CONTENT: Size = Size { w: 64, h: 1 };
/// Widest strip of a frame.
pub(super) const MAX_INSET: i32 = 256;

/// A window that comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spec<K> {
    /// Size of its content now.
    pub content: Size,
    /// Smallest content, 0: no limit.
    pub min: Size,
    /// Largest content, 0: no limit.
    pub max: Size,
    /// Its frame.
    pub insets: Insets,
    /// Its frame while it is fullscreen: as a rule a strip at the top.
    pub fullscreen_insets: Insets,
    /// It is a dialog of this window. A window that is not there is no parent.
    pub parent: Option<K>,
    /// The person has just started it: it may take the focus. Every other window is marked instead
    /// (rule FOCUS).
    pub grant_focus: bool,
}

/// How a window stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Floating.
    #[default]
    Normal,
    /// Fills the left half of the usable area.
    TiledLeft,
    /// Fills the right half.
    TiledRight,
    /// Stands in a column. It is shown on its own screen only, of which it may reach out.
    Column,
    /// Fills the usable area.
    Maximised,
    /// Fills the screen.
    Fullscreen,
}

/// A window where it is to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed<K> {
    /// Which.
    pub key: K,
    /// With its frame.
    pub outer: Rect,
    /// Inside its frame: content is drawn from the upper left corner and cut here.
    pub content: Rect,
    /// It has the focus.
    pub focused: bool,
    /// It asks for attention.
    pub attention: bool,
    /// How it stands.
    pub state: State,
    /// It fills its area, or its column is as wide as that.
    pub maximised: bool,
    /// The screen it belongs to.
    pub output: u32,
}

/// What a window is asked to be. The caller sends it when it differs from what was last sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Size of the content; 0 by 0: the window decides.
    pub content: Size,
    /// Fills the usable area.
    pub maximised: bool,
    /// Fills the screen.
    pub fullscreen: bool,
    /// Has the focus.
    pub activated: bool,
    /// The person is resizing it.
    pub resizing: bool,
    /// Nobody sees it: minimised, on another workspace, or the person looks at another piece of its
    /// strip.
    pub suspended: bool,
    /// Fills a half of the usable area, or stands in a column.
    pub tiled: bool,
}

/// What lies at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<K> {
    /// The window.
    pub key: K,
    /// Which part of it.
    pub part: Part,
}

/// A part of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Inside the frame, at this place relative to the content's upper left corner.
    Content(Point),
    /// The title bar, or the strip of a fullscreen window.
    Title,
    /// A border that can be pulled. Near a corner both sides.
    Border(Edges),
}

/// How a window stands apart from being fullscreen or minimised: it comes back to this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Floating,
    Tiled {
        left: bool,
    },
    /// In a column, unless it is minimised; a dialog never is.
    Column,
    Maximised,
}

/// Smallest and largest content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) min: Size,
    pub(super) max: Size,
}

impl Limits {
    /// The size nearest to `size` that the window takes.
    pub(super) fn clamp(self, size: Size) -> Size {
        let side = |value: i32, min: i32, max: i32| {
            let low = min.clamp(1, MAX_SIDE);
            let high = if max <= 0 { MAX_SIDE } else { max.clamp(low, MAX_SIDE) };
            value.clamp(low, high)
        };
        Size { w: side(size.w, self.min.w, self.max.w), h: side(size.h, self.min.h, self.max.h) }
    }
}

/// While a window is resized, and until it has answered, the sides that are not pulled stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) edges: Edges,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

/// Where a window was before its screen went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Displaced {
    pub(super) output: u32,
    /// Relative to that screen's corner.
    pub(super) at: Point,
    /// Its workspace there.
    pub(super) workspace: u32,
}

/// A window.
///
/// Sizes: `committed` is what the window last drew. `slot` is the inside of its frame while it floats;
/// it follows `committed`, as the window decides its size. `asked` is what it is asked to draw while
/// it floats.
#[derive(Clone, Debug)]
pub(super) struct Window<K> {
    pub(super) insets: Insets,
    pub(super) fullscreen_insets: Insets,
    pub(super) limits: Limits,
    pub(super) workspace: u32,
    pub(super) output: u32,
    pub(super) parent: Option<K>,
    pub(super) modal: bool,
    pub(super) base: Base,
    pub(super) fullscreen: bool,
    pub(super) minimised: bool,
    pub(super) attention: bool,
    /// It belongs to the scratch area.
    pub(super) scratch: bool,
    /// The person has had it focused once.
    pub(super) used: bool,
    /// Outer upper left corner while it floats; kept while it does not.
    pub(super) at: Point,
    pub(super) slot: Size,
    pub(super) committed: Size,
    pub(super) asked: Size,
    /// `asked` was changed by the person and the window has not shown that it took it up.
    pub(super) unanswered: bool,
    /// It has just come back to floating: pictures of its former size are on their way and do not
    /// count.
    pub(super) hold: bool,
    pub(super) anchor: Option<Anchor>,
    pub(super) displaced: Option<Displaced>,
    /// Where it stands, of a window in a column.
    pub(super) laid: Option<Laid<K>>,
}

impl<K> Window<K> {
    pub(super) fn new(spec: &Spec<K>, workspace: u32, output: u32) -> Self {
        let committed = sane_size(spec.content);
        let limits = Limits { min: spec.min, max: spec.max };
        let asked = limits.clamp(committed);
        Self {
            insets: spec.insets.sane(MAX_INSET),
            fullscreen_insets: spec.fullscreen_insets.sane(MAX_INSET),
            limits,
            workspace,
            output,
            parent: None,
            modal: false,
            base: Base::Floating,
            fullscreen: false,
            minimised: false,
            attention: false,
            scratch: false,
            used: false,
            at: Point::default(),
            slot: committed.at_least(LEAST_CONTENT),
            committed,
            asked,
            unanswered: asked != committed,
            hold: false,
            anchor: None,
            displaced: None,
            laid: None,
        }
    }

    /// It may stand in a column: it is no dialog, not of the scratch area, and its size can change.
    pub(super) fn can_stand(&self) -> bool {
        let Limits { min, max } = self.limits;
        let fixed = max.w > 0 && max.h > 0 && max.w <= min.w && max.h <= min.h;
        self.parent.is_none() && !fixed && !self.scratch
    }

    /// It floats now.
    pub(super) fn floats(&self) -> bool {
        !self.fullscreen && self.base == Base::Floating
    }

    /// Where it is, or would be, while it floats.
    pub(super) fn floating(&self) -> Rect {
        Rect::at(self.at, self.insets.grow(self.slot))
    }

    /// Its frame now.
    pub(super) fn frame(&self) -> Insets {
        if self.fullscreen { self.fullscreen_insets } else { self.insets }
    }

    pub(super) fn state(&self) -> State {
        match self.base {
            _ if self.fullscreen => State::Fullscreen,
            Base::Floating => State::Normal,
            Base::Tiled { left: true } => State::TiledLeft,
            Base::Tiled { left: false } => State::TiledRight,
            Base::Column => State::Column,
            Base::Maximised => State::Maximised,
        }
    }

    /// Asks for a content size on the person's behalf.
    pub(super) fn ask(&mut self, size: Size) {
        self.asked = self.limits.clamp(size);
        self.unanswered = self.asked != self.committed;
        self.hold &= self.unanswered;
    }

    /// It has come back to floating: it is asked for the size it had.
    pub(super) fn back_to_floating(&mut self) {
        self.anchor = None;
        self.ask(self.slot);
        self.hold = self.unanswered;
        if !self.hold {
            self.follow_committed();
        }
    }

    /// The inside of the frame follows what the window drew; pulled sides move, the others stay.
    pub(super) fn follow_committed(&mut self) {
        self.slot = self.committed.at_least(LEAST_CONTENT);
        if let Some(anchor) = self.anchor {
            let outer = self.insets.grow(self.slot);
            if anchor.edges.left {
                self.at.x = anchor.right.saturating_sub(outer.w);
            }
            if anchor.edges.top {
                self.at.y = anchor.bottom.saturating_sub(outer.h);
            }
        }
    }
}

/// A content size within what the protocol allows.
pub(super) fn sane_size(size: Size) -> Size {
    Size { w: size.w.clamp(1, MAX_SIDE), h: size.h.clamp(1, MAX_SIDE) }
}
