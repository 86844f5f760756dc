//! Theme files: KDL that says what differs from a built-in theme.

use std::fmt;

use knus::{
    DecodeScalar,
    ast::{Literal, TypeName},
    decode::Context,
    errors::DecodeError,
    span::{Span, Spanned},
};
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceSpan};

use crate::{
    Label, Rgb, Theme, Variant,
    theme::{Fault, Tones},
};

/// What is wrong with a theme file. [`fmt::Display`] says it in one line, with file, line and
/// column; as a [`miette::Diagnostic`] it also shows the place.
#[derive(Debug)]
pub struct ThemeError {
    source: Box<NamedSource<String>>,
    span: Option<SourceSpan>,
    reason: String,
    line: usize,
    column: usize,
}

impl ThemeError {
    fn new(file_name: &str, text: &str, span: Option<SourceSpan>, reason: &str) -> Self {
        let offset = span.map_or(0, |s| s.offset()).min(text.len());
        let before = text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let source = Box::new(NamedSource::new(file_name, text.to_owned()));
        Self { source, span, reason, line, column }
    }

    /// Line in the file, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Character in the line, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong, without the place.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for ThemeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.source.name(), self.line, self.column, self.reason)
    }
}

impl std::error::Error for ThemeError {}

impl Diagnostic for ThemeError {
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span?;
        let label = LabeledSpan::new_with_span(Some(self.reason.clone()), span);
        Some(Box::new(std::iter::once(label)))
    }
}

impl Theme {
    /// Reads a theme file. `file_name` is only for messages. Every key is optional and replaces
    /// that of the built-in theme named by `base`; `themes/dark.kdl` shows all of them.
    ///
    /// # Errors
    /// Syntax, unknown keys, values out of range; labels that look alike or like dom0's steel,
    /// patterns that cannot be seen, and text that cannot be read (below 4.5 : 1).
    pub fn parse(file_name: &str, text: &str) -> Result<Self, ThemeError> {
        let file: File = knus::parse(file_name, text).map_err(|error| from_knus(file_name, text, &error))?;
        file.into_theme()
            .map_err(|(span, reason)| ThemeError::new(file_name, text, span.map(SourceSpan::from), &reason))
    }
}

/// The first place that KDL complains about.
fn from_knus(file_name: &str, text: &str, error: &knus::Error) -> ThemeError {
    let first = error.related().and_then(|mut all| all.next());
    let span = first.and_then(Diagnostic::labels).and_then(|mut all| all.next()).map(|label| *label.inner());
    let reason = first.map_or_else(|| error.to_string(), ToString::to_string);
    ThemeError::new(file_name, text, span, &reason)
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = knus::span::Span)]
struct File {
    #[knus(child)]
    base: Option<Base>,
    #[knus(children(name = "label"))]
    labels: Vec<LabelNode>,
    #[knus(child)]
    steel: Option<SteelNode>,
    #[knus(child)]
    neutral: Option<NeutralNode>,
    #[knus(child)]
    size: Option<SizeNode>,
    #[knus(child)]
    fonts: Option<FontsNode>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = knus::span::Span)]
struct Base {
    #[knus(argument, str)]
    variant: Variant,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = knus::span::Span)]
struct LabelNode {
    #[knus(span)]
    span: Span,
    #[knus(argument, str)]
    label: Label,
    #[knus(property, str)]
    color: Option<Rgb>,
    #[knus(property, str)]
    pattern: Option<Rgb>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = knus::span::Span)]
struct SteelNode {
    #[knus(span)]
    span: Span,
    #[knus(property, str)]
    color: Option<Rgb>,
    #[knus(property, str)]
    pattern: Option<Rgb>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = knus::span::Span)]
struct NeutralNode {
    #[knus(span)]
    span: Span,
    #[knus(child, unwrap(argument, str))]
    background: Option<Rgb>,
    #[knus(child, unwrap(argument, str))]
    backdrop: Option<Rgb>,
    #[knus(child, unwrap(argument, str))]
    panel: Option<Rgb>,
    #[knus(child, unwrap(argument, str))]
    inactive: Option<Rgb>,
    #[knus(child, unwrap(argument, str))]
    raised: Option<Rgb>,
    #[knus(child, unwrap(argument, str))]
    text: Option<Rgb>,
    #[knus(child, unwrap(argument, str))]
    dim: Option<Rgb>,
    #[knus(child, unwrap(argument, str))]
    line: Option<Rgb>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = knus::span::Span)]
struct SizeNode {
    #[knus(span)]
    span: Span,
    #[knus(child, unwrap(argument))]
    frame: Option<Pixels<2, 16>>,
    #[knus(child, unwrap(argument))]
    title: Option<Pixels<20, 64>>,
    #[knus(child, unwrap(argument))]
    popup: Option<Pixels<2, 16>>,
    #[knus(child, unwrap(argument))]
    bar: Option<Pixels<20, 64>>,
    #[knus(child, unwrap(argument))]
    font: Option<Pixels<9, 32>>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = knus::span::Span)]
struct FontsNode {
    #[knus(span)]
    span: Span,
    #[knus(arguments)]
    families: Vec<String>,
}

