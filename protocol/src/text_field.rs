//! Text fields of programs, as `text-input-v3` has them: what a program says of its field, and what an
//! input method wants done to it. Pure; used by both that serve programs, the agent in a qube and dom0.
//!
//! Programs say what they have to say in pieces that hold from their `commit` on. Here the pieces are put
//! together, so that one message says all of it ([`ToDom0::TextInput`](crate::message::ToDom0::TextInput)).
//! Each time a field is enabled it gets a number of its own, larger than any before: what was composed for
//! one field cannot land in the next, in whatever order things cross on the way.

use crate::{
    limits::{CONTENT_HINTS, CONTENT_PURPOSES, MAX_INPUT_TEXT, MAX_OFFSET},
    message::TextInput,
    types::Rect,
    wire::With,
};

/// The text around the cursor, at most [`MAX_INPUT_TEXT`] bytes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surrounding {
    /// The text.
    pub text: String,
    /// Byte offset of the cursor, a boundary of characters.
    pub cursor: u16,
    /// Byte offset of the other end of the selection, a boundary as well.
    pub anchor: u16,
}

impl Surrounding {
    /// What a program said. What is too long is cut, around the cursor; `None` if an offset is no boundary
    /// of characters in the text.
    pub fn new(text: &str, cursor: i32, anchor: i32) -> Option<Self> {
        let [cursor, anchor] = [cursor, anchor].map(|at| usize::try_from(at).ok());
        let (cursor, anchor) = (cursor?, anchor?);
        if !text.is_char_boundary(cursor) || !text.is_char_boundary(anchor) {
            return None;
        }
        let (mut from, mut to) = (0, text.len());
        if to > MAX_INPUT_TEXT {
            // As much before the cursor as after it, if there is so much.
            from = cursor.saturating_sub(MAX_INPUT_TEXT / 2).min(to - MAX_INPUT_TEXT);
            to = text.floor_char_boundary(from + MAX_INPUT_TEXT);
            from = text.ceil_char_boundary(from);
        }
        let within = |at: usize| (at.clamp(from, to) - from) as u16;
        Some(Self { cursor: within(cursor), anchor: within(anchor), text: text.get(from..to)?.to_owned() })
    }
}

/// What is known of a field that is enabled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextField {
    /// The text around the cursor, if the program says it.
    pub surrounding: Option<Surrounding>,
    /// The last change of that text was the input method's.
    pub by_method: bool,
    /// Content hint bits, within [`CONTENT_HINTS`].
    pub hint: u32,
    /// Content purpose, at most [`CONTENT_PURPOSES`].
    pub purpose: u32,
    /// Where the cursor is in the surface: x, y, width, height; `None`: the program does not say it.
    pub rect: Option<(i32, i32, i32, i32)>,
}

impl TextField {
    /// The field of a message that the state machine let pass; `None`: there is none.
    pub fn from_message(message: &With<'_, TextInput>) -> Option<Self> {
        let fixed = message.fixed;
        let surrounding = fixed.has_text.get().then(|| Surrounding {
            text: str::from_utf8(message.tail).unwrap_or_default().to_owned(),
            cursor: fixed.cursor.get(),
            anchor: fixed.anchor.get(),
        });
        let rect = Some(fixed.rect.get()).filter(|rect| *rect != (0, 0, 0, 0));
        let (hint, purpose, by_method) = (fixed.hint.get(), fixed.purpose.get(), fixed.by_method.get());
        fixed.enabled.get().then_some(Self { surrounding, by_method, hint, purpose, rect })
    }

    /// The fixed part and the text of the message that says it; `focus` is the serial of the focus.
    pub fn to_message(field: Option<&Self>, focus: u32) -> (TextInput, &str) {
        let unknown = Self::default();
        let said = field.unwrap_or(&unknown);
        let text = field.and_then(|field| field.surrounding.as_ref());
        let (x, y, width, height) = said.rect.unwrap_or_default();
        let fixed = TextInput {
            focus: focus.into(),
            enabled: field.is_some().into(),
            has_text: text.is_some().into(),
            by_method: said.by_method.into(),
            cursor: text.map_or(0, |text| text.cursor).into(),
            anchor: text.map_or(0, |text| text.anchor).into(),
            hint: said.hint.into(),
            purpose: said.purpose.into(),
            rect: Rect::new(x, y, width, height),
        };
        (fixed, text.map_or("", |text| &text.text))
    }
}

