//! News for programs of dom0 that listen: the whole state first, then the parts of it that change.

use std::{io::Write as _, os::unix::net::UnixStream};

use serde_json::{Map, Value};
use tracing::debug;

use super::{Reply, State};
use crate::Desktop;

/// Most programs that listen at once.
const MOST: usize = 32;
/// What changes with every frame or motion is no news by itself.
const RESTLESS: [&str; 2] = ["pointer", "frames"];
/// The same within lists of the state.
const COUNTERS: [(&str, &[&str]); 2] = [
    ("monitors", &["flips", "missed", "margin_us", "planes"]),
    ("qubes", &["mapped_bytes", "messages", "bytes"]),
];

/// Those who listen, and the news that they have heard.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    sockets: Vec<UnixStream>,
    heard: Map<String, Value>,
}

fn whole(state: &State) -> Map<String, Value> {
    match serde_json::to_value(state) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// What of a state is worth telling, to compare with.
fn news(mut state: Map<String, Value>) -> Map<String, Value> {
    for key in RESTLESS {
        state.remove(key);
    }
    for (list, counters) in COUNTERS {
        let entries = state.get_mut(list).and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
            entry.retain(|key, _| !counters.contains(&key.as_str()));
        }
    }
    state
}

/// The parts of `state` that differ from what was heard.
fn changed(
    heard: &Map<String, Value>,
    news: &Map<String, Value>,
    state: &Map<String, Value>,
) -> Map<String, Value> {
    let differs = |key: &&String| heard.get(*key) != news.get(*key);
    let keys = news.keys().filter(differs);
    keys.filter_map(|key| Some((key.clone(), state.get(key)?.clone()))).collect()
}

impl Desktop {
    /// Tells a program everything from now on. `false`: too many listen.
    pub(super) fn add_listener(&mut self, socket: UnixStream) -> bool {
        if self.listeners.sockets.len() >= MOST {
            return false;
        }
        // Those who listen already are told first of what they have not heard.
        self.tell_listeners();
        self.listeners.sockets.push(socket);
        self.listeners.heard = news(whole(&self.state()));
        true
    }

    /// Tells those who listen what has changed. Who does not read, and so falls behind, is let go.
    pub(crate) fn tell_listeners(&mut self) {
        if self.listeners.sockets.is_empty() {
            return;
        }
        let state = whole(&self.state());
        let news = news(state.clone());
        let changed = changed(&self.listeners.heard, &news, &state);
        if changed.is_empty() {
            return;
        }
        self.listeners.heard = news;
        let Ok(mut line) = serde_json::to_vec(&Reply::Changed { state: changed }) else { return };
        line.push(b'\n');
        self.listeners.sockets.retain_mut(|socket| {
            socket
                .write_all(&line)
                .inspect_err(|error| {
                    debug!(%error, "a program that listened is let go");
                    // Half a line may be there: it is not taken for a whole one.
                    let _ = socket.shutdown(std::net::Shutdown::Both);
                })
                .is_ok()
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn only_what_differs_is_told_and_whole() {
        let before = map(json!({
            "workspace": 1, "pointer": [0, 0], "windows": [],
            "monitors": [{ "name": "A", "flips": 1, "lit": true }],
        }));
        let heard = news(before.clone());
        let mut now = before;
        now.insert("pointer".into(), json!([5, 5]));
        now.insert("monitors".into(), json!([{ "name": "A", "flips": 9, "lit": true }]));
        assert!(changed(&heard, &news(now.clone()), &now).is_empty(), "restless parts are no news");
        now.insert("monitors".into(), json!([{ "name": "A", "flips": 10, "lit": false }]));
        now.insert("workspace".into(), json!(2));
        let told = changed(&heard, &news(now.clone()), &now);
        assert_eq!(
            Value::Object(told),
            json!({ "workspace": 2, "monitors": [{ "name": "A", "flips": 10, "lit": false }] })
        );
    }
}