/// A whole number of logical pixels from `MIN` to `MAX`.
#[derive(Debug)]
struct Pixels<const MIN: i32, const MAX: i32>(i32);

impl<const MIN: i32, const MAX: i32> DecodeScalar<Span> for Pixels<MIN, MAX> {
    fn type_check(type_name: &Option<Spanned<TypeName, Span>>, ctx: &mut Context<Span>) {
        i32::type_check(type_name, ctx);
    }

    fn raw_decode(
        value: &Spanned<Literal, Span>,
        ctx: &mut Context<Span>,
    ) -> Result<Self, DecodeError<Span>> {
        if !matches!(**value, Literal::Int(_)) {
            return Err(DecodeError::conversion(value, "expected a whole number of logical pixels"));
        }
        let number = i32::raw_decode(value, ctx)?;
        if !(MIN..=MAX).contains(&number) {
            let reason = format!("{number} is out of range: {MIN} to {MAX} logical pixels");
            return Err(DecodeError::conversion(value, reason));
        }
        Ok(Self(number))
    }
}

/// A place, if one can be named, and what is wrong there.
type Wrong = (Option<Span>, String);

fn set(place: &mut Rgb, value: Option<Rgb>) {
    if let Some(value) = value {
        *place = value;
    }
}

impl File {
    fn into_theme(self) -> Result<Theme, Wrong> {
        let mut theme = Theme::builtin(self.base.as_ref().map_or(Variant::Dark, |base| base.variant));
        let mut seen = [false; 8];
        for node in &self.labels {
            if std::mem::replace(&mut seen[node.label.index()], true) {
                return Err((Some(node.span), format!("label \"{}\" is given twice", node.label)));
            }
            set_tones(&mut theme.labels[node.label.index()], node.color, node.pattern);
        }
        if let Some(node) = &self.steel {
            set_tones(&mut theme.steel, node.color, node.pattern);
        }
        if let Some(node) = &self.neutral {
            let n = &mut theme.neutrals;
            set(&mut n.background, node.background);
            set(&mut n.backdrop, node.backdrop);
            set(&mut n.panel, node.panel);
            set(&mut n.inactive, node.inactive);
            set(&mut n.raised, node.raised);
            set(&mut n.text, node.text);
            set(&mut n.dim, node.dim);
            set(&mut n.line, node.line);
        }
        if let Some(node) = &self.size {
            node.apply(&mut theme)?;
        }
        if let Some(node) = &self.fonts {
            if node.families.is_empty() {
                return Err((Some(node.span), "\"fonts\" needs at least one family name".to_owned()));
            }
            theme.fonts.clone_from(&node.families);
        }
        match theme.fault() {
            None => Ok(theme),
            Some(fault) => Err(self.blame(&fault)),
        }
    }

    /// Where in the file a fault of the finished theme comes from.
    fn blame(&self, fault: &Fault) -> Wrong {
        let label = |wanted: Label| self.labels.iter().find(|n| n.label == wanted).map(|n| n.span);
        let steel = self.steel.as_ref().map(|n| n.span);
        let neutral = self.neutral.as_ref().map(|n| n.span);
        match fault {
            Fault::Alike(first, second) => (
                label(*second).or(label(*first)),
                format!("the labels \"{first}\" and \"{second}\" look alike; choose colours further apart"),
            ),
            Fault::LikeSteel(which) => (
                label(*which).or(steel),
                format!("the label \"{which}\" looks like dom0's own steel; choose a colour further from it"),
            ),
            Fault::FaintPattern(Some(which)) => (
                label(*which),
                format!(
                    "the pattern of label \"{which}\" cannot be seen on its colour; choose a darker or lighter one"
                ),
            ),
            Fault::FaintPattern(None) => (
                steel,
                "the pattern of steel cannot be seen on its colour; choose a darker or lighter one"
                    .to_owned(),
            ),
            Fault::Unreadable(text, on) => (
                neutral,
                format!("\"{text}\" cannot be read on \"{on}\": the contrast must be at least 4.5 : 1"),
            ),
        }
    }
}

fn set_tones(tones: &mut Tones, color: Option<Rgb>, pattern: Option<Rgb>) {
    set(&mut tones.color, color);
    set(&mut tones.pattern, pattern);
}

impl SizeNode {
    fn apply(&self, theme: &mut Theme) -> Result<(), Wrong> {
        let sizes = &mut theme.sizes;
        let set = |place: &mut i32, value: Option<i32>| *place = value.unwrap_or(*place);
        set(&mut sizes.frame, self.frame.as_ref().map(|p| p.0));
        set(&mut sizes.title, self.title.as_ref().map(|p| p.0));
        set(&mut sizes.popup, self.popup.as_ref().map(|p| p.0));
        set(&mut sizes.bar, self.bar.as_ref().map(|p| p.0));
        set(&mut sizes.font, self.font.as_ref().map(|p| p.0));
        if sizes.title.min(sizes.bar) < sizes.font + 8 {
            let reason = format!(
                "text of {} px does not fit: \"title\" and \"bar\" must each be at least {}",
                sizes.font,
                sizes.font + 8
            );
            return Err((Some(self.span), reason));
        }
        Ok(())
    }
}
