//! Sections `vm` and `drm`: what the lanes with virtual machines found, from what they printed.

use std::{collections::BTreeMap, fs, path::Path};

use transom_tests::figure::{Told, read};

use crate::report::{Figure, Goal, quantile};

/// Figures that must be there, and what they should be.
const GOALS: [(&str, Goal); 14] = [
    ("vm.copied_bytes_per_frame", Goal::AtMost(0.0)),
    ("vm.wire_bytes_per_4k_commit", Goal::AtMost(256.0)),
    ("vm.commit_cost.vga_us", Goal::None),
    ("vm.commit_cost.4k_us", Goal::None),
    ("vm.commit_cost.4k_over_vga", Goal::AtMost(1.2)),
    ("vm.start.minimal_s", Goal::None),
    ("vm.start.agent_s", Goal::None),
    ("vmm.overhead_mib", Goal::AtMost(5.0)),
    ("vmm.cpu_ms_to_first_instruction", Goal::AtMost(20.0)),
    ("vmm.idle_wakeups_per_s", Goal::None),
    ("vm.idle_wakeups_per_s", Goal::None),
    ("drm.missed_vblanks.pixman", Goal::None),
    ("drm.missed_vblanks.gles", Goal::None),
    ("drm.key_to_flip.over_native", Goal::AtMost(1.0)),
];

/// Reads the logs of the lanes in this folder.
pub(crate) fn figures(logs: &Path, figures: &mut Vec<Figure>) -> Result<(), String> {
    let mut told: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    let entries = fs::read_dir(logs).map_err(|e| format!("{}: {e}", logs.display()))?;
    for entry in entries.flatten() {
        let text = fs::read(entry.path()).map_err(|e| format!("{}: {e}", entry.path().display()))?;
        for figure in String::from_utf8_lossy(&text).lines().filter_map(read) {
            told.entry(figure.name.clone()).or_default().push(figure);
        }
    }
    let missing: Vec<&str> =
        GOALS.iter().map(|(name, _)| *name).filter(|name| !told.contains_key(*name)).collect();
    for (name, told) in told {
        let goal = GOALS.iter().find(|(known, _)| *known == name).map_or(Goal::None, |(_, goal)| *goal);
        let samples = told.iter().map(|one| one.samples as usize).sum();
        let unit = told.first().map(|one| one.unit.clone()).unwrap_or_default();
        // Told more than once: the one in the middle.
        let value = quantile(&mut told.iter().map(|one| one.value).collect::<Vec<_>>(), 0.5)?;
        figures.push(Figure::new(name, value, unit, goal, samples));
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("no lane told {}", missing.join(", "))) }
}
