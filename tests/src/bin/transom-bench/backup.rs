//! Section `backup`: how fast a qube with a full volume is saved, checked and restored, and what going on with an
//! interrupted restore saves.

use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
    path::Path,
    time::Instant,
};

use transom_hypervisor::{
    backup::{self, Archive, BackupError, Keys, Lock, Output, Progress, Watch},
    store::{QubeConfig, Store, Trash},
    supervisor::{LabelName, QubeName},
};

use crate::report::{Figure, Goal, quantile};

/// A pair of keys of no other use.
const PUBLIC: &str = "age16tvp0rkq34t3nq90xgawg8xp560fp3meeg24mteneeqnl87kfstsjj0ap9";
const SECRET: &str = "AGE-SECRET-KEY-1GTG2N0UATRFKZPU40DD2Q8EXKXXUS4P23CUZVW58WHHELAVX56ZQ93P97C";
/// Where it is measured: on the disk that all else here is on.
const DIR: &str = "target/bench";
/// Bytes between two journals.
const STEP: u64 = 32 << 20;

/// Ends it after so many bytes, if at all.
struct Until(Option<u64>, u64);

impl Watch for Until {
    fn progress(&mut self, progress: &Progress<'_>) {
        self.1 = progress.done;
    }
    fn note(&mut self, _: &str) {}
    fn go_on(&mut self) -> Result<(), BackupError> {
        if self.0.is_some_and(|end| self.1 >= end) { Err(BackupError::Interrupted) } else { Ok(()) }
    }
}

fn open(path: &Path) -> Result<Archive, String> {
    let file = File::open(path).map_err(text)?;
    let keys = Keys::Identities(backup::identities(SECRET)?);
    Archive::open(backup::open_file(file, keys).map_err(text)?).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Bytes that do not repeat, as those of an encrypted volume.
fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    let mut random = File::open("/dev/urandom")?;
    io::copy(&mut io::Read::take(&mut random, bytes), file)?;
    file.flush()?;
    file.rewind()
}

pub(crate) fn speed(quick: bool, figures: &mut Vec<Figure>) -> Result<(), String> {
    let (bytes, times) = if quick { (64 << 20, 1) } else { (512 << 20, 3) };
    std::fs::create_dir_all(DIR).map_err(text)?;
    let temp = tempfile::Builder::new().prefix("backup-").tempdir_in(DIR).map_err(text)?;
    let mut store = Store::open(&temp.path().join("data")).map_err(text)?;
    let name = QubeName::new("full").map_err(text)?;
    let copy = QubeName::new("copy").map_err(text)?;
    store.create(&name, &QubeConfig::new(LabelName::new("grey").map_err(text)?)).map_err(text)?;
    let mut volume = File::create(store.plain_volume(&name)).map_err(text)?;
    fill(&mut volume, bytes).map_err(text)?;
    volume.sync_all().map_err(text)?;
    let wanted = [(name.clone(), copy.clone())];
    let path = temp.path().join("full.age");
    let mut seconds: [Vec<f64>; 4] = Default::default();
    for _ in 0..times {
        let mut begin = Instant::now();
        let mut lap = || std::mem::replace(&mut begin, Instant::now()).elapsed().as_secs_f64();
        let lock = Lock::Recipients(vec![backup::recipient(PUBLIC)?]);
        let output = Output::file(&path).map_err(text)?;
        let output =
            backup::create(&mut store, std::slice::from_ref(&name), lock, output, &mut Until(None, 0));
        output.and_then(Output::finish).map_err(text)?;
        seconds[0].push(lap());
        backup::verify(&mut open(&path)?, &mut Until(None, 0)).map_err(text)?;
        seconds[1].push(lap());
        let mut restore = |end| {
            backup::restore(&mut store, &mut open(&path)?, Some(&wanted), Some(STEP), &mut Until(end, 0))
                .map_err(text)
        };
        restore(None)?;
        seconds[2].push(lap());
        store.remove(&copy).and_then(Trash::empty).map_err(text)?;
        let mut restore = |end| {
            backup::restore(&mut store, &mut open(&path)?, Some(&wanted), Some(STEP), &mut Until(end, 0))
                .map_err(text)
        };
        // As late as can be: all but the last piece is there.
        if restore(Some(bytes - (1 << 20))).is_ok() {
            return Err("nothing was interrupted".into());
        }
        lap();
        restore(None)?;
        seconds[3].push(lap());
        store.remove(&copy).and_then(Trash::empty).map_err(text)?;
        std::fs::remove_file(&path).map_err(text)?;
    }
    let mib = bytes as f64 / f64::from(1 << 20);
    let [create, verify, restore, resume] = &mut seconds;
    let restored = quantile(restore, 0.5)?;
    for (name, taken) in [("create", create), ("verify", verify), ("restore", restore)] {
        let figure = format!("backup.{name}_mib_per_s");
        figures.push(Figure::new(figure, mib / quantile(taken, 0.5)?, "MiB/s", Goal::None, times));
    }
    let resumed = quantile(resume, 0.5)? / restored;
    figures.push(Figure::new("backup.go_on_over_restore", resumed, "×", Goal::None, times));
    Ok(())
}