/// What an input method wants done to a field, all at once and in this order: what was being composed is
/// taken away, text around the cursor deleted, text inserted, and what is being composed now is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Bytes to delete before and after the cursor.
    pub delete: Option<(u32, u32)>,
    /// Text to insert.
    pub insert: Option<String>,
    /// Text that is being composed, and where its cursor begins and ends; -1 in both: it has none.
    pub preedit: Option<(String, i32, i32)>,
}

impl Edit {
    /// Sets what is being composed. Too long a text is cut, and a cursor that is no place in it hidden.
    pub fn compose(&mut self, text: &str, begin: i32, end: i32) {
        let text = &text[..text.floor_char_boundary(MAX_INPUT_TEXT)];
        let place = |at: i32| usize::try_from(at).is_ok_and(|at| text.is_char_boundary(at));
        let (begin, end) = if place(begin) && place(end) { (begin, end) } else { (-1, -1) };
        self.preedit = Some((text.to_owned(), begin, end));
    }

    /// Sets the text to insert; too long a text is cut.
    pub fn insert(&mut self, text: &str) {
        self.insert = Some(text[..text.floor_char_boundary(MAX_INPUT_TEXT)].to_owned());
    }

    /// Sets what is to be deleted.
    pub fn delete(&mut self, before: u32, after: u32) {
        let most = MAX_INPUT_TEXT as u32;
        self.delete = Some((before.min(most), after.min(most)));
    }
}

/// What was said of the text around the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Around {
    /// Nothing: it is as it was.
    #[default]
    Unsaid,
    /// This, or that none is known.
    Said(Option<Surrounding>),
}

/// What a program has said of its field since its last commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    enable: Option<bool>,
    surrounding: Around,
    by_other: bool,
    content: Option<(u32, u32)>,
    rect: Option<(i32, i32, i32, i32)>,
}

impl Pending {
    /// The field begins anew, as one of which nothing is known, or ends.
    pub fn enable(&mut self, enable: bool) {
        *self = Self { enable: Some(enable), ..Self::default() };
    }

    /// The text around the cursor. One that makes no sense is taken for none.
    pub fn surrounding(&mut self, text: &str, cursor: i32, anchor: i32) {
        self.surrounding = Around::Said(Surrounding::new(text, cursor, anchor));
    }

    /// Somebody else than the input method has changed the text.
    pub fn changed_by_other(&mut self) {
        self.by_other = true;
    }

    /// Hints and purpose; unknown ones are dropped.
    pub fn content(&mut self, hint: u32, purpose: u32) {
        let purpose = if purpose <= CONTENT_PURPOSES { purpose } else { 0 };
        self.content = Some((hint & CONTENT_HINTS, purpose));
    }

    /// Where the cursor is.
    pub fn rect(&mut self, x: i32, y: i32, width: i32, height: i32) {
        let [x, y] = [x, y].map(|v| v.clamp(-MAX_OFFSET, MAX_OFFSET));
        let [width, height] = [width, height].map(|v| v.clamp(0, MAX_OFFSET));
        self.rect = Some((x, y, width, height));
    }

    fn apply(self, field: &mut TextField) {
        field.by_method = !self.by_other;
        if let Around::Said(surrounding) = self.surrounding {
            field.surrounding = surrounding;
        }
        if let Some((hint, purpose)) = self.content {
            (field.hint, field.purpose) = (hint, purpose);
        }
        if self.rect.is_some() {
            field.rect = self.rect;
        }
    }
}

/// What is to be said to dom0 after a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The window that the field is in.
    pub window: u32,
    /// Serial of the focus.
    pub focus: u32,
    /// Number of the field.
    pub number: u32,
    /// The field; `None`: it is no more.
    pub field: Option<TextField>,
}

#[derive(Clone, Debug)]
struct Object<K> {
    key: K,
    pending: Pending,
    commits: u32,
}

/// All text-input objects of the programs of one server. `K` names an object.
///
/// Only a program that has the focus is listened to, and only one of its objects is enabled at a time.
#[derive(Clone, Debug)]
pub struct Fields<K> {
    objects: Vec<Object<K>>,
    focus: Option<(u32, u32)>,
    active: Option<(K, u32, TextField)>,
    last_number: u32,
}

impl<K> Default for Fields<K> {
    fn default() -> Self {
        Self { objects: Vec::new(), focus: None, active: None, last_number: 0 }
    }
}

