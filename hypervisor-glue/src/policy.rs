//! Which service calls may be: `policy.kdl`, rules in order, the first that fits decides.
//!
//! ```kdl
//! allow "transom.open-link" from="work" to="web" default-target="web"
//! ask "transom.copy" from="*" to="@label:red"
//! deny "*" from="vault" to="*"
//! ```
//!
//! Behind the person's rules stand the built-in ones. A file that cannot be used denies everything
//! (rule FAIL-CLOSED).

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    panic::catch_unwind,
    path::{Path, PathBuf},
    str::FromStr,
};

use transom_protocol::{
    call::{DISPOSABLE, Target, is_service},
    supervisor::{DOM0, LabelName, NameError, QubeName},
};

use crate::store::{FileError, first_error};

/// What holds where the person's own rules do not say: files, links and programs may go where the person says,
/// each time anew; the USB qube may have a mouse if the person says so; every qube may ask dom0 for the time and tell
/// it of updates; all else is denied.
pub const BUILT_IN: &str = r#"ask "transom.copy" from="*" to="*"
ask "transom.open-file" from="*" to="*"
ask "transom.open-link" from="*" to="*"
ask "transom.start-program" from="*" to="*"
ask "transom.input-mouse" from="sys-usb" to="dom0"
allow "transom.clock" from="*" to="dom0" default-target="dom0"
allow "transom.updates" from="*" to="dom0" default-target="dom0"
deny "*" from="*" to="*"
"#;

/// Largest file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It may be.
    Allow,
    /// The person decides.
    Ask,
    /// Never.
    Deny,
}

/// An end of a call, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party<'a> {
    /// A qube of this name; no label if there is no such qube.
    Qube(&'a QubeName, Option<&'a LabelName>),
    /// A disposable: one that runs, by its name and label, or one that would be made.
    Disposable(Option<(&'a QubeName, &'a LabelName)>),
    /// The trusted side.
    Dom0,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// Every qube, and every disposable.
    Any,
    Qube(QubeName),
    Label(LabelName),
    Disposable,
    Dom0,
}

impl Who {
    fn is(&self, party: Party<'_>) -> bool {
        match (self, party) {
            // dom0 is no qube: only its name names it.
            (Self::Dom0, Party::Dom0) => true,
            (Self::Dom0, _) | (_, Party::Dom0) => false,
            (Self::Any, _) | (Self::Disposable, Party::Disposable(_)) => true,
            (Self::Disposable, Party::Qube(..)) => false,
            (Self::Qube(named), Party::Qube(name, _) | Party::Disposable(Some((name, _)))) => named == name,
            (Self::Label(label), Party::Qube(_, Some(is)) | Party::Disposable(Some((_, is)))) => label == is,
            (Self::Qube(_) | Self::Label(_), _) => false,
        }
    }
}

impl FromStr for Who {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "*" => Ok(Self::Any),
            DISPOSABLE => Ok(Self::Disposable),
            DOM0 => Ok(Self::Dom0),
            _ => match text.strip_prefix("@label:") {
                Some(label) => LabelName::new(label).map(Self::Label),
                None => QubeName::new(text).map(Self::Qube),
            },
        }
    }
}

/// A service by name, or any.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Service(Option<String>);

impl FromStr for Service {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "*" => Ok(Self(None)),
            name if is_service(name) => Ok(Self(Some(name.to_owned()))),
            _ => Err("a service is \"*\", or a name of a-z, 0-9, '.' and '-' such as \"transom.copy\""),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    decision: Decision,
    service: Service,
    from: Who,
    to: Who,
    default_target: Option<Target>,
}

impl Rule {
    fn is_about(&self, service: &str, from: Party<'_>) -> bool {
        self.service.0.as_deref().is_none_or(|named| named == service) && self.from.is(from)
    }
}

#[derive(Debug, knus::Decode)]
struct PolicyFile {
    #[knus(children)]
    rules: Vec<RuleNode>,
}

#[derive(Debug, knus::Decode)]
enum RuleNode {
    Allow(RuleBody),
    Ask(RuleBody),
    Deny(RuleBody),
}

#[derive(Debug, knus::Decode)]
struct RuleBody {
    #[knus(argument, str)]
    service: Service,
    #[knus(property, str)]
    from: Who,
    #[knus(property, str)]
    to: Who,
    #[knus(property(name = "default-target"), str)]
    default_target: Option<Target>,
}

/// Rules in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
}

