//! Short messages of dom0: what moved from where to where, what was refused, what went wrong.

use std::{collections::VecDeque, rc::Rc, time::Duration};

use transom_theming::{Label, NoticeSpec, Painter, Run, Scale};

use crate::render::scene::Picture;

/// How long a notice stays.
const STAYS: Duration = Duration::from_secs(5);
/// Most notices on screen at once; older ones go first.
const MOST: usize = 4;

/// A qube as notices name it.
pub type Named = (String, Label);

/// Something to tell the person. Texts from qubes are cleaned before they come here.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A qube broke the protocol and was cut off.
    LinkCut {
        /// Which.
        name: String,
        /// Its label.
        label: Label,
        /// Why.
        reason: String,
    },
    /// Plain words of dom0.
    Text(String),
    /// Words with qube names in their colours.
    Runs(Vec<Part>),
}

/// A piece of a notice.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// dom0's words.
    Text(String),
    /// A qube's name, in its colour.
    Qube(Named),
}

impl Part {
    /// As it is drawn.
    pub(crate) fn run(&self) -> Run<'_> {
        match self {
            Self::Text(text) => Run::Text(text),
            Self::Qube((name, label)) => Run::Qube { name, label: *label },
        }
    }
}

/// A notice as it was drawn, and the scale.
type Drawn = (u32, Rc<Picture>);

/// Notices on the screen, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    shown: VecDeque<(Duration, Notice, Option<Drawn>)>,
    /// One that stays until it is taken away.
    standing: Option<(Notice, Option<Drawn>)>,
}

impl Notices {
    pub(crate) fn push(&mut self, notice: Notice, now: Duration) {
        self.shown.push_back((now + STAYS, notice, None));
        while self.shown.len() > MOST {
            self.shown.pop_front();
        }
    }

    /// One that stays above the others until it is replaced or taken away.
    pub(crate) fn stand(&mut self, notice: Option<Notice>) {
        self.standing = notice.map(|notice| (notice, None));
    }

    /// When the next one goes.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.shown.front().map(|(until, ..)| *until)
    }

    /// Takes away what has been shown long enough. `true`: something went.
    pub(crate) fn expire(&mut self, now: Duration) -> bool {
        let before = self.shown.len();
        self.shown.retain(|(until, ..)| *until > now);
        self.shown.len() != before
    }

    /// Texts on screen now, for the control socket.
    pub(crate) fn texts(&self) -> Vec<String> {
        let standing = self.standing.iter().map(|(notice, _)| notice);
        standing.chain(self.shown.iter().map(|(_, notice, _)| notice)).map(Notice::to_string).collect()
    }

    /// Pictures on screen, oldest first.
    pub(crate) fn pictures(&mut self, painter: &mut Painter, scale: u32) -> Vec<Rc<Picture>> {
        let standing = self.standing.iter_mut().map(|(notice, drawn)| (notice, drawn));
        let passing = self.shown.iter_mut().map(|(_, notice, drawn)| (notice, drawn));
        standing
            .chain(passing)
            .map(|(notice, drawn)| {
                drawn.take_if(|(kept, _)| *kept != scale);
                drawn.get_or_insert_with(|| (scale, draw(painter, notice, scale))).1.clone()
            })
            .collect()
    }

    pub(crate) fn forget_pictures(&mut self) {
        let passing = self.shown.iter_mut().map(|(_, _, picture)| picture);
        for picture in passing.chain(self.standing.as_mut().map(|(_, picture)| picture)) {
            *picture = None;
        }
    }
}

impl Notice {
    fn parts(&self) -> Vec<Part> {
        match self {
            Self::LinkCut { name, label, reason } => {
                vec![Part::Qube((name.clone(), *label)), Part::Text(format!(" was cut off: {reason}"))]
            }
            Self::Text(text) => vec![Part::Text(text.clone())],
            Self::Runs(parts) => parts.clone(),
        }
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Apart as they are drawn, see `transom_theming::Run`.
        let mut apart = true;
        for Part::Text(text) | Part::Qube((text, _)) in self.parts() {
            if !apart && !text.starts_with([' ', ':', '?', ',', '.', '”']) {
                f.write_str(" ")?;
            }
            f.write_str(&text)?;
            apart = text.ends_with([' ', '“']);
        }
        Ok(())
    }
}

pub(super) fn draw(painter: &mut Painter, notice: &Notice, scale: u32) -> Rc<Picture> {
    let parts = notice.parts();
    let runs: Vec<Run<'_>> = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Run::Text(text),
            Part::Qube((name, label)) => Run::Qube { name, label: *label },
        })
        .collect();
    Picture::new(painter.notice(&NoticeSpec { runs: &runs, scale: Scale::new(scale) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_stands_is_there_until_it_is_taken_away() {
        let mut notices = Notices::default();
        notices.stand(Some(Notice::Text("wrong".into())));
        for number in 0..MOST + 2 {
            notices.push(Notice::Text(number.to_string()), Duration::from_secs(1));
        }
        assert_eq!(notices.texts(), ["wrong", "2", "3", "4", "5"]);
        assert!(notices.expire(Duration::from_hours(1)));
        assert_eq!((notices.texts(), notices.next_deadline()), (vec!["wrong".into()], None));
        notices.stand(None);
        assert!(notices.texts().is_empty());
    }
}
