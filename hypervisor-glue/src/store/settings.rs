//! Changes to `qube.kdl` that leave the person's own lines and remarks where they are.

use std::path::Path;

use super::{QUBE_FILE, QubeConfig, qube_file};

/// A qube's file, line by line.
#[derive(Debug)]
pub(super) struct Lines(Vec<String>);

/// True for a line with this node.
fn is_node(line: &str, node: &str) -> bool {
    line.strip_prefix(node).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '"', '{']))
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(text.lines().map(str::to_owned).collect())
    }

    /// Puts `line` in the place of a node of the file's own, or takes that away.
    pub(super) fn set(&mut self, node: &str, line: Option<String>) {
        match (self.0.iter().position(|old| is_node(old, node)), line) {
            (Some(at), Some(line)) => self.0[at] = line,
            (Some(at), None) => drop(self.0.remove(at)),
            (None, line) => self.0.extend(line),
        }
    }

    /// The same for a node inside another one, which is made where it is missing.
    fn set_inside(&mut self, outer: &str, node: &str, line: Option<String>) {
        let line = line.map(|line| format!("    {line}"));
        let open = self.0.iter().position(|old| is_node(old, outer) && old.trim_end().ends_with('{'));
        let Some(open) = open else {
            if let Some(line) = line {
                self.0.extend([format!("{outer} {{"), line, "}".to_owned()]);
            }
            return;
        };
        let inside = self.0[open + 1..].iter().take_while(|old| old.trim() != "}");
        let at =
            inside.enumerate().find(|(_, old)| is_node(old.trim_start(), node)).map(|(at, _)| open + 1 + at);
        match (at, line) {
            (Some(at), Some(line)) => self.0[at] = line,
            (Some(at), None) => drop(self.0.remove(at)),
            (None, Some(line)) => self.0.insert(open + 1, line),
            (None, None) => {}
        }
    }

    /// The text, if it says what is wanted; else a file that does and has no remarks any more.
    pub(super) fn meaning(self, wanted: &QubeConfig) -> String {
        let edited = self.0.join("\n") + "\n";
        let says = qube_file::parse(Path::new(QUBE_FILE), &edited);
        if says.as_ref() == Ok(wanted) { edited } else { qube_file::write(wanted) }
    }
}

/// A qube's file with label, memory, volume and start of `wanted`, which is else what `text` says. Lines and
/// remarks of the person's stay where that is possible.
pub(crate) fn with_settings(text: &str, old: &QubeConfig, wanted: &QubeConfig) -> String {
    let mut lines = Lines::of(text);
    if old.label != wanted.label {
        lines.set("label", Some(format!("label \"{}\"", wanted.label)));
    }
    if old.start_with_desktop != wanted.start_with_desktop {
        lines.set("start-with-desktop", wanted.start_with_desktop.then(|| "start-with-desktop".to_owned()));
    }
    let amount = |node: &str, bytes: u64| format!("{node} \"{}MiB\"", bytes >> 20);
    if old.limits.memory != wanted.limits.memory {
        lines.set_inside("limits", "memory", wanted.limits.memory.map(|bytes| amount("memory", bytes)));
    }
    if old.machine.memory != wanted.machine.memory {
        lines.set_inside("machine", "memory", Some(amount("memory", wanted.machine.memory)));
    }
    if old.machine.volume != wanted.machine.volume {
        lines.set_inside("machine", "volume", Some(amount("volume", wanted.machine.volume)));
    }
    lines.meaning(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> QubeConfig {
        qube_file::parse(Path::new("x"), text).unwrap()
    }

    fn edited(text: &str, change: impl Fn(&mut QubeConfig)) -> String {
        let old = parse(text);
        let mut wanted = old.clone();
        change(&mut wanted);
        let new = with_settings(text, &old, &wanted);
        assert_eq!(parse(&new), wanted, "{new}");
        new
    }

    #[test]
    fn the_persons_own_lines_stay() {
        let text =
            "// mine\nlabel \"red\"\n\nmachine {\n    // enough\n    vcpus 3\n    memory \"512MiB\"\n}\n";
        let new = edited(text, |config| config.machine.memory = 2 << 30);
        assert_eq!(new, text.replace("512MiB", "2048MiB"));
        let new = edited(text, |config| config.machine.volume = 16 << 30);
        assert_eq!(new, text.replace("machine {\n", "machine {\n    volume \"16384MiB\"\n"));
        let new = edited(text, |config| {
            config.label = "blue".parse().unwrap();
            config.start_with_desktop = true;
            config.limits.memory = Some(1 << 30);
        });
        let more = "start-with-desktop\nlimits {\n    memory \"1024MiB\"\n}\n";
        assert_eq!(new, text.replace("red", "blue") + more);
        // And back.
        let back = edited(&new, |config| {
            config.start_with_desktop = false;
            config.limits.memory = None;
        });
        assert_eq!(back, text.replace("red", "blue") + "limits {\n}\n");
    }

    #[test]
    fn what_is_written_in_an_unusual_way_says_what_is_wanted_all_the_same() {
        for odd in [
            "label \"red\"; machine { memory \"512MiB\"; }\n",
            "  label \"red\"\n  machine {\n  vcpus 2; }\n",
            "label \"red\"\nmachine { vcpus 3\n}\n// machine {\n",
            "\"label\" \"red\"\n/- machine {\n}\nstart-with-desktop // now\n",
        ] {
            edited(odd, |config| {
                config.label = "green".parse().unwrap();
                config.machine.memory = 256 << 20;
                config.machine.volume = 9 << 30;
                config.start_with_desktop = !config.start_with_desktop;
            });
        }
    }
}
