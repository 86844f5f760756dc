//! What the input method knows of the text field it serves, and what may come back from it. Pure.
//!
//! Rules FOCUS and INTENT: only the window that has the keys is heard, a field of any other is not there.
//! What the input method answers counts for the field that it was told of last and for no other: an answer
//! that it gave before it knew of that field is dropped, and with it what was being composed. The same holds
//! for keys that it was given and hands back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use transom_protocol::text_field::TextField;

use crate::{
    input::keyboard::{ForwardState, ModifierState},
    render::scene::SurfaceKey,
};

/// The input method hears of a field this often in a period, whatever a qube says (NO-STALL): its queue
/// is bounded, and what does not read in time is cut off.
const MOST: u32 = 32;
/// Length of that period.
const PERIOD: Duration = Duration::from_millis(50);

/// What the input method is to be told, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// A field is there, and nothing is known of it.
    Activate,
    /// It is no more.
    Deactivate,
    /// All that is known of it.
    State(TextField),
    /// What was told since the last one belongs together.
    Done,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// The window that is served, and the serial of that focus.
    served: Option<(SurfaceKey, u32)>,
    /// Its text field, as it said last.
    field: Option<(u32, TextField)>,
    /// The field as the input method was told.
    told: Option<(u32, TextField)>,
    /// `done` events that it was sent.
    count: u32,
    /// Their number when it was told of the field.
    since: u32,
    /// It has shown that it knows of the field.
    knows: bool,
    /// Keys that the person holds down, whose press it was given.
    held: BTreeSet<u32>,
    /// Presses that it was given and has not handed back, and the modifiers of that moment.
    owed: BTreeMap<u32, ModifierState>,
    period: (Duration, u32),
}

impl Service {
    /// Another input method, which knows nothing, or none.
    pub(crate) fn begin_anew(&mut self) {
        (self.told, self.count, self.since) = (None, 0, 0);
        self.forget();
    }

    /// The window that is served.
    pub(crate) fn served(&self) -> Option<SurfaceKey> {
        self.served.map(|(key, _)| key)
    }

    /// This window is served from now on, since the event of this serial, or none.
    pub(crate) fn serve(&mut self, served: Option<(SurfaceKey, u32)>) {
        self.served = served;
        self.field = None;
        self.forget();
    }

    fn forget(&mut self) {
        self.knows = false;
        self.held.clear();
        self.owed.clear();
    }

    /// A window says what its text field is. Ignored unless it is served since the focus that it names, and
    /// the field is no older one.
    pub(crate) fn say(&mut self, key: SurfaceKey, focus: u32, number: u32, field: Option<TextField>) {
        let newest = self.field.as_ref().map_or(0, |(number, _)| *number);
        if self.served != Some((key, focus)) || number < newest {
            return;
        }
        if field.is_none() || number != newest {
            self.forget();
        }
        self.field = field.map(|field| (number, field));
    }

    /// Something is to be told.
    pub(crate) fn owes(&self) -> bool {
        self.told != self.field
    }

    /// What is to be told now. That a field is gone is told at once, all else no more often than is good.
    pub(crate) fn news(&mut self, now: Duration) -> Vec<Tell> {
        let mut out = Vec::new();
        let number = |field: &Option<(u32, TextField)>| field.as_ref().map(|(number, _)| *number);
        if self.told.is_some() && number(&self.told) != number(&self.field) {
            self.told = None;
            self.done([Tell::Deactivate], &mut out);
        }
        if !self.owes() {
            return out;
        }
        if now.saturating_sub(self.period.0) >= PERIOD {
            self.period = (now, 0);
        }
        if self.period.1 >= MOST {
            return out;
        }
        self.period.1 += 1;
        if let Some((_, field)) = self.field.clone() {
            if self.told.is_none() {
                self.done([Tell::Activate, Tell::State(field)], &mut out);
                self.since = self.count;
            } else {
                self.done([Tell::State(field)], &mut out);
            }
        }
        self.told = self.field.clone();
        out
    }

    fn done(&mut self, tells: impl IntoIterator<Item = Tell>, out: &mut Vec<Tell>) {
        out.extend(tells);
        out.push(Tell::Done);
        self.count = self.count.wrapping_add(1);
    }

    /// When to look for news again.
    pub(crate) fn next_news(&self) -> Option<Duration> {
        (self.owes() && self.period.1 >= MOST).then(|| self.period.0 + PERIOD)
    }

