//! The programs of a qube, as its agent lists them and dom0 keeps them.
//!
//! A list comes as one [`ToQubed::List`], so many [`ToQubed::Listed`] and a [`ToQubed::ListEnd`]. [`Gathering`]
//! takes them one by one and makes a [`ProgramList`] of them, whose texts are clean (rule CLEAN-TEXT) and whose
//! pictures have their one size. dom0 keeps a list in the same form, and reads its own files by the same rules.

use std::collections::BTreeSet;

use crate::{
    service::{
        ICON_BYTES, List, Listed, MAX_LISTED, MAX_PROGRAM_ID, MAX_PROGRAM_NAME, MAX_PROGRAM_TEXT,
        MAX_PROGRAM_WORDS, ToQubed, next_to_qubed,
    },
    text::clean,
    types::join_strings,
    wire::{HEADER_LEN, WireError, With},
};

/// Most characters of a program's name that are kept.
pub const NAME_CHARS: usize = 80;
/// Most characters of its other texts that are kept, of each.
pub const WORDS_CHARS: usize = 200;
/// Longest list in the form in which it is sent and kept, in bytes.
pub const MAX_LIST_BYTES: usize = MAX_LISTED
    * (HEADER_LEN + size_of::<Listed>() + MAX_PROGRAM_TEXT + ICON_BYTES)
    + 2 * HEADER_LEN
    + size_of::<List>();

/// True for the id of a program: that of its desktop entry without `.desktop`, printable ASCII without a slash
/// or backslash, and no blank at either end.
pub fn is_program_id(text: &str) -> bool {
    (1..=MAX_PROGRAM_ID).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b' '..=b'~') && !b"/\\".contains(&b))
        && !text.starts_with([' ', '.', '-'])
        && !text.ends_with(' ')
}

/// A program that a qube lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Names it in its qube; checked by [`is_program_id`].
    pub id: String,
    /// What people call it; clean, never empty.
    pub name: String,
    /// What it is for; clean.
    pub comment: String,
    /// Kinds of program; clean.
    pub categories: String,
    /// Other words it can be found by; clean.
    pub keywords: String,
    /// [`ICON_BYTES`] bytes: rows of red, green, blue and alpha, not premultiplied.
    pub icon: Option<Box<[u8]>>,
}

/// Clean, and still no longer than what came could be.
fn cut(untrusted: &str, chars: usize, bytes: usize) -> String {
    let mut text = clean(untrusted.as_bytes(), chars);
    text.truncate(text.floor_char_boundary(bytes));
    text.truncate(text.trim_end().len());
    text
}

impl Program {
    /// Takes a program over from its qube: cleans its texts.
    fn new(listed: &With<'_, Listed>) -> Self {
        let parts = listed.parts();
        let words = |untrusted| cut(untrusted, WORDS_CHARS, MAX_PROGRAM_WORDS);
        let mut name = cut(parts.untrusted_name, NAME_CHARS, MAX_PROGRAM_NAME);
        if name.is_empty() {
            name = cut(parts.id, NAME_CHARS, MAX_PROGRAM_NAME);
        }
        Self {
            id: parts.id.to_owned(),
            name,
            comment: words(parts.untrusted_comment),
            categories: words(parts.untrusted_categories),
            keywords: words(parts.untrusted_keywords),
            icon: parts.untrusted_icon.map(Box::from),
        }
    }

    /// Appends it as [`ToQubed::Listed`].
    ///
    /// Texts must be no longer than the limits of that message, and have no zero bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut tail = join_strings([
            self.id.as_str(),
            self.name.as_str(),
            self.comment.as_str(),
            self.categories.as_str(),
            self.keywords.as_str(),
        ]);
        let fixed = Listed { text: u16::try_from(tail.len()).unwrap_or(u16::MAX).into() };
        tail.extend(self.icon.iter().flatten());
        ToQubed::Listed(With { fixed: &fixed, tail: &tail }).encode(0, 0, out);
    }
}

/// The programs of a qube; at most [`MAX_LISTED`], no id twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramList {
    programs: Vec<Program>,
}

/// What is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// More than there may be.
    #[error("a list of {0} programs, at most {MAX_LISTED} are allowed")]
    TooMany(u16),
    /// One begins before the last has ended.
    #[error("a list of programs within another")]
    Nested,
    /// Nothing has begun.
    #[error("{0} without a list of programs")]
    NotOpen(&'static str),
    /// Not as many as were promised.
    #[error("a list of {promised} programs that has {found}")]
    Count {
        /// So many were.
        promised: usize,
        /// So many there are, or one more than may be.
        found: usize,
    },
    /// An id comes twice; it is printable.
    #[error("a list of programs that names {0:?} twice")]
    Twice(String),
}

/// Why bytes are no kept list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// A message of it is none.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It is none.
    #[error(transparent)]
    List(#[from] ListError),
    /// It ends too early, goes on after its end, or holds something else.
    #[error("it is not one whole list of programs")]
    Form,
}

impl ProgramList {
    /// The programs, in the order in which the qube listed them.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The programs themselves.
    pub fn into_programs(self) -> Vec<Program> {
        self.programs
    }

