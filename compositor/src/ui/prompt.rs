//! Questions to the person (rules INTENT, OVER): what is asked, whom it may go to, and the answers.
//!
//! The safe answer is chosen at first; the one that gives something away is off for a moment, and as
//! long as it is not said to whom.

use std::{rc::Rc, time::Duration};

use smithay::utils::{Logical, Point, Rectangle};
use transom_theming::{Answer, Choice, Label, PromptSpec, Run};

use super::notices::{Notice, Part};
use crate::{
    Desktop,
    render::{
        scene::{Item, Picture},
        view::View,
    },
};

/// How long the answer that gives something away stays off (LOOK: against hasty clicks).
const ANSWER_DELAY: Duration = Duration::from_millis(500);
/// Most choices that are seen at once.
const ROWS: usize = 8;

/// Which question it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// The clipboard's, as it counts them.
    Paste(u64),
    /// A drag's, as it counts them.
    Drop(u64),
    /// A service call, as qubed counts them.
    Call(u64),
    /// Where a picture goes that the person has taken.
    Keep,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// No.
    Deny,
    /// No, and this qube asks no more.
    Silence,
    /// Yes; to the choice of this number, where there are some.
    Allow(Option<usize>),
}

/// A qube to choose; without a label it is a place of dom0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) label: Option<Label>,
    pub(crate) name: String,
    pub(crate) note: String,
}

/// What a picture shows of a question: the answer that gives something away was on, the answer and the
/// row that were chosen, and the scale.
type Look = (bool, usize, Option<usize>, u32);

/// A question as it was drawn.
#[derive(Debug)]
struct Drawn {
    look: Look,
    picture: Rc<Picture>,
    /// Where answers and rows are, relative to the picture.
    answers: Vec<Rectangle<i32, Logical>>,
    rows: Vec<Rectangle<i32, Logical>>,
    /// Number of the first row that is seen.
    first: usize,
}

/// A question to the person.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) asks: Asks,
    sentence: Vec<Part>,
    rows: Vec<Row>,
    /// The row that is chosen.
    row: Option<usize>,
    /// The answer that is chosen; 0 is the safe one.
    answer: usize,
    since: Duration,
    drawn: Option<Drawn>,
}

impl Prompt {
    /// A new question; the safe answer is chosen. What the person did themselves is no trap: it is done by Return.
    pub(crate) fn new(asks: Asks, sentence: Vec<Part>, now: Duration) -> Self {
        let answer = usize::from(asks == Asks::Keep);
        Self { asks, sentence, rows: Vec::new(), row: None, answer, since: now, drawn: None }
    }

    /// With qubes to choose from.
    pub(crate) fn with_choices(mut self, rows: Vec<Row>, chosen: Option<usize>) -> Self {
        self.row = chosen.filter(|row| *row < rows.len());
        self.rows = rows;
        self
    }

    fn is_late(&self, now: Duration) -> bool {
        self.asks == Asks::Keep || now.saturating_sub(self.since) >= ANSWER_DELAY
    }

    /// The answer that gives something away can be given.
    fn enabled(&self, now: Duration) -> bool {
        self.is_late(now) && (self.rows.is_empty() || self.row.is_some())
    }

    /// When the answer that gives something away comes on.
    pub(crate) fn enables_at(&self, now: Duration) -> Option<Duration> {
        (!self.is_late(now)).then_some(self.since + ANSWER_DELAY)
    }

    /// The answers, the one that gives something away last.
    fn answers(&self) -> &'static [&'static str] {
        match self.asks {
            Asks::Paste(_) => &["Do not allow", "Allow"],
            Asks::Keep => &["Discard", "Keep"],
            Asks::Drop(_) => &["Do not drop", "Drop"],
            Asks::Call(_) => &["Do not allow", "Do not ask again", "Allow"],
        }
    }

    fn given(&self, answer: usize) -> Given {
        match answer {
            0 => Given::Deny,
            last if last + 1 == self.answers().len() => Given::Allow(self.row),
            _ => Given::Silence,
        }
    }

    /// What is asked, as plain text.
    pub(crate) fn text(&self) -> String {
        let mut text = Notice::Runs(self.sentence.clone()).to_string();
        for (number, row) in self.rows.iter().enumerate() {
            let mark = if self.row == Some(number) { "*" } else { "" };
            let before = if number == 0 { " " } else { ", " };
            text.extend([before, mark, row.name.as_str()]);
        }
        text
    }

    pub(super) fn forget_picture(&mut self) {
        self.drawn = None;
    }

    /// The rows that are seen: those around the chosen one.
    fn seen(&self) -> std::ops::Range<usize> {
        let count = self.rows.len().min(ROWS);
        let first = (self.row.unwrap_or(0) + 1).saturating_sub(ROWS).min(self.rows.len() - count);
        first..first + count
    }
}