    /// The input method knows of the field that its window has now.
    fn told_now(&self) -> Option<(SurfaceKey, u32)> {
        let ((number, _), (told, _)) = (self.field.as_ref()?, self.told.as_ref()?);
        Some((self.served?.0, *number)).filter(|_| number == told)
    }

    /// The window whose field the input method was told of, and the field.
    pub(crate) fn active(&self) -> Option<(SurfaceKey, &TextField)> {
        let (key, _) = self.told_now()?;
        self.field.as_ref().map(|(_, field)| (key, field))
    }

    /// The input method has an edit, knowing of `serial` events `done`: the window and the number of the
    /// field that it is for; `None`: for none that is there.
    pub(crate) fn accept(&mut self, serial: u32) -> Option<(SurfaceKey, u32)> {
        let known = serial.wrapping_sub(self.since) <= self.count.wrapping_sub(self.since);
        let to = self.told_now().filter(|_| known)?;
        self.knows = true;
        Some(to)
    }

    /// It has done something that it does only for a field that it knows of.
    pub(crate) fn answered(&mut self) {
        self.knows = self.told_now().is_some();
    }

    /// It has shown that it knows of the field.
    pub(crate) fn knows(&self) -> bool {
        self.knows && self.told_now().is_some()
    }

    /// A key of the person's for this window; `in_window`: the window was told that it is down. `true`: the
    /// input method is given it instead.
    pub(crate) fn give(
        &mut self,
        to: SurfaceKey,
        code: u32,
        state: ForwardState,
        in_window: bool,
        modifiers: ModifierState,
    ) -> bool {
        if self.told_now().is_none_or(|(key, _)| key != to) {
            return false;
        }
        match state {
            ForwardState::Pressed if in_window => false,
            ForwardState::Pressed => {
                self.held.insert(code);
                self.owed.insert(code, modifiers);
                true
            }
            ForwardState::Repeated => {
                let given = self.held.contains(&code);
                if given {
                    self.owed.insert(code, modifiers);
                }
                given
            }
            ForwardState::Released => self.held.remove(&code),
        }
    }

