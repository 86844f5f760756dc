//! Trust labels, frames and text: everything dom0 draws itself, as pure functions from words and
//! sizes to pixels.
//!
//! The crate knows no Wayland and no virtual machine, and does no I/O but reading fonts. The
//! compositor says what is to be seen ([`FrameSpec`], [`BarSpec`], [`PromptSpec`], …), a
//! [`Painter`] turns it into an [`Image`].
//!
//! What the crate promises, whatever text it is given:
//!
//! - The strips of a frame tile the ring between outer and inner rectangle exactly and are opaque
//!   (rule FRAME).
//! - Every field of a bar is shaped on its own and cut to its own rectangle: no text can reorder,
//!   cover or push away another field (rule CLEAN-TEXT). The qube's name is never shortened before
//!   the title.
//! - Text has a contrast of at least 4.5 : 1 (WCAG 2.1, 1.4.3) on every bar.
//! - A label is a colour, a pattern and a letter together.
//!
//! Sizes are logical pixels unless a name says `device`; [`Scale`] turns one into the other.
#![forbid(unsafe_code)]

mod bar;
mod button;
mod canvas;
mod card;
mod color;
mod cursor;
mod font;
mod frame;
mod geometry;
mod label;
mod launcher;
mod lock;
mod manager;
mod notification;
mod painter;
mod pattern;
mod prompt;
mod search;
mod secret;
mod sentence;
mod shown;
mod swatch;
mod text;
mod theme;
mod theme_file;

pub use bar::{BarIcon, BarImage, BarQube, BarSpec, QubeMark, bar_mark_at};
pub use canvas::Image;
pub use card::{CaptionSpec, WelcomeSpec};
pub use color::{ColorError, Rgb, Rgba, Vision, best_text_on, contrast, difference, readable_on};
pub use cursor::{CursorImage, CursorShape};
pub use font::Fonts;
pub use frame::{FrameSpec, Part};
pub use geometry::{
    CORNER, DeviceRect, FrameGeometry, FrameKind, Hit, Insets, Point, Rect, Scale, Size, TitleButton,
    hit_test, title_buttons,
};
pub use label::{Label, ParseLabelError, Pattern};
pub use launcher::{Icon, LauncherImage, LauncherRow, LauncherSpec, StartingSpec};
pub use lock::LockSpec;
pub use manager::{
    FormLine, FormValue, LogLine, ManagerForm, ManagerImage, ManagerLog, ManagerPage, ManagerRow,
    ManagerSpec, ManagerTable, Place, VerbButton,
};
pub use notification::{NotificationImage, NotificationSpec};
pub use painter::Painter;
pub use prompt::{Answer, Choice, NoticeSpec, PromptImage, PromptSpec};
pub use search::{SearchSpec, WorkspaceSpec};
pub use secret::SecretField;
pub use sentence::Run;
pub use shown::Blurred;
pub use theme::{Theme, Variant};
pub use theme_file::ThemeError;
