//! Rules for windows that come: where they stand, and how.
//!
//! App id and title are what the qube says: a rule that names them may hold for any window that a qube wants it
//! to hold for. So no rule gives a qube what it could not ask for itself, and only the qube's name, which
//! is dom0's, keeps a rule to one qube.

use knus::span::Span;
use wildmatch::WildMatch;

use super::{file::Number, named::named};

/// Longest piece of an app id or title that is compared, in characters.
const MOST: usize = 256;

named! {
    /// How a window stands when it comes.
    pub enum Stand {
        /// Floating, on a workspace of columns too.
        Floating "floating",
        /// Filling the work area, or in a column as wide as that.
        Maximised "maximised",
        /// Filling the screen.
        Fullscreen "fullscreen",
        /// Filling the left half.
        Left "left",
        /// Filling the right half.
        Right "right",
        /// Put away.
        Minimised "minimised",
    }
}

/// What comes of the rules for a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruled {
    /// Its workspace.
    pub workspace: Option<u32>,
    /// The connector of its screen.
    pub output: Option<String>,
    /// How it stands.
    pub stand: Option<Stand>,
    /// It may have the keys when it comes, if the person started it.
    pub focus: Option<bool>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowRule {
    qube: Option<WildMatch>,
    app: Option<WildMatch>,
    title: Option<WildMatch>,
    ruled: Ruled,
}

impl WindowRule {
    fn fits(&self, qube: &str, untrusted_app: &str, untrusted_title: &str) -> bool {
        let fits = |pattern: &Option<WildMatch>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| {
                let end = text.char_indices().nth(MOST).map_or(text.len(), |(at, _)| at);
                pattern.matches(text.get(..end).unwrap_or_default())
            })
        };
        fits(&self.qube, qube) && fits(&self.app, untrusted_app) && fits(&self.title, untrusted_title)
    }
}

/// What the rules say of a window; of several that fit, each setting as it is said last.
pub fn ruled(rules: &[WindowRule], qube: &str, untrusted_app: &str, untrusted_title: &str) -> Ruled {
    let fit = rules.iter().filter(|rule| rule.fits(qube, untrusted_app, untrusted_title));
    fit.fold(Ruled::default(), |so_far, rule| {
        let rule = rule.ruled.clone();
        Ruled {
            workspace: rule.workspace.or(so_far.workspace),
            output: rule.output.or(so_far.output),
            stand: rule.stand.or(so_far.stand),
            focus: rule.focus.or(so_far.focus),
        }
    })
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
pub(super) struct WindowNode {
    #[knus(span)]
    pub(super) span: Span,
    #[knus(property)]
    qube: Option<String>,
    #[knus(property)]
    app: Option<String>,
    #[knus(property)]
    title: Option<String>,
    #[knus(child, unwrap(argument))]
    workspace: Option<Number<1, { crate::shell::WORKSPACES }>>,
    #[knus(child, unwrap(argument))]
    output: Option<String>,
    #[knus(child, unwrap(argument))]
    stand: Option<Stand>,
    #[knus(child, unwrap(argument))]
    focus: Option<bool>,
}

/// A rule of the file.
///
/// # Errors
/// It names no window, in words.
pub(super) fn rule(node: WindowNode) -> Result<WindowRule, &'static str> {
    if node.qube.is_none() && node.app.is_none() && node.title.is_none() {
        return Err("a rule says which windows: by qube, app or title; qube=\"*\" means all");
    }
    let pattern = |text: Option<String>| text.map(|text| WildMatch::new(&text));
    Ok(WindowRule {
        qube: pattern(node.qube),
        app: pattern(node.app),
        title: pattern(node.title),
        ruled: Ruled {
            workspace: node.workspace.map(|number| number.0),
            output: node.output,
            stand: node.stand,
            focus: node.focus,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_is_said_last_holds_of_each_setting() {
        let config = Config::parse(
            "rules.kdl",
            r#"
            window qube="*" { workspace 2; focus false; }
            window qube="work" app="org.mozilla.*" { workspace 3; stand "maximised"; }
            window title="*Private*" { output "DP-1"; focus true; }
            "#,
        )
        .expect("good rules");
        let of = |qube, app, title| ruled(&config.windows, qube, app, title);
        assert_eq!(of("web", "foot", "~").workspace, Some(2));
        assert_eq!(
            of("web", "org.mozilla.firefox", "~").stand,
            None,
            "another qube's name is no word of a qube"
        );
        let private = of("work", "org.mozilla.firefox", "Private Browsing");
        let all = Ruled {
            workspace: Some(3),
            output: Some("DP-1".into()),
            stand: Some(Stand::Maximised),
            focus: Some(true),
        };
        assert_eq!(private, all);
    }

    #[test]
    fn long_titles_and_many_stars_take_no_time() {
        let stars = "*a".repeat(64);
        let text = format!("window title=\"{stars}\" {{ workspace 2; }}");
        let config = Config::parse("rules.kdl", &text).expect("a good rule");
        assert_eq!(ruled(&config.windows, "evil", "", &"a".repeat(1 << 16)).workspace, Some(2));
        assert_eq!(ruled(&config.windows, "evil", "", &"b".repeat(1 << 16)).workspace, None);
    }
}