    /// The list as it is kept: the messages by which it came, with clean texts.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let count = u16::try_from(self.programs.len()).unwrap_or(u16::MAX);
        ToQubed::List(&List { count: count.into() }).encode(0, 0, &mut out);
        for program in &self.programs {
            program.encode(&mut out);
        }
        ToQubed::ListEnd(()).encode(0, 0, &mut out);
        out
    }

    /// Reads a list that was kept, or written by a program of the qube's.
    ///
    /// # Errors
    /// It is not one whole list and nothing more.
    pub fn decode(untrusted: &[u8]) -> Result<Self, KeptError> {
        let mut gathering = Gathering::default();
        let mut rest = untrusted;
        loop {
            let raw = next_to_qubed(rest)?.ok_or(KeptError::Form)?;
            rest = &rest[raw.wire_len()..];
            match ToQubed::parse(&raw)? {
                ToQubed::List(list) => gathering.begin(list)?,
                ToQubed::Listed(listed) => gathering.add(&listed)?,
                ToQubed::ListEnd(()) if rest.is_empty() => return Ok(gathering.end()?),
                _ => return Err(KeptError::Form),
            }
        }
    }

    /// Makes a list of programs; those past the most that may be are left out, and those whose id or texts are
    /// not of their form.
    pub fn of(programs: impl IntoIterator<Item = Program>) -> Self {
        let mut ids = BTreeSet::new();
        let fits = |program: &Program| {
            let words = [&program.comment, &program.categories, &program.keywords];
            is_program_id(&program.id)
                && program.name.len() <= MAX_PROGRAM_NAME
                && words.iter().all(|text| text.len() <= MAX_PROGRAM_WORDS)
                && !words.iter().any(|text| text.contains('\0'))
                && !program.name.contains('\0')
                && program.icon.as_ref().is_none_or(|icon| icon.len() == ICON_BYTES)
        };
        let programs = programs.into_iter().filter(fits).filter(|program| ids.insert(program.id.clone()));
        Self { programs: programs.take(MAX_LISTED).collect() }
    }
}

/// A list that is coming in. An error is final.
#[derive(Debug, Default)]
pub struct Gathering {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    promised: usize,
    programs: Vec<Program>,
    ids: BTreeSet<String>,
}

impl Gathering {
    /// A list begins.
    ///
    /// # Errors
    /// It is too long, or within another.
    pub fn begin(&mut self, list: &List) -> Result<(), ListError> {
        let count = list.count.get();
        if self.open.is_some() {
            return Err(ListError::Nested);
        }
        if usize::from(count) > MAX_LISTED {
            return Err(ListError::TooMany(count));
        }
        self.open = Some(Open { promised: count.into(), programs: Vec::new(), ids: BTreeSet::new() });
        Ok(())
    }

    /// A program comes.
    ///
    /// # Errors
    /// No list is open, it is full, or its id was there.
    pub fn add(&mut self, listed: &With<'_, Listed>) -> Result<(), ListError> {
        let Some(open) = &mut self.open else { return Err(ListError::NotOpen("Listed")) };
        let promised = open.promised;
        if open.programs.len() >= promised {
            return Err(ListError::Count { promised, found: promised + 1 });
        }
        let program = Program::new(listed);
        if !open.ids.insert(program.id.clone()) {
            return Err(ListError::Twice(program.id));
        }
        open.programs.push(program);
        Ok(())
    }

    /// The list is whole.
    ///
    /// # Errors
    /// No list is open, or it has not as many programs as it said.
    pub fn end(&mut self) -> Result<ProgramList, ListError> {
        let open = self.open.take().ok_or(ListError::NotOpen("ListEnd"))?;
        if open.programs.len() != open.promised {
            return Err(ListError::Count { promised: open.promised, found: open.programs.len() });
        }
        Ok(ProgramList { programs: open.programs })
    }

    /// Finds what must not be.
    ///
    /// # Errors
    /// What is broken.
    pub fn check_invariants(&self) -> Result<(), String> {
        let Some(open) = &self.open else { return Ok(()) };
        if open.programs.len() > open.promised || open.promised > MAX_LISTED {
            return Err(format!("{} of {} programs", open.programs.len(), open.promised));
        }
        if open.ids.len() != open.programs.len() {
            return Err("an id is there twice".to_owned());
        }
        open.programs.iter().try_for_each(check)
    }
}