    /// The input method hands a press back that it was given: the modifiers of that moment. Each counts once.
    pub(crate) fn take_back(&mut self, code: u32) -> Option<ModifierState> {
        self.told_now()?;
        let modifiers = self.owed.remove(&code)?;
        self.knows = true;
        Some(modifiers)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trust::QubeId;

    fn window(number: u32) -> SurfaceKey {
        SurfaceKey { qube: QubeId(number % 2), window: number }
    }

    fn now() -> Duration {
        Duration::ZERO
    }

    fn field(hint: u32) -> TextField {
        TextField { hint, ..TextField::default() }
    }

    const NONE: ModifierState = ModifierState { depressed: 0, latched: 0, locked: 0, group: 0 };

    #[test]
    fn only_the_window_that_is_served_is_heard() {
        let mut service = Service::default();
        service.say(window(1), 5, 1, Some(field(0)));
        assert!(!service.owes(), "nobody is served");
        service.serve(Some((window(1), 5)));
        service.say(window(2), 5, 1, Some(field(0)));
        service.say(window(1), 4, 1, Some(field(0)));
        assert!(!service.owes(), "another window, an older focus");
        service.say(window(1), 5, 2, Some(field(0)));
        assert_eq!(service.news(now()), [Tell::Activate, Tell::State(field(0)), Tell::Done]);
        service.say(window(1), 5, 1, Some(field(7)));
        assert!(!service.owes(), "an older field");
        service.serve(None);
        assert_eq!(service.news(now()), [Tell::Deactivate, Tell::Done]);
    }

    #[test]
    fn an_answer_from_before_the_field_is_dropped() {
        let mut service = Service::default();
        service.serve(Some((window(1), 1)));
        service.say(window(1), 1, 1, Some(field(0)));
        service.news(now());
        assert_eq!(service.accept(0), None, "it did not know of it");
        assert_eq!(service.accept(1), Some((window(1), 1)));
        assert_eq!(service.accept(2), None, "nothing was told yet");
        // The focus moves: what was composed lands nowhere, whether or not it was told.
        service.serve(Some((window(2), 2)));
        assert_eq!(service.accept(1), None);
        service.say(window(2), 2, 2, Some(field(0)));
        assert_eq!(service.accept(1), None);
        service.news(now());
        for late in [0, 1, 2] {
            assert_eq!(service.accept(late), None);
        }
        assert_eq!(service.accept(3), Some((window(2), 2)));
        // The same field enabled anew is another one.
        service.say(window(2), 2, 3, Some(field(0)));
        assert_eq!(service.accept(3), None);
    }

    #[test]
    fn a_key_comes_back_once_and_to_its_field() {
        let mut service = Service::default();
        service.serve(Some((window(1), 1)));
        assert!(!service.give(window(1), 30, ForwardState::Pressed, false, NONE), "no field");
        service.say(window(1), 1, 1, Some(field(0)));
        service.news(now());
        assert!(!service.give(window(2), 30, ForwardState::Pressed, false, NONE));
        assert!(service.give(window(1), 30, ForwardState::Pressed, false, NONE));
        assert!(service.give(window(1), 30, ForwardState::Released, false, NONE));
        assert_eq!(service.take_back(30), Some(NONE));
        assert_eq!(service.take_back(30), None);
        // Its window knows that key to be down: the rest of it is its window's.
        assert!(!service.give(window(1), 31, ForwardState::Released, true, NONE));
        assert!(service.give(window(1), 32, ForwardState::Pressed, false, NONE));
        service.serve(Some((window(2), 2)));
        service.say(window(2), 2, 2, Some(field(0)));
        service.news(now());
        assert_eq!(service.take_back(32), None, "it was meant for another window");
        assert!(!service.give(window(2), 32, ForwardState::Released, false, NONE));
        assert!(!service.knows());
    }

    #[test]
    fn a_flood_is_told_in_portions_and_its_end_at_once() {
        let mut service = Service::default();
        service.serve(Some((window(1), 1)));
        let mut told = 0;
        for number in 1..=1_000 {
            service.say(window(1), 1, 1, Some(field(number % 512)));
            told += usize::from(!service.news(now()).is_empty());
        }
        assert_eq!(told, MOST as usize);
        assert_eq!(service.next_news(), Some(PERIOD));
        service.say(window(1), 1, 1, None);
        assert_eq!(service.news(now()), [Tell::Deactivate, Tell::Done]);
        service.say(window(1), 1, 2, Some(field(1)));
        assert!(service.news(now()).is_empty());
        assert_eq!(service.news(PERIOD).len(), 3);
    }

    proptest! {
        /// Whatever windows and input method do: an edit or a key reaches only the window that is served,
        /// for the field that it has now and that the input method had been told of.
        #[test]
        fn nothing_lands_elsewhere(
            steps in prop::collection::vec((0u8..8, 0u32..3, 0u32..6, any::<bool>()), 0..80),
        ) {
            let mut service = Service::default();
            let (mut served, mut serial, mut current) = (None, 0, None);
            // What each `done` told of: number of the field.
            let mut dones: Vec<Option<u32>> = vec![None];
            let mut given: BTreeMap<u32, u32> = BTreeMap::new();
            for (step, which, value, yes) in steps {
                let key = window(which);
                match step {
                    0 => {
                        serial += 1;
                        served = yes.then_some((key, serial));
                        service.serve(served);
                        current = None;
                    }
                    1 | 2 => {
                        let heard = served == Some((key, serial)) && value >= current.unwrap_or(0);
                        service.say(key, serial, value, yes.then(TextField::default));
                        if heard { current = yes.then_some(value); }
                    }
                    3 => {
                        let mut active = *dones.last().unwrap();
                        for tell in service.news(now()) {
                            match tell {
                                Tell::Activate => active = current,
                                Tell::Deactivate => active = None,
                                Tell::State(_) => prop_assert!(active.is_some() && active == current),
                                Tell::Done => dones.push(active),
                            }
                        }
                    }
                    4 => {
                        if let Some((to, number)) = service.accept(value) {
                            prop_assert_eq!(Some(to), served.map(|(key, _)| key));
                            prop_assert_eq!(Some(number), current);
                            prop_assert_eq!(dones[value as usize], current, "it knew of this field");
                        }
                    }
                    5 => {
                        let state = if yes { ForwardState::Pressed } else { ForwardState::Released };
                        if service.give(key, value, state, false, NONE) {
                            prop_assert_eq!(Some(key), served.map(|(key, _)| key));
                            prop_assert_eq!(*dones.last().unwrap(), current);
                            given.insert(value, current.unwrap());
                        }
                    }
                    6 => {
                        if service.take_back(value).is_some() {
                            prop_assert_eq!(given.remove(&value), current);
                        }
                    }
                    _ => { service.begin_anew(); dones = vec![None]; }
                }
                prop_assert!(service.active().is_none_or(|(key, _)| Some(key) == service.served()));
            }
        }
    }
}
