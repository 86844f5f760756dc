//! What the launcher holds: programs of all qubes, what was typed, what fits it, what is chosen. Pure.

use std::rc::Rc;

use transom_theming::Label;

/// Longest text that is typed, in characters.
const MOST_TYPED: usize = 64;
/// Programs that were started last and are shown first.
const MOST_RECENT: usize = 12;

/// What a row starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    /// The qube itself: it has not said yet what programs it has.
    Qube,
    /// A program, by the id that the qube gave it.
    Program(String),
}

/// Something that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) qube: String,
    pub(crate) label: Label,
    pub(crate) not_isolated: bool,
    /// The qube is up.
    pub(crate) running: bool,
    pub(crate) what: What,
    /// Clean, as all that the qube said.
    pub(crate) name: String,
    pub(crate) comment: String,
    /// Other words it is found by, in small letters.
    pub(crate) words: String,
    pub(crate) icon: Option<Rc<[u8]>>,
}

impl Entry {
    /// How well it fits these words, of which every one must be found; 0: not at all.
    fn fits(&self, words: &[String]) -> u32 {
        let (name, qube) = (self.name.to_lowercase(), self.qube.as_str());
        let mut sum = 1;
        for word in words {
            let starts =
                |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|part| part.starts_with(word));
            let best = if name.starts_with(word) {
                8
            } else if starts(&name) {
                6
            } else if qube.starts_with(word) {
                5
            } else if name.contains(word) {
                4
            } else if qube.contains(word) || starts(&self.words) {
                2
            } else if self.words.contains(word) {
                1
            } else {
                return 0;
            };
            sum += best;
        }
        sum
    }
}

/// Programs that were started, the last one first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent(Vec<(String, What)>);

impl Recent {
    /// It was started just now.
    pub(crate) fn started(&mut self, qube: &str, what: &What) {
        let entry = (qube.to_owned(), what.clone());
        self.0.retain(|other| *other != entry);
        self.0.insert(0, entry);
        self.0.truncate(MOST_RECENT);
    }

    /// How long ago, counted in programs.
    fn age(&self, entry: &Entry) -> usize {
        let same = |(qube, what): &&(String, What)| *qube == entry.qube && *what == entry.what;
        self.0.iter().position(|other| same(&other)).unwrap_or(MOST_RECENT)
    }
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    entries: Vec<Entry>,
    typed: String,
    /// Those that fit what was typed, the best first.
    found: Vec<usize>,
    /// Which of them is chosen, and which is seen first; both 0 if there are none.
    chosen: usize,
    first: usize,
    /// How many are seen at once; at least 1.
    slots: usize,
    recent: Recent,
    /// Counts changes, so that a picture is known to be old.
    revision: u64,
}

