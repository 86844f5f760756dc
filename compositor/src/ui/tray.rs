//! Status icons of qubes in the bar, each in its qube's colour (rule FRAME).
//!
//! A qube that changes its icons all the time makes dom0 draw no more often than a few times a second.

use std::{collections::BTreeMap, time::Duration};

use smithay::utils::{Logical, Point, Rectangle};
use transom_protocol::{
    message::{StatusIconActivate, ToQube},
    types::{Activation, Status},
};

use super::bar::IconLook;
use crate::{Desktop, ipc, qubes::StatusIcon, trust::QubeId};

/// Most icons of a qube in the bar.
pub(crate) const PER_QUBE: usize = 5;
/// Time between changes that are shown, of one qube.
const BETWEEN: Duration = Duration::from_millis(200);

/// The icons of a qube.
#[derive(Debug, Default)]
struct Icons {
    /// As it told last.
    told: BTreeMap<u32, StatusIcon>,
    /// As they are shown.
    shown: BTreeMap<u32, StatusIcon>,
    /// Before this nothing new is shown.
    next: Duration,
    changed: bool,
}

impl Icons {
    /// Takes up what was told, if it is time. True if something did.
    fn take_up(&mut self, now: Duration) -> bool {
        if !self.changed || now < self.next {
            return false;
        }
        self.changed = false;
        self.next = now + BETWEEN;
        let differs = self.shown != self.told;
        self.shown.clone_from(&self.told);
        differs
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Tray {
    qubes: BTreeMap<QubeId, Icons>,
}

impl Tray {
    /// A change of a qube's icons. True if it is to be shown now.
    pub(crate) fn change(
        &mut self,
        qube: QubeId,
        name: u32,
        icon: Option<StatusIcon>,
        now: Duration,
    ) -> bool {
        let icons = self.qubes.entry(qube).or_default();
        match icon {
            Some(icon) => drop(icons.told.insert(name, icon)),
            None => drop(icons.told.remove(&name)),
        }
        icons.changed = true;
        icons.take_up(now)
    }

    /// A qube has gone. True if it had some.
    pub(crate) fn qube_gone(&mut self, qube: QubeId) -> bool {
        self.qubes.remove(&qube).is_some_and(|icons| !icons.shown.is_empty())
    }

    /// Shows what was told meanwhile. True if something is new.
    pub(crate) fn tick(&mut self, now: Duration) -> bool {
        self.qubes.values_mut().fold(false, |any, icons| icons.take_up(now) | any)
    }

    /// When there is something new to show.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.qubes.values().filter(|icons| icons.changed).map(|icons| icons.next).min()
    }

    /// What is to be seen of a qube.
    fn of(&self, qube: QubeId) -> impl Iterator<Item = &StatusIcon> {
        let icons = self.qubes.get(&qube).into_iter().flat_map(|icons| icons.shown.values());
        icons.filter(|icon| icon.status != Status::Passive).take(PER_QUBE)
    }
}

impl Desktop {
    /// A qube has an icon, or it has changed.
    pub(crate) fn status_icon(&mut self, qube: QubeId, icon: StatusIcon, now: Duration) {
        let Some(link) = self.qubes.get(qube) else { return };
        if link.label().is_none() || !self.config.takes_status_icons(&link.qube.name) {
            return;
        }
        if self.ui.tray.change(qube, icon.name, Some(icon), now) {
            self.damage_all();
        }
    }

    /// It has it no more.
    pub(crate) fn status_icon_gone(&mut self, qube: QubeId, name: u32, now: Duration) {
        if self.ui.tray.change(qube, name, None, now) {
            self.damage_all();
        }
    }

    /// What the bar shows: qube by qube, in the order of their names.
    pub(super) fn icon_looks(&self) -> Vec<IconLook> {
        let mut qubes: Vec<_> = self.qubes.iter().filter_map(|link| Some((link, link.label()?))).collect();
        qubes.sort_by(|(a, _), (b, _)| a.qube.name.cmp(&b.qube.name));
        let looks = qubes.into_iter().flat_map(|(link, label)| {
            self.ui.tray.of(link.id).map(move |icon| IconLook {
                key: (link.id, icon.name),
                qube: link.qube.name.clone(),
                label,
                title: icon.title.clone(),
                icon: icon.icon.clone(),
                attention: icon.status == Status::NeedsAttention,
            })
        });
        looks.collect()
    }