impl Policy {
    /// Reads the person's rules and puts the built-in ones behind them; `path` is for errors only.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let mut rules = parse(path, text)?;
        rules.extend(parse(Path::new("the built-in policy"), BUILT_IN)?);
        Ok(Self { rules })
    }

    /// Reads a file. One that is not there holds no rules.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Self::parse(path, &read(path)?)
    }

    /// What holds for a call that names its target. Where no rule fits it is denied.
    pub fn decide(&self, service: &str, from: Party<'_>, to: Party<'_>) -> Decision {
        let fits = |rule: &&Rule| rule.is_about(service, from) && rule.to.is(to);
        self.rules.iter().find(fits).map_or(Decision::Deny, |rule| rule.decision)
    }

    /// Where a call goes that names no target; whether it may is for [`Policy::decide`] to say.
    pub fn default_target(&self, service: &str, from: Party<'_>) -> Option<&Target> {
        let mut rules = self.rules.iter().filter(|rule| rule.is_about(service, from));
        rules.find_map(|rule| rule.default_target.as_ref())
    }
}

/// The file's text; empty if there is no file.
fn read(path: &Path) -> Result<String, FileError> {
    let bad = |reason: String| FileError { path: path.to_owned(), line: 1, reason };
    // A named pipe in its place is not waited for.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        other => other.map_err(|error| bad(crate::store::reason(&error)))?,
    };
    let meta = file.metadata().map_err(|error| bad(error.to_string()))?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err(bad(format!("not a file of at most {MAX_FILE} bytes")));
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(|error| bad(error.to_string()))?;
    Ok(text)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Rule>, FileError> {
    let bad = |line, reason| FileError { path: path.to_owned(), line, reason };
    // The parser has panics in corners of its error messages. They must not end qubed.
    let file = match catch_unwind(|| knus::parse::<PolicyFile>(path.to_string_lossy(), text)) {
        Ok(Ok(file)) => file,
        Ok(Err(error)) => {
            let (line, reason) = first_error(&error, text);
            return Err(bad(line, reason));
        }
        Err(_) => return Err(bad(1, "not a KDL document".to_owned())),
    };
    let rules: Vec<Rule> = file
        .rules
        .into_iter()
        .map(|node| {
            let (decision, body) = match node {
                RuleNode::Allow(body) => (Decision::Allow, body),
                RuleNode::Ask(body) => (Decision::Ask, body),
                RuleNode::Deny(body) => (Decision::Deny, body),
            };
            let RuleBody { service, from, to, default_target } = body;
            Rule { decision, service, from, to, default_target }
        })
        .collect();
    let pointless = |rule: &Rule| rule.decision == Decision::Deny && rule.default_target.is_some();
    if rules.iter().any(pointless) {
        let line = text.lines().position(|line| line.contains("deny") && line.contains("default-target"));
        return Err(bad(line.map_or(1, |line| line + 1), "a rule that denies has no default-target".into()));
    }
    Ok(rules)
}

/// A policy file that is read again when it has changed.
#[derive(Debug)]
pub struct PolicyWatch {
    path: PathBuf,
    seen: Option<Stamp>,
    policy: Result<Policy, FileError>,
}

/// Device, inode, length, and when it was changed.
type Stamp = (u64, u64, u64, i64, i64);