impl<K: Clone + PartialEq> Fields<K> {
    /// A new object.
    pub fn add(&mut self, key: K) {
        self.objects.push(Object { key, pending: Pending::default(), commits: 0 });
    }

    /// An object is gone; what is to be said of it.
    pub fn remove(&mut self, key: &K) -> Option<Said> {
        self.objects.retain(|object| object.key != *key);
        self.active.take_if(|(active, ..)| active == key).and_then(|(_, number, _)| self.said(number, None))
    }

    /// All objects.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.objects.iter().map(|object| &object.key)
    }

    /// dom0's input method serves this window since the event of this serial, or none. Every field is
    /// disabled until its program enables it again.
    pub fn set_focus(&mut self, focus: Option<(u32, u32)>) {
        self.focus = focus;
        self.active = None;
        for object in &mut self.objects {
            object.pending = Pending::default();
        }
    }

    /// The window that is served.
    pub fn window(&self) -> Option<u32> {
        self.focus.map(|(window, _)| window)
    }

    /// What a program has said through an object since its last commit.
    pub fn pending(&mut self, key: &K) -> Option<&mut Pending> {
        self.objects.iter_mut().find(|object| object.key == *key).map(|object| &mut object.pending)
    }

    /// The program commits; `focused`: it is the one whose window is served. What is to be said.
    pub fn commit(&mut self, key: &K, focused: bool) -> Option<Said> {
        let object = self.objects.iter_mut().find(|object| object.key == *key)?;
        object.commits = object.commits.wrapping_add(1);
        let pending = std::mem::take(&mut object.pending);
        self.focus.filter(|_| focused)?;
        match (pending.enable, &mut self.active) {
            // Another field of the program is enabled: it has to be disabled first.
            (_, Some((active, ..))) if active != key => None,
            (Some(true), _) => {
                let mut field = TextField::default();
                pending.apply(&mut field);
                self.last_number = self.last_number.wrapping_add(1).max(1);
                self.active = Some((key.clone(), self.last_number, field.clone()));
                self.said(self.last_number, Some(field))
            }
            (Some(false), active) => {
                let (_, number, _) = active.take()?;
                self.said(number, None)
            }
            (None, active) => {
                let (_, number, field) = active.as_mut()?;
                let before = field.clone();
                pending.apply(field);
                let (number, now) = (*number, field.clone());
                if before == now { None } else { self.said(number, Some(now)) }
            }
        }
    }

    /// The object to which an edit for the field of this number goes, and how often it was committed;
    /// `None`: that field is no longer enabled.
    pub fn object_for(&self, number: u32) -> Option<(&K, u32)> {
        let (key, ..) = self.active.as_ref().filter(|(_, active, _)| *active == number)?;
        self.objects.iter().find(|object| object.key == *key).map(|object| (&object.key, object.commits))
    }

    fn said(&self, number: u32, field: Option<TextField>) -> Option<Said> {
        self.focus.map(|(window, focus)| Said { window, focus, number, field })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_text_is_cut_around_its_cursor() {
        let text = "ä".repeat(5_000);
        for cursor in [0, 2, 5_000, 9_998, 10_000] {
            let cut = Surrounding::new(&text, cursor, 0).unwrap();
            assert!(cut.text.len() <= MAX_INPUT_TEXT && cut.text.len() > MAX_INPUT_TEXT - 4);
            assert!(cut.text.is_char_boundary(cut.cursor.into()));
            assert!(cut.text.is_char_boundary(cut.anchor.into()));
            let after = 10_000 - cursor as usize;
            assert!(usize::from(cut.cursor) >= (cursor as usize).min(1_990));
            assert!(cut.text.len() - usize::from(cut.cursor) >= after.min(1_990));
        }
        assert_eq!(Surrounding::new("ä", 1, 0), None, "in the middle of a character");
        assert_eq!(Surrounding::new("a", 0, -1), None);
        assert_eq!(Surrounding::new("a", 2, 0), None);
    }

    #[test]
    fn what_is_said_holds_from_the_commit_on() {
        let mut fields = Fields::default();
        fields.add('a');
        fields.pending(&'a').unwrap().enable(true);
        assert_eq!(fields.commit(&'a', true), None, "no window is served");
        fields.set_focus(Some((7, 3)));
        fields.pending(&'a').unwrap().enable(true);
        fields.pending(&'a').unwrap().surrounding("abc", 1, 1);
        assert_eq!(fields.commit(&'a', false), None, "that of another program");
        fields.pending(&'a').unwrap().enable(true);
        let said = fields.commit(&'a', true).unwrap();
        assert_eq!((said.window, said.focus, said.number), (7, 3, 1));
        assert_eq!(said.field.unwrap().surrounding, None, "it was said before it was enabled");
        fields.pending(&'a').unwrap().rect(1, 2, 3, -4);
        let said = fields.commit(&'a', true).unwrap();
        assert_eq!(said.field.unwrap().rect, Some((1, 2, 3, 0)));
        assert_eq!(fields.commit(&'a', true), None, "nothing is new");
        assert_eq!(fields.object_for(1), Some((&'a', 5)));
        // Another object has to wait; enabled anew the field is another one.
        fields.add('b');
        fields.pending(&'b').unwrap().enable(true);
        assert_eq!(fields.commit(&'b', true), None);
        fields.pending(&'a').unwrap().enable(true);
        assert_eq!(fields.commit(&'a', true).unwrap().number, 2);
        assert_eq!(fields.object_for(1), None);
        assert_eq!(fields.remove(&'a').unwrap().field, None);
        fields.pending(&'b').unwrap().enable(true);
        assert_eq!(fields.commit(&'b', true).unwrap().number, 3);
        fields.set_focus(None);
        assert_eq!(fields.object_for(3), None);
    }

    #[test]
    fn an_edit_stays_within_bounds() {
        let mut edit = Edit::default();
        edit.compose(&"本".repeat(2_000), 3, 5_999);
        edit.delete(u32::MAX, 3);
        let (text, begin, end) = edit.preedit.unwrap();
        assert_eq!((text.len(), begin, end), (3_999, -1, -1));
        assert_eq!(edit.delete, Some((4_000, 3)));
        let mut edit = Edit::default();
        edit.compose("日本", 3, 6);
        assert_eq!(edit.preedit, Some(("日本".into(), 3, 6)));
        edit.compose("日本", 1, 6);
        assert_eq!(edit.preedit, Some(("日本".into(), -1, -1)));
    }

    proptest! {
        #[test]
        fn a_field_survives_its_message(
            text in prop::option::of("\\PC{0,40}"), at in (0usize..60, 0usize..60), by_method: bool,
            hint in 0..=CONTENT_HINTS, purpose in 0..=CONTENT_PURPOSES,
            rect in prop::option::of((-99i32..99, -99i32..99, 1i32..99, 0i32..99)),
        ) {
            let surrounding = text.map(|text| {
                let place = |at: usize| text.floor_char_boundary(at.min(text.len())) as i32;
                Surrounding::new(&text, place(at.0), place(at.1)).unwrap()
            });
            let field = TextField { surrounding, by_method, hint, purpose, rect };
            let (fixed, tail) = TextField::to_message(Some(&field), 9);
            let message = With { fixed: &fixed, tail: tail.as_bytes() };
            prop_assert_eq!(TextField::from_message(&message), Some(field));
        }

        #[test]
        fn only_the_enabled_field_of_the_focused_program_is_heard(
            steps in prop::collection::vec((0u8..6, 0u8..3, any::<bool>()), 0..60),
        ) {
            let mut fields = Fields::default();
            (0..3).for_each(|key| fields.add(key));
            let (mut active, mut serial, mut last) = (None::<(u8, u32)>, 0, 0);
            for (step, key, yes) in steps {
                match step {
                    0 => {
                        serial += 1;
                        fields.set_focus(yes.then_some((1, serial)));
                        active = None;
                    }
                    1 => { fields.pending(&key).unwrap().enable(yes); }
                    2 => { fields.pending(&key).unwrap().rect(serial as i32, 0, 1, 1); }
                    _ => {
                        let said = fields.commit(&key, yes);
                        if let Some(said) = said {
                            prop_assert!(yes && fields.window() == Some(1) && said.focus == serial);
                            prop_assert!(active.is_none_or(|(held, _)| held == key));
                            if said.field.is_some() && active.is_none_or(|(_, n)| n != said.number) {
                                prop_assert!(said.number > last);
                                last = said.number;
                            }
                            active = said.field.map(|_| (key, said.number));
                        }
                    }
                }
                for number in 0..=last {
                    let found = fields.object_for(number).map(|(key, _)| *key);
                    prop_assert_eq!(found, active.filter(|(_, n)| *n == number).map(|(key, _)| key));
                }
            }
        }
    }
}