/// Finds what must not be in a program that was taken over.
fn check(program: &Program) -> Result<(), String> {
    let words = [&program.comment, &program.categories, &program.keywords];
    let clean = crate::text::is_clean(&program.name, NAME_CHARS)
        && words.iter().all(|text| crate::text::is_clean(text, WORDS_CHARS));
    let icon = program.icon.as_ref().is_none_or(|icon| icon.len() == ICON_BYTES);
    if is_program_id(&program.id) && !program.name.is_empty() && clean && icon {
        Ok(())
    } else {
        Err(format!("{:?} is not as it should be", program.id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn program(id: &str, name: &str) -> Program {
        Program {
            id: id.into(),
            name: name.into(),
            comment: "what it does".into(),
            categories: "Utility;".into(),
            keywords: String::new(),
            icon: None,
        }
    }

    fn listed(program: &Program) -> Vec<u8> {
        let mut out = Vec::new();
        program.encode(&mut out);
        out
    }

    fn add(gathering: &mut Gathering, bytes: &[u8]) -> Result<(), String> {
        let raw = next_to_qubed(bytes).map_err(|e| e.to_string())?.unwrap();
        let ToQubed::Listed(listed) = ToQubed::parse(&raw).map_err(|e| e.to_string())? else { panic!() };
        gathering.add(&listed).map_err(|e| e.to_string())
    }

    #[test]
    fn ids() {
        for good in ["foot", "org.mozilla.firefox", "wine-Programs-7 Zip", "a+b@c", &"a".repeat(128)] {
            assert!(is_program_id(good), "{good}");
        }
        for bad in ["", ".", "..", "-x", " a", "a ", "a/b", "a\\b", "ä", "a\n", "a\0", &"a".repeat(129)] {
            assert!(!is_program_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_list_comes_back_as_it_was_and_its_texts_are_clean() {
        let icon: Box<[u8]> = (0..ICON_BYTES).map(|at| at as u8).collect();
        let list =
            ProgramList::of([Program { icon: Some(icon), ..program("foot", "Foot") }, program("vi", "Vi")]);
        assert_eq!(ProgramList::decode(&list.encode()), Ok(list.clone()));
        assert!(list.encode().len() < MAX_LIST_BYTES);
        let hostile = ProgramList::of([program("x", "dom0\u{202e}\u{1b}[2J\n"), program("y", "\u{200b}")]);
        let taken = ProgramList::decode(&hostile.encode()).unwrap();
        assert_eq!(taken.programs()[0].name, "dom0 [2J");
        assert_eq!(taken.programs()[1].name, "y", "one without a name is called by its id");
    }

    #[test]
    fn a_hostile_list_breaks_one_rule() {
        let begin = |count: u16| {
            let mut gathering = Gathering::default();
            gathering.begin(&List { count: count.into() }).map(|()| gathering)
        };
        assert_eq!(begin(513).unwrap_err(), ListError::TooMany(513));
        let mut list = begin(1).unwrap();
        assert_eq!(list.begin(&List { count: 0.into() }), Err(ListError::Nested));
        add(&mut list, &listed(&program("a", "A"))).unwrap();
        let more = add(&mut list, &listed(&program("b", "B"))).unwrap_err();
        assert_eq!(more, "a list of 1 programs that has 2");
        let mut list = begin(2).unwrap();
        add(&mut list, &listed(&program("a", "A"))).unwrap();
        assert!(add(&mut list, &listed(&program("a", "A"))).unwrap_err().contains("twice"));
        assert_eq!(begin(2).unwrap().end().unwrap_err(), ListError::Count { promised: 2, found: 0 });
        assert_eq!(Gathering::default().end().unwrap_err(), ListError::NotOpen("ListEnd"));
        assert!(add(&mut Gathering::default(), &listed(&program("a", "A"))).is_err());
        // A picture of another length, a text that is too long, an id that is a path.
        for icon in [1, ICON_BYTES - 1, ICON_BYTES + 4] {
            let bad = Program { icon: Some(vec![0; icon].into()), ..program("a", "A") };
            assert!(add(&mut begin(1).unwrap(), &listed(&bad)).is_err(), "{icon}");
        }
        for bad in [program("a", &"n".repeat(257)), program("../a", "A"), program("a", "A\0B")] {
            assert!(add(&mut begin(1).unwrap(), &listed(&bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_kept_is_one_whole_list() {
        let list = ProgramList::of([program("a", "A")]).encode();
        assert_eq!(ProgramList::decode(&[]), Err(KeptError::Form));
        assert_eq!(ProgramList::decode(&list[..list.len() - 1]), Err(KeptError::Form));
        assert_eq!(ProgramList::decode(&[list.clone(), list].concat()), Err(KeptError::Form));
        let many = (0..2_000).map(|number| program(&format!("p{number}"), "P"));
        assert_eq!(ProgramList::of(many).programs().len(), MAX_LISTED);
        assert_eq!(ProgramList::of([program("a", "A"), program("a", "B")]).programs().len(), 1);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_taken_clean_or_refused(
            promised in 0u16..4,
            texts in proptest::collection::vec((".{0,90}", "\\PC{0,300}", any::<bool>()), 0..5),
        ) {
            let mut gathering = Gathering::default();
            gathering.begin(&List { count: promised.into() }).unwrap();
            for (id, name, icon) in texts {
                let icon = icon.then(|| vec![7; ICON_BYTES].into());
                let program = Program { icon, ..program(&id, &name) };
                if add(&mut gathering, &listed(&program)).is_err() {
                    break;
                }
                prop_assert_eq!(gathering.check_invariants(), Ok(()));
            }
            if let Ok(list) = gathering.end() {
                prop_assert_eq!(ProgramList::decode(&list.encode()), Ok(list));
            }
        }
    }
}
