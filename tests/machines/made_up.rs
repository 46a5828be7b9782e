//! Machines that exist only as files, which lie as Linux would show them.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use ringtract::Machine;

/// A folder with the files of a machine.
pub struct MadeUp {
    root: PathBuf,
}

impl MadeUp {
    /// A machine of which nothing can be read.
    pub fn nothing() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("machine-{}-{number}", std::process::id());
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&root).expect("a folder");
        Self { root }
    }

    /// A machine with `packages * physical` physical cores of `hyper` hardware threads, as Linux counts them: the first
    /// threads of all cores, then the second. Each package has one last level of cache.
    pub fn with(packages: usize, physical: usize, hyper: usize) -> Self {
        let (all, machine) = (packages * physical, Self::nothing());
        for id in 0..all * hyper {
            let (package, first) = (id % all / physical, id % all);
            let list = |ids: &mut dyn Iterator<Item = usize>| {
                ids.map(|id| id.to_string()).collect::<Vec<_>>().join(",")
            };
            let siblings = list(&mut (0..hyper).map(|thread| first + thread * all));
            let sharers = list(&mut (0..all * hyper).filter(|id| id % all / physical == package));
            let core = format!("sys/devices/system/cpu/cpu{id}");
            machine
                .file(&format!("{core}/topology/thread_siblings_list"), &siblings)
                .file(&format!("{core}/topology/physical_package_id"), &package.to_string())
                .file(&format!("{core}/cache/index0/level"), "1")
                .file(&format!("{core}/cache/index0/shared_cpu_list"), &siblings)
                .file(&format!("{core}/cache/index1/level"), "3")
                .file(&format!("{core}/cache/index1/shared_cpu_list"), &sharers);
        }
        let everything = format!("0-{}", all * hyper - 1);
        machine.file("sys/devices/system/cpu/online", &everything);
        machine.file("sys/devices/system/cpu/isolated", "");
        machine.masked(&everything)
    }

    /// A machine with so many cores and nothing special about them.
    pub fn cores(count: usize) -> Self {
        Self::with(1, count, 1)
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("a folder around it")).expect("a folder");
        fs::write(path, format!("{text}\n")).expect("a file");
        self
    }

    pub fn and(self, path: &str, text: &str) -> Self {
        self.file(path, text);
        self
    }

    pub fn masked(self, list: &str) -> Self {
        let status = format!("Name:\ttest\nCpus_allowed:\tf\nCpus_allowed_list:\t{list}");
        self.and("proc/thread-self/status", &status)
    }

    pub fn isolated(self, list: &str) -> Self {
        self.and("sys/devices/system/cpu/isolated", list)
    }

    /// A quota as version 2 of control groups tells it.
    pub fn quota(self, max: &str) -> Self {
        self.and("proc/self/cgroup", "0::/").and("sys/fs/cgroup/cpu.max", max)
    }

    pub fn read(&self) -> Machine {
        Machine::at(&self.root)
    }
}

impl Drop for MadeUp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}