    /// Icons as they were drawn on the bars, with their places in logical pixels of the desktop.
    fn placed_icons(&self) -> impl Iterator<Item = (&IconLook, Rectangle<i32, Logical>)> {
        self.screens.iter().flat_map(|screen| {
            let bar = self.ui.kept.bars.get(&screen.id);
            bar.into_iter().flat_map(|bar| bar.look.icons.iter().zip(&bar.icons)).filter_map(
                |(icon, place)| {
                    let place = (*place)?;
                    let corner = screen.area.loc + Point::from((place.x, place.y));
                    Some((icon, Rectangle::new(corner, (place.w, place.h).into())))
                },
            )
        })
    }

    /// A press on an icon of the bar.
    pub(crate) fn press_on_icons(&mut self, at: Point<f64, Logical>, activation: Activation) -> bool {
        let hit = self.placed_icons().find(|(_, area)| area.to_f64().contains(at));
        let Some((qube, name)) = hit.map(|(icon, _)| icon.key) else { return false };
        let Some(link) = self.qubes.get_mut(qube) else { return true };
        if link.session().notifications().icons().any(|icon| icon == name) {
            link.send(
                0,
                0,
                &ToQube::StatusIconActivate(&StatusIconActivate { icon: name.into(), activation }),
            );
        }
        true
    }

    /// For the control socket.
    pub(crate) fn icon_states(&self) -> Vec<ipc::StatusIcon> {
        let state = |(icon, area): (&IconLook, Rectangle<i32, Logical>)| ipc::StatusIcon {
            qube: icon.qube.clone(),
            title: icon.title.clone(),
            attention: icon.attention,
            area: [area.loc.x, area.loc.y, area.size.w, area.size.h],
        };
        self.placed_icons().map(state).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icon(name: u32, status: Status, title: &str) -> StatusIcon {
        StatusIcon { name, status, title: title.into(), icon: None }
    }

    fn titles(tray: &Tray) -> Vec<&str> {
        tray.of(QubeId(1)).map(|icon| icon.title.as_str()).collect()
    }

    #[test]
    fn changes_are_shown_a_few_times_a_second() {
        let (mut tray, ms) = (Tray::default(), Duration::from_millis);
        assert!(tray.change(QubeId(1), 1, Some(icon(1, Status::Active, "a")), ms(0)));
        for count in 0..1_000 {
            let title = count.to_string();
            assert!(!tray.change(QubeId(1), 1, Some(icon(1, Status::Active, &title)), ms(count / 10)));
        }
        // Another qube's do not wait for it.
        assert!(tray.change(QubeId(2), 1, Some(icon(1, Status::Active, "b")), ms(100)));
        assert_eq!(titles(&tray), ["a"]);
        assert_eq!(tray.next_deadline(), Some(ms(200)));
        assert!(!tray.tick(ms(199)) && tray.tick(ms(200)));
        assert_eq!((titles(&tray), tray.next_deadline()), (vec!["999"], None));
        // One that comes and goes meanwhile was never there.
        assert!(!tray.change(QubeId(1), 2, Some(icon(2, Status::Active, "c")), ms(250)));
        assert!(!tray.change(QubeId(1), 2, None, ms(260)) && !tray.tick(ms(500)));
        assert!(tray.qube_gone(QubeId(1)) && !tray.qube_gone(QubeId(1)));
    }

    #[test]
    fn some_are_hidden() {
        let mut tray = Tray::default();
        tray.change(QubeId(1), 1, Some(icon(1, Status::Passive, "passive")), Duration::ZERO);
        for name in 2..10 {
            let now = Duration::from_secs(name.into());
            tray.change(QubeId(1), name, Some(icon(name, Status::NeedsAttention, "x")), now);
        }
        assert_eq!(titles(&tray), ["x"; PER_QUBE]);
    }
}