impl Desktop {
    /// Opens a prompt; dom0 has the keyboard until it is answered. A call that was asked about waits
    /// behind what the person wants to do now.
    pub(crate) fn open_prompt(&mut self, prompt: Prompt) {
        self.put_call_back();
        self.put_passphrase_back();
        self.ui.kept.launcher = None;
        self.ui.kept.capture = None;
        self.ui.kept.prompt = Some(prompt);
        if self.lock.covers() {
            // Nobody can be asked; the safe answer is given.
            let now = self.clock.now();
            self.prompt_answer(Given::Deny, now);
            return;
        }
        self.grab_keyboard();
        self.damage_all();
    }

    /// Closes the prompt without an answer, if it is this one.
    pub(crate) fn close_prompt(&mut self, asks: Asks) {
        if self.ui.kept.prompt.as_ref().is_some_and(|prompt| prompt.asks == asks) {
            self.ui.kept.prompt = None;
            self.grab_keyboard();
            self.damage_all();
            self.next_question();
        }
    }

    /// Answers the prompt. Giving something away counts only once that answer is on.
    pub(crate) fn prompt_answer(&mut self, given: Given, now: Duration) {
        let Some(prompt) = &self.ui.kept.prompt else { return };
        if matches!(given, Given::Allow(_)) && !prompt.enabled(now) {
            return;
        }
        match prompt.asks {
            Asks::Paste(id) => {
                self.close_prompt(Asks::Paste(id));
                let allow = matches!(given, Given::Allow(_));
                let effects = self.trust.clipboard.prompt_answer(id, allow, now);
                self.clipboard_effects(effects);
            }
            Asks::Keep => {
                self.close_prompt(Asks::Keep);
                self.keep_taken(match given {
                    Given::Allow(row) => row,
                    Given::Deny | Given::Silence => None,
                });
            }
            Asks::Drop(id) => {
                self.close_prompt(Asks::Drop(id));
                let allow = matches!(given, Given::Allow(_));
                let effects = self.trust.drag.prompt_answer(id, allow, now);
                self.drag_effects(effects);
            }
            Asks::Call(call) => self.answer_call(call, given),
        }
    }

    /// Gives the answer that is chosen.
    pub(crate) fn prompt_confirm(&mut self, now: Duration) {
        if let Some(prompt) = &self.ui.kept.prompt {
            let given = prompt.given(prompt.answer);
            self.prompt_answer(given, now);
        }
    }

    /// Chooses the next answer, or the one before.
    pub(crate) fn prompt_other_answer(&mut self, forward: bool) {
        if let Some(prompt) = &mut self.ui.kept.prompt {
            let count = prompt.answers().len();
            prompt.answer = (prompt.answer + if forward { 1 } else { count - 1 }) % count;
            self.damage_all();
        }
    }

    /// Chooses the next row, or the one before.
    pub(crate) fn prompt_other_row(&mut self, down: bool) {
        if let Some(prompt) = &mut self.ui.kept.prompt
            && !prompt.rows.is_empty()
        {
            let last = prompt.rows.len() - 1;
            prompt.row = Some(match prompt.row {
                None => {
                    if down {
                        0
                    } else {
                        last
                    }
                }
                Some(row) => {
                    if down {
                        (row + 1).min(last)
                    } else {
                        row.saturating_sub(1)
                    }
                }
            });
            self.damage_all();
        }
    }

