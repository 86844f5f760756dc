//! Processes as `/proc` shows them: who belongs to whom, CPU time, waits, memory.

use std::{fs, path::Path};

/// A number of `/proc/PID/status` (or of a thread's).
fn status(of: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(of.join("status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

fn numbered(dir: &Path) -> Vec<u32> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn dir(pid: u32) -> std::path::PathBuf {
    Path::new("/proc").join(pid.to_string())
}

/// Name of a process.
fn name(pid: u32) -> String {
    fs::read_to_string(dir(pid).join("comm")).unwrap_or_default().trim().to_owned()
}

/// A process and all that it started, directly or not.
pub fn family(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u64)> = numbered(Path::new("/proc"))
        .into_iter()
        .filter_map(|pid| Some((pid, status(&dir(pid), "PPid:")?)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        found.extend(parents.iter().filter(|(_, p)| *p == u64::from(parent)).map(|(pid, _)| *pid));
    }
    found
}

/// The one agent below a process.
pub fn agent_of(root: u32) -> Option<u32> {
    family(root).into_iter().find(|pid| name(*pid) == "transom-agent")
}

/// CPU time of a thread so far, in microseconds, as the scheduler counts it: to the nanosecond, and
/// up to date while the thread waits.
///
/// # Errors
/// One line: the thread is gone.
pub fn thread_cpu(thread: &Path) -> Result<f64, String> {
    let path = thread.join("schedstat");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let nanoseconds: Option<f64> = text.split_whitespace().next().and_then(|first| first.parse().ok());
    nanoseconds.map(|ns| ns / 1e3).ok_or_else(|| format!("{}: not a time", path.display()))
}

/// As [`thread_cpu`], of all threads of these processes.
///
/// # Errors
/// One line: one of them is gone.
pub fn cpu(pids: &[u32]) -> Result<f64, String> {
    let mut sum = 0.0;
    for pid in pids {
        let tasks = dir(*pid).join("task");
        for thread in numbered(&tasks) {
            sum += thread_cpu(&tasks.join(thread.to_string()))?;
        }
    }
    Ok(sum)
}

/// How often each thread of a process, by its name, has given up the CPU to wait.
///
/// # Errors
/// One line: the process is gone.
pub fn thread_waits(pid: u32) -> Result<Vec<(String, u64)>, String> {
    let tasks = dir(pid).join("task");
    let of = |thread: u32| {
        let task = tasks.join(thread.to_string());
        let name = fs::read_to_string(task.join("comm")).ok()?.trim().to_owned();
        Some((name, status(&task, "voluntary_ctxt_switches:")?))
    };
    let waits: Option<Vec<_>> = numbered(&tasks).into_iter().map(of).collect();
    waits.filter(|waits| !waits.is_empty()).ok_or_else(|| format!("process {pid} is gone"))
}

/// How often the threads of a process have given up the CPU to wait.
///
/// # Errors
/// One line: the process is gone.
pub fn waits(pid: u32) -> Result<u64, String> {
    Ok(thread_waits(pid)?.into_iter().map(|(_, waits)| waits).sum())
}

/// Memory that only this process has, in MiB.
///
/// # Errors
/// One line: the process is gone.
pub fn private_mib(pid: u32) -> Result<f64, String> {
    let path = dir(pid).join("smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let private = |line: &str| {
        let (key, value) = line.split_once(':')?;
        let kib: Option<f64> = value.trim().strip_suffix(" kB").and_then(|v| v.parse().ok());
        matches!(key, "Private_Clean" | "Private_Dirty" | "Private_Hugetlb").then_some(kib?)
    };
    Ok(text.lines().filter_map(private).sum::<f64>() / 1024.0)
}

/// Supervisors that were started for this runtime directory.
pub fn with_environment(runtime: &Path) -> Vec<u32> {
    let wanted = format!("TRANSOM_RUNTIME_DIR={}", runtime.display());
    let for_it = |pid: &u32| {
        let environment = fs::read(dir(*pid).join("environ")).unwrap_or_default();
        name(*pid) == "transom-qubed" && environment.split(|b| *b == 0).any(|v| v == wanted.as_bytes())
    };
    numbered(Path::new("/proc")).into_iter().filter(for_it).collect()
}
