//! Qubes that wait backstage: a disposable that is ready, with its program's windows drawn.
//!
//! Such a qube has a link as any other has: it draws at the right scale and with the right keymap, and its
//! pictures are there. Nothing of it is shown, heard or counted as a window until the person asks for its
//! program; what it draws gets no frame callbacks, and what it says beside its windows waits here.

use transom_hypervisor::supervisor::QubeInfo;

use super::{link::LinkEvent, supervisor::identity};
use crate::{Desktop, trust::QubeId};

/// Most that is kept of what a qube says beside its windows; what is more is lost.
const MAX_KEPT: usize = 64;

/// What a qube that waits has said and nobody has heard.
#[derive(Debug, Default)]
pub(crate) struct Backstage {
    kept: Vec<LinkEvent>,
}

impl Backstage {
    /// Takes what must not reach the person yet; gives back the rest, which is about windows that are not
    /// shown.
    pub(super) fn keep(&mut self, event: LinkEvent) -> Option<LinkEvent> {
        use LinkEvent as E;
        match event {
            E::Notify(_) | E::NotifyClosed(_) | E::StatusIcon(_) | E::StatusIconGone(_) => {
                if self.kept.len() < MAX_KEPT {
                    self.kept.push(event);
                }
                None
            }
            E::Bell(_) => None,
            event => Some(event),
        }
    }
}

impl Desktop {
    /// From now on nothing of this qube is shown.
    pub(super) fn send_backstage(&mut self, qube: QubeId) {
        if let Some(link) = self.qubes.get_mut(qube) {
            link.backstage = Some(Backstage::default());
        }
    }

    /// A qube is shown if it waited, as what it is now.
    pub(super) fn bring_on_stage(&mut self, info: &QubeInfo) {
        let Some(id) = self.qubes.by_name(info.name.as_str()).map(|link| link.id) else { return };
        let Some(link) = self.qubes.get_mut(id) else { return };
        let Some(waited) = link.backstage.take() else { return };
        link.qube = identity(info);
        for key in self.windows_of(id) {
            self.committed(key);
        }
        // Also if there is none: what was said of windows backstage holds no more.
        self.count_windows(id);
        let now = self.clock.now();
        for event in waited.kept {
            self.link_event(id, event, now);
        }
    }
}