impl Model {
    pub(crate) fn new(entries: Vec<Entry>, recent: Recent, slots: usize) -> Self {
        let mut model = Self {
            entries: Vec::new(),
            typed: String::new(),
            found: Vec::new(),
            chosen: 0,
            first: 0,
            slots: slots.max(1),
            recent,
            revision: 0,
        };
        model.set_entries(entries);
        model
    }

    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// How many fit, of how many.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.found.len(), self.entries.len())
    }

    /// Those that are seen, top to bottom, and whether each is chosen.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&Entry, bool)> {
        let rows = self.found.iter().enumerate().skip(self.first).take(self.slots);
        rows.filter_map(|(row, at)| Some((self.entries.get(*at)?, row == self.chosen)))
    }

    /// The chosen one.
    pub(crate) fn chosen(&self) -> Option<&Entry> {
        self.entries.get(*self.found.get(self.chosen)?)
    }

    /// Qubes or their programs have changed. What is chosen stays so, if it is still there.
    pub(crate) fn set_entries(&mut self, entries: Vec<Entry>) {
        let before = self.chosen().map(|entry| (entry.qube.clone(), entry.what.clone()));
        self.entries = entries;
        self.search();
        let same = |at: &usize| {
            self.entries.get(*at).map(|entry| (&entry.qube, &entry.what))
                == before.as_ref().map(|(a, b)| (a, b))
        };
        if before.is_some()
            && let Some(row) = self.found.iter().position(same)
        {
            self.choose(row);
        }
    }

    /// Another number of rows is seen.
    pub(crate) fn set_slots(&mut self, slots: usize) {
        if self.slots != slots.max(1) {
            self.slots = slots.max(1);
            self.choose(self.chosen);
        }
    }

    /// A character more.
    pub(crate) fn push(&mut self, character: char) {
        if !character.is_control() && self.typed.chars().count() < MOST_TYPED {
            self.typed.push(character);
            self.search();
        }
    }

    /// The last character is taken back.
    pub(crate) fn pop(&mut self) {
        if self.typed.pop().is_some() {
            self.search();
        }
    }

    /// The last word is taken back.
    pub(crate) fn pop_word(&mut self) {
        let kept = self.typed.trim_end().rfind(' ').map_or(0, |at| at + 1);
        self.typed.truncate(kept);
        self.search();
    }

    /// All of it is taken back. False if there was nothing.
    pub(crate) fn clear(&mut self) -> bool {
        let any = !self.typed.is_empty();
        self.typed.clear();
        self.search();
        any
    }

    /// Chooses the one so many rows below; the ends are the ends.
    pub(crate) fn step(&mut self, down: isize) {
        self.choose(self.chosen.saturating_add_signed(down));
    }

    /// A page on or back.
    pub(crate) fn page(&mut self, down: bool) {
        let rows = isize::try_from(self.slots).unwrap_or(isize::MAX);
        self.step(if down { rows } else { -rows });
    }

    /// The first or the last one.
    pub(crate) fn end(&mut self, last: bool) {
        self.choose(if last { usize::MAX } else { 0 });
    }

    /// Chooses one of those that are seen, counted from the top. False if there is none.
    pub(crate) fn choose_seen(&mut self, row: usize) -> bool {
        let there = row < self.slots && self.first + row < self.found.len();
        if there {
            self.choose(self.first + row);
        }
        there
    }

    fn choose(&mut self, row: usize) {
        self.chosen = row.min(self.found.len().saturating_sub(1));
        let last_first = self.found.len().saturating_sub(self.slots);
        let lowest = (self.chosen + 1).saturating_sub(self.slots);
        self.first = self.first.clamp(lowest, self.chosen).min(last_first);
        self.revision += 1;
    }

    fn search(&mut self) {
        let words: Vec<String> = self.typed.split_whitespace().map(str::to_lowercase).collect();
        let mut found: Vec<_> = self
            .entries
            .iter()
            .enumerate()
            .map(|(at, entry)| (entry.fits(&words), at, entry))
            .filter(|(fits, ..)| *fits > 0)
            .collect();
        // What was typed decides; then what was started last; then what runs; the rest by name.
        found.sort_by_cached_key(|(fits, _, entry)| {
            let halted = !entry.running;
            let name = (entry.name.to_lowercase(), entry.qube.clone(), entry.what.clone());
            (u32::MAX - fits, self.recent.age(entry), halted, name)
        });
        self.found = found.into_iter().map(|(_, at, _)| at).collect();
        self.first = 0;
        self.choose(0);
    }

    /// Finds what must not be.
    #[cfg(test)]
    fn check_invariants(&self) {
        let mut found = self.found.clone();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), self.found.len(), "nothing is found twice");
        assert!(found.iter().all(|at| *at < self.entries.len()));
        assert!(self.slots > 0 && self.typed.chars().count() <= MOST_TYPED);
        if self.found.is_empty() {
            assert_eq!((self.chosen, self.first), (0, 0));
            assert!(self.chosen().is_none());
        } else {
            assert!(self.chosen < self.found.len());
            assert!((self.first..self.first + self.slots).contains(&self.chosen), "the chosen one is seen");
            assert!(self.first == 0 || self.first + self.slots <= self.found.len(), "no row is left empty");
        }
        assert_eq!(self.seen().filter(|(_, chosen)| *chosen).count(), usize::from(!self.found.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(qube: &str, name: &str, words: &str) -> Entry {
        Entry {
            qube: qube.into(),
            label: Label::Blue,
            not_isolated: false,
            running: qube == "work",
            what: What::Program(name.to_lowercase()),
            name: name.into(),
            comment: String::new(),
            words: words.into(),
            icon: None,
        }
    }

    fn some() -> Vec<Entry> {
        vec![
            entry("work", "Files", "manager;folder"),
            entry("work", "Firefox", "internet;web;browser"),
            entry("web", "Firefox", "internet;web;browser"),
            entry("web", "Text Editor", "notes"),
            entry("vault", "Passwords", "secret;keys"),
        ]
    }

    fn model(slots: usize) -> Model {
        Model::new(some(), Recent::default(), slots)
    }

    fn names(model: &Model) -> Vec<String> {
        model.seen().map(|(entry, _)| format!("{} {}", entry.qube, entry.name)).collect()
    }

    fn typed(model: &mut Model, text: &str) -> Vec<String> {
        model.clear();
        text.chars().for_each(|character| model.push(character));
        model.check_invariants();
        names(model)
    }

    #[test]
    fn what_runs_comes_first_and_then_names() {
        assert_eq!(
            names(&model(9)),
            ["work Files", "work Firefox", "web Firefox", "vault Passwords", "web Text Editor"]
        );
    }

    #[test]
    fn every_word_must_be_found_in_name_qube_or_keywords() {
        let mut model = model(9);
        assert_eq!(typed(&mut model, "fire"), ["work Firefox", "web Firefox"]);
        assert_eq!(
            typed(&mut model, "fire web"),
            ["web Firefox", "work Firefox"],
            "the qube before a keyword"
        );
        assert_eq!(typed(&mut model, "EDIT"), ["web Text Editor"]);
        assert_eq!(typed(&mut model, "vault"), ["vault Passwords"]);
        assert_eq!(typed(&mut model, "secret"), ["vault Passwords"]);
        assert!(typed(&mut model, "vault firefox").is_empty());
        assert!(model.chosen().is_none());
        model.pop_word();
        assert_eq!(model.typed(), "vault ");
        assert_eq!(names(&model), ["vault Passwords"]);
    }

    #[test]
    fn what_was_started_last_comes_first() {
        let mut recent = Recent::default();
        recent.started("vault", &What::Program("passwords".into()));
        recent.started("web", &What::Program("firefox".into()));
        let mut model = Model::new(some(), recent, 9);
        assert_eq!(names(&model)[..2], ["web Firefox", "vault Passwords"]);
        assert_eq!(typed(&mut model, "f"), ["web Firefox", "work Files", "work Firefox"]);
    }

    #[test]
    fn the_chosen_one_stays_chosen_while_qubes_come_and_go() {
        let mut model = model(2);
        model.step(3);
        assert_eq!(model.chosen().unwrap().name, "Passwords");
        let mut more = some();
        more.insert(0, entry("work", "Aardvark", ""));
        model.set_entries(more);
        model.check_invariants();
        assert_eq!(model.chosen().unwrap().name, "Passwords");
        model.set_entries(vec![entry("web", "Only", "")]);
        model.check_invariants();
        assert_eq!(model.chosen().unwrap().name, "Only");
    }

    #[derive(Clone, Debug)]
    enum Act {
        Push(char),
        Pop,
        PopWord,
        Clear,
        Step(isize),
        Page(bool),
        End(bool),
        Choose(usize),
        Slots(usize),
        Entries(Vec<(u8, u8)>),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => prop::sample::select(vec!['a', 'b', ' ', 'ü', '\n', 'A']).prop_map(Act::Push),
            1 => Just(Act::Pop),
            1 => Just(Act::PopWord),
            1 => Just(Act::Clear),
            3 => (-4isize..5).prop_map(Act::Step),
            1 => any::<bool>().prop_map(Act::Page),
            1 => any::<bool>().prop_map(Act::End),
            2 => (0usize..8).prop_map(Act::Choose),
            1 => (0usize..6).prop_map(Act::Slots),
            2 => proptest::collection::vec((0u8..4, 0u8..9), 0..20).prop_map(Act::Entries),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_done_holds_together(acts in proptest::collection::vec(act(), 0..60)) {
            let mut model = model(3);
            for act in acts {
                match act {
                    Act::Push(character) => model.push(character),
                    Act::Pop => model.pop(),
                    Act::PopWord => model.pop_word(),
                    Act::Clear => drop(model.clear()),
                    Act::Step(down) => model.step(down),
                    Act::Page(down) => model.page(down),
                    Act::End(last) => model.end(last),
                    Act::Choose(row) => {
                        let seen = model.seen().count();
                        prop_assert_eq!(model.choose_seen(row), row < seen);
                    }
                    Act::Slots(slots) => model.set_slots(slots),
                    Act::Entries(entries) => model.set_entries(
                        entries.iter().map(|(qube, name)| {
                            entry(&format!("q{qube}"), &"ab ".repeat(usize::from(*name)), "b")
                        }).collect(),
                    ),
                }
                model.check_invariants();
            }
        }
    }
}
