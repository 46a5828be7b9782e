//! Finding out about the machine: from the files in which Linux tells, else from the standard library.
//!
//! What cannot be read is left at what is known without it.

use std::fs;
use std::path::{Path, PathBuf};

use super::machine::{Core, Machine};
use crate::system;

/// Numbers in a list beyond which it is not believed.
const MOST_CORES: usize = 1 << 13;

impl Machine {
    /// The machine this process runs on, as the calling thread may use it.
    pub fn this() -> Self {
        let mut machine = Self::read(Path::new("/"));
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        if machine.cores.is_empty() {
            machine.cores = system::usable_cores().into_iter().map(unknown).collect();
        }
        if machine.cores.is_empty() {
            machine.cores = (0..at_once).map(unknown).collect();
        }
        if at_once < machine.threads_at_once() {
            #[expect(clippy::cast_precision_loss, reason = "no machine has so many cores")]
            let quota = at_once as f64;
            machine.quota = Some(quota);
        }
        machine
    }

    /// The machine that the files below `root` describe, which lie there as they lie below `/` on Linux: the calling
    /// thread's mask in `proc/thread-self/status`, cores in `sys/devices/system/cpu`, quotas in `sys/fs/cgroup`.
    ///
    /// To plan for another machine than this, with a copy of its files. What cannot be read is taken as not there; where
    /// no core is found, there is one.
    pub fn at(root: impl AsRef<Path>) -> Self {
        let mut machine = Self::read(root.as_ref());
        if machine.cores.is_empty() {
            machine.cores.push(unknown(0));
        }
        machine
    }

    fn read(root: &Path) -> Self {
        let folder = root.join("sys/devices/system/cpu");
        let isolated = list(&folder.join("isolated")).unwrap_or_default();
        let cores = usable(root, &folder).into_iter().map(|id| {
            let core = folder.join(format!("cpu{id}"));
            let siblings = list(&core.join("topology/thread_siblings_list")).unwrap_or_default();
            Core {
                id,
                physical: siblings.into_iter().min().unwrap_or(id),
                cache: last_cache(&core).unwrap_or(0),
                package: number(&core.join("topology/physical_package_id")).unwrap_or(0),
                isolated: isolated.contains(&id),
            }
        });
        Self { cores: cores.collect(), quota: quota(root) }
    }
}

/// A core of which nothing is known but its number.
fn unknown(id: usize) -> Core {
    Core { id, physical: id, cache: 0, package: 0, isolated: false }
}

/// The cores in the mask of this thread that are online.
fn usable(root: &Path, folder: &Path) -> Vec<usize> {
    let status = fs::read_to_string(root.join("proc/thread-self/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let mask = mask.map(parse_list).filter(|mask| !mask.is_empty());
    let online = list(&folder.join("online")).filter(|online| !online.is_empty());
    match (mask, online) {
        (Some(mask), Some(online)) => mask.into_iter().filter(|id| online.contains(id)).collect(),
        (Some(known), None) | (None, Some(known)) => known,
        (None, None) => Vec::new(),
    }
}

/// The lowest core that shares the last level of cache of this one.
fn last_cache(core: &Path) -> Option<usize> {
    let caches = (0..).map(|index| core.join(format!("cache/index{index}")));
    let known = caches.map_while(|cache| Some((number(&cache.join("level"))?, cache)));
    let (_, last) = known.max_by_key(|(level, _)| *level)?;
    list(&last.join("shared_cpu_list"))?.into_iter().min()
}

/// The tightest quota of the control groups that this process is in, in cores.
fn quota(root: &Path) -> Option<f64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mount = root.join("sys/fs/cgroup");
    let mut quotas: Vec<f64> = Vec::new();
    for line in groups.lines() {
        // Version 2 as `0::/path`, version 1 as `number:controllers:/path`.
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        if controllers.is_empty() {
            let mounts = [mount.clone(), mount.join("unified")];
            quotas.extend(mounts.iter().flat_map(|mount| upwards(mount, path)).filter_map(quota_2));
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            let mounts = [mount.join("cpu"), mount.join(controllers)];
            quotas.extend(mounts.iter().flat_map(|mount| upwards(mount, path)).filter_map(quota_1));
        }
    }
    quotas.into_iter().min_by(f64::total_cmp)
}

/// The folder of a control group and of every one around it. In a container the inner ones may not be there.
fn upwards(mount: &Path, path: &str) -> Vec<PathBuf> {
    let inner = Path::new(path.trim_start_matches('/'));
    inner.ancestors().map(|group| mount.join(group)).collect()
}

/// Version 2: `max 100000`, or microseconds in a period.
fn quota_2(group: PathBuf) -> Option<f64> {
    let text = fs::read_to_string(group.join("cpu.max")).ok()?;
    let mut words = text.split_whitespace();
    share(words.next()?.parse().ok()?, words.next()?.parse().ok()?)
}

/// Version 1: the same in two files, and -1 for no limit.
fn quota_1(group: PathBuf) -> Option<f64> {
    let time = fs::read_to_string(group.join("cpu.cfs_quota_us")).ok()?;
    let period = fs::read_to_string(group.join("cpu.cfs_period_us")).ok()?;
    share(time.trim().parse().ok()?, period.trim().parse().ok()?)
}

fn share(time: f64, period: f64) -> Option<f64> {
    let share = time / period;
    (share.is_finite() && share > 0.0).then_some(share)
}

fn number(file: &Path) -> Option<usize> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn list(file: &Path) -> Option<Vec<usize>> {
    Some(parse_list(&fs::read_to_string(file).ok()?))
}

/// Numbers as Linux lists them: `0-3,8,10-11`. What is not such a number is skipped.
fn parse_list(text: &str) -> Vec<usize> {
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    });
    let mut numbers: Vec<usize> = ranges.flat_map(|range| range.take(MOST_CORES)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
