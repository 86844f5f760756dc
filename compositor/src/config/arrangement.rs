//! How windows stand on workspaces.

use std::collections::BTreeMap;

use knus::span::Span;

use super::{file::Number, named::named};
use crate::shell::{Arrangement, ColumnSettings, WHOLE, Workspaces};

/// How windows stand on workspaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrangeConfig {
    /// How workspaces of several screens hang together.
    pub screens: Workspaces,
    /// Where nothing else is said.
    pub otherwise: Arrangement,
    /// Of single workspaces.
    pub workspaces: BTreeMap<u32, Arrangement>,
    /// How columns look.
    pub columns: ColumnSettings,
}

impl ArrangeConfig {
    /// How a workspace begins.
    pub fn of(&self, workspace: u32) -> Arrangement {
        self.workspaces.get(&workspace).copied().unwrap_or(self.otherwise)
    }

    pub(super) fn take_up(
        &mut self,
        screens: Option<ScreensName>,
        otherwise: Option<Name>,
        columns: Option<ColumnsNode>,
        workspaces: Vec<WorkspaceNode>,
    ) {
        self.screens = screens.map_or(self.screens, Into::into);
        self.otherwise = otherwise.map_or(self.otherwise, Into::into);
        self.workspaces.extend(workspaces.into_iter().map(|node| (node.number.0, node.arrange.into())));
        if let Some(node) = columns {
            let columns = &mut self.columns;
            columns.gap = node.gap.map_or(columns.gap, |gap| gap.0 as i32);
            columns.width = node.width.map_or(columns.width, |percent| percent.0 * (WHOLE / 100));
        }
    }
}

named! {
    /// As the file says it.
    pub enum Name {
        /// See [`Arrangement::Floating`].
        Floating "floating",
        /// See [`Arrangement::Columns`].
        Columns "columns",
    }
}

impl From<Name> for Arrangement {
    fn from(name: Name) -> Self {
        match name {
            Name::Floating => Self::Floating,
            Name::Columns => Self::Columns,
        }
    }
}

named! {
    /// As the file says it.
    pub enum ScreensName {
        /// See [`Workspaces::Apart`].
        Apart "apart",
        /// See [`Workspaces::Together`].
        Together "together",
    }
}

impl From<ScreensName> for Workspaces {
    fn from(name: ScreensName) -> Self {
        match name {
            ScreensName::Apart => Self::Apart,
            ScreensName::Together => Self::Together,
        }
    }
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
pub(super) struct ColumnsNode {
    #[knus(child, unwrap(argument))]
    gap: Option<Number<0, 128>>,
    #[knus(child, unwrap(argument))]
    width: Option<Number<10, 100>>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
pub(super) struct WorkspaceNode {
    #[knus(argument)]
    number: Number<1, { crate::shell::WORKSPACES }>,
    #[knus(child, unwrap(argument))]
    arrange: Name,
}