impl PolicyWatch {
    /// Reads the file, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        let policy = Policy::load(&path);
        Self { seen: stamp(&path), policy, path }
    }

    /// What holds now, or why nothing may be.
    pub fn now(&mut self) -> &Result<Policy, FileError> {
        let stamp = stamp(&self.path);
        if stamp != self.seen {
            self.seen = stamp;
            self.policy = Policy::load(&self.path);
            match &self.policy {
                Ok(_) => tracing::info!(path = %self.path.display(), "the policy was read again"),
                Err(error) => tracing::warn!(%error, "the policy cannot be used: no service may be called"),
            }
        }
        &self.policy
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::parse(Path::new("policy.kdl"), text).unwrap()
    }

    fn name(text: &str) -> QubeName {
        QubeName::new(text).unwrap()
    }

    fn party<'a>(target: &'a Target, label: &'a LabelName) -> Party<'a> {
        match target {
            Target::Qube(name) => Party::Qube(name, Some(label)),
            Target::Disposable => Party::Disposable(None),
            Target::Dom0 => Party::Dom0,
        }
    }

    /// Qubes whose name begins with `red` have that label.
    fn decide(policy: &Policy, service: &str, from: &str, to: &str) -> Decision {
        let label =
            |text: &str| LabelName::new(if text.starts_with("red") { "red" } else { "blue" }).unwrap();
        let (from_label, to_label) = (label(from), label(to));
        let (from, to) = (Target::new(from).unwrap(), Target::new(to).unwrap());
        policy.decide(service, party(&from, &from_label), party(&to, &to_label))
    }

    #[test]
    fn without_a_file_files_links_and_programs_are_asked_about_and_nothing_else_may_be() {
        let policy = policy("");
        for service in ["transom.copy", "transom.open-file", "transom.open-link", "transom.start-program"] {
            assert_eq!(decide(&policy, service, "work", "vault"), Decision::Ask);
            assert_eq!(decide(&policy, service, "work", "@disposable"), Decision::Ask);
            assert_eq!(decide(&policy, service, "work", "dom0"), Decision::Deny);
        }
        assert_eq!(decide(&policy, "transom.start", "work", "vault"), Decision::Deny);
        assert_eq!(policy.default_target("transom.copy", Party::Qube(&name("work"), None)), None);
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let policy = policy(
            r#"
            deny "*" from="vault" to="*"
            allow "transom.copy" from="work" to="@label:red"
            deny "transom.copy" from="*" to="work"
            allow "x.y" from="@disposable" to="dom0"
            allow "*" from="boss" to="*"
            "#,
        );
        for (service, from, to, wanted) in [
            ("transom.copy", "vault", "red-one", Decision::Deny),
            ("transom.copy", "work", "red-one", Decision::Allow),
            ("transom.copy", "work", "mail", Decision::Ask),
            ("transom.copy", "work", "@disposable", Decision::Ask),
            ("transom.copy", "mail", "work", Decision::Deny),
            ("x.y", "@disposable", "dom0", Decision::Allow),
            ("x.y", "work", "dom0", Decision::Deny),
            ("anything", "boss", "work", Decision::Allow),
            ("anything", "boss", "@disposable", Decision::Allow),
            ("anything", "boss", "dom0", Decision::Deny),
        ] {
            assert_eq!(decide(&policy, service, from, to), wanted, "{service} {from} {to}");
        }
    }

    #[test]
    fn a_default_target_is_of_the_first_rule_that_has_one() {
        let policy = policy(
            r#"
            ask "transom.copy" from="@label:red" to="*" default-target="store"
            allow "transom.open-link" from="work" to="web" default-target="web"
            ask "transom.open-link" from="*" to="*" default-target="@disposable"
            "#,
        );
        let (work, red, label) = (name("work"), name("r"), LabelName::new("red").unwrap());
        let work = Party::Qube(&work, None);
        assert_eq!(policy.default_target("transom.open-link", work), Some(&Target::Qube(name("web"))));
        let red = Party::Qube(&red, Some(&label));
        assert_eq!(policy.default_target("transom.open-link", red), Some(&Target::Disposable));
        assert_eq!(policy.default_target("transom.copy", red), Some(&Target::Qube(name("store"))));
        assert_eq!(policy.default_target("transom.copy", work), None);
    }

    #[test]
    fn bad_files_say_where_and_why() {
        for (text, line, part) in [
            ("\nallow \"a\" from=\"x\"\n", 2, "to"),
            ("allow \"a\" from=\"x\" to=\"Y\"", 1, "is not a name"),
            ("\n\nperhaps \"a\" from=\"x\" to=\"y\"", 3, ""),
            ("allow \"A\" from=\"x\" to=\"y\"", 1, "a service is"),
            ("allow \"a\" from=\"x\" to=\"y\" when=\"now\"", 1, ""),
            (
                "ask \"a\" from=\"*\" to=\"*\"\ndeny \"a\" from=\"*\" to=\"*\" default-target=\"x\"",
                2,
                "default",
            ),
            ("{", 1, ""),
        ] {
            let error = Policy::parse(Path::new("/p/policy.kdl"), text).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.reason.contains(part), "{error}");
            let said = error.to_string();
            assert!(said.starts_with("/p/policy.kdl:") && said.lines().count() == 1, "{said}");
        }
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_bad_one_allows_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("policy.kdl");
        let mut watch = PolicyWatch::new(path.clone());
        assert!(watch.now().is_ok());
        std::fs::write(&path, "nonsense").unwrap();
        assert!(watch.now().is_err());
        std::fs::write(&path, r#"allow "a" from="*" to="*""#).unwrap();
        let policy = watch.now().as_ref().unwrap();
        assert_eq!(decide(policy, "a", "work", "vault"), Decision::Allow);
        std::fs::remove_file(&path).unwrap();
        let policy = watch.now().as_ref().unwrap();
        assert_eq!(decide(policy, "a", "work", "vault"), Decision::Deny);
        std::fs::create_dir(&path).unwrap();
        assert!(watch.now().is_err());
    }

    proptest! {
        #[test]
        fn any_text_gives_rules_or_one_line(text in "(allow|ask|deny|\"|from=|to=|[a-z*@ \n{}])*") {
            if let Err(error) = Policy::parse(Path::new("p"), &text) {
                prop_assert_eq!(error.to_string().lines().count(), 1);
            }
        }
    }
}