    fn prompt_picture(&mut self, view: View) -> Option<&Drawn> {
        let now = self.clock.now();
        let scale = view.drawn_in();
        let ui = &mut self.ui;
        let prompt = ui.kept.prompt.as_mut()?;
        let look = (prompt.enabled(now), prompt.answer, prompt.row, view.scale);
        if prompt.drawn.as_ref().is_none_or(|drawn| drawn.look != look) {
            let runs: Vec<Run<'_>> = prompt.sentence.iter().map(Part::run).collect();
            let texts = prompt.answers();
            let answers: Vec<Answer<'_>> = (0..)
                .zip(texts)
                .map(|(number, text)| {
                    let gives_away = number + 1 == texts.len();
                    let enabled = !gives_away || look.0;
                    Answer { text, enabled, focused: number == prompt.answer, gives_away }
                })
                .collect();
            let seen = prompt.seen();
            let choices: Vec<Choice<'_>> = seen
                .clone()
                .map(|number| {
                    let row = &prompt.rows[number];
                    let chosen = prompt.row == Some(number);
                    Choice { label: row.label, name: &row.name, note: &row.note, chosen }
                })
                .collect();
            let spec =
                PromptSpec { sentence: &runs, choices: &choices, field: None, answers: &answers, scale };
            let drawn = ui.painter.prompt(&spec);
            let areas = |rects: Vec<transom_theming::Rect>| {
                rects.iter().map(|r| Rectangle::new((r.x, r.y).into(), (r.w, r.h).into())).collect()
            };
            prompt.drawn = Some(Drawn {
                look,
                answers: areas(drawn.answers),
                rows: areas(drawn.choices),
                first: seen.start,
                picture: Picture::new(drawn.image),
            });
        }
        prompt.drawn.as_ref()
    }

    pub(super) fn compose_prompt(&mut self, view: View, items: &mut Vec<Item>) {
        let Some(picture) = self.prompt_picture(view).map(|drawn| drawn.picture.clone()) else { return };
        let at = view.centred(picture.size());
        items.push(Item::Picture { picture, at, clip: None });
    }

    /// A press of the left button or a finger while a prompt is open.
    pub(super) fn press_on_prompt(&mut self, view: View, at: Point<f64, Logical>, now: Duration) {
        let Some(drawn) = self.prompt_picture(view) else { return };
        let at = view.inside(drawn.picture.size(), at);
        let hit =
            |areas: &[Rectangle<i32, Logical>]| areas.iter().position(|area| area.to_f64().contains(at));
        let (answer, row) = (hit(&drawn.answers), hit(&drawn.rows).map(|row| row + drawn.first));
        let Some(prompt) = &mut self.ui.kept.prompt else { return };
        if let Some(answer) = answer {
            let given = prompt.given(answer);
            self.prompt_answer(given, now);
        } else if row.is_some() {
            prompt.row = row;
            self.damage_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn call(rows: usize, chosen: Option<usize>) -> Prompt {
        let row = |n| Row { label: Some(Label::Red), name: format!("q{n}"), note: String::new() };
        Prompt::new(Asks::Call(1), vec![Part::Text("may it?".into())], at(1_000))
            .with_choices((0..rows).map(row).collect(), chosen)
    }

    #[test]
    fn the_answer_that_gives_something_away_is_off_at_first_and_while_nobody_is_chosen() {
        let mut prompt = call(3, Some(1));
        assert_eq!(prompt.enables_at(at(1_000)), Some(at(1_500)));
        assert!(!prompt.enabled(at(1_499)) && prompt.enabled(at(1_500)));
        prompt.row = None;
        assert!(!prompt.enabled(at(9_000)));
        assert!(call(0, None).enabled(at(1_500)), "where there is nothing to choose");
        assert_eq!(call(2, Some(7)).row, None, "no such row");
    }

    #[test]
    fn the_safe_answer_comes_first_and_the_other_last() {
        let prompt = call(2, Some(1));
        assert_eq!(prompt.given(prompt.answer), Given::Deny);
        assert_eq!((prompt.given(1), prompt.given(2)), (Given::Silence, Given::Allow(Some(1))));
        let paste = Prompt::new(Asks::Paste(4), Vec::new(), at(0));
        assert_eq!((paste.given(0), paste.given(1)), (Given::Deny, Given::Allow(None)));
        // What the person has taken themselves is kept by Return.
        let keep = Prompt::new(Asks::Keep, Vec::new(), at(0));
        assert_eq!((keep.given(keep.answer), keep.enabled(at(0))), (Given::Allow(None), true));
    }

    #[test]
    fn the_chosen_row_is_seen() {
        for rows in [1, 7, 8, 9, 64] {
            for chosen in [None, Some(0), Some(rows / 2), Some(rows - 1)] {
                let seen = call(rows, chosen).seen();
                assert_eq!(seen.len(), rows.min(ROWS));
                assert!(
                    seen.end <= rows && seen.contains(&chosen.unwrap_or(0)),
                    "{rows} {chosen:?} {seen:?}"
                );
            }
        }
        assert_eq!(call(0, None).seen(), 0..0);
        assert_eq!(call(2, Some(1)).text(), "may it? q0, *q1");
    }
}
