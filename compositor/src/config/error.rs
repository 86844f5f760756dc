//! What is wrong with a config file, and where.

use std::path::Path;

use knus::span::Span;
use miette::Diagnostic;

/// What is wrong with a config file: one line with file, line and column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {reason}")]
pub struct ConfigError {
    file: String,
    line: usize,
    column: usize,
    reason: String,
}

impl ConfigError {
    /// An error at a byte of the text.
    fn at(file: &str, text: &str, offset: usize, reason: &str) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { file: file.to_owned(), line, column, reason }
    }

    /// An error in a node or value that was read.
    pub(super) fn in_span(file: &str, text: &str, span: &Span, reason: &str) -> Self {
        Self::at(file, text, span.0, reason)
    }

    /// The first thing that KDL complains about.
    pub(super) fn from_knus(file: &str, text: &str, error: &knus::Error) -> Self {
        let first = error.related().and_then(|mut all| all.next());
        let offset = first
            .and_then(miette::Diagnostic::labels)
            .and_then(|mut all| all.next())
            .map_or(0, |label| label.offset());
        let reason = first.map_or_else(|| error.to_string(), ToString::to_string);
        Self::at(file, text, offset, &reason)
    }

    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self {
            file: path.display().to_string(),
            line: 0,
            column: 0,
            reason: format!("cannot be read: {error}"),
        }
    }

    /// Line, counted from 1; 0: the file could not be read.
    pub fn line(&self) -> usize {
        self.line
    }

    /// What is wrong, without the place.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
