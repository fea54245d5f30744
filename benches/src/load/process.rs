//! CPU time and memory of a process, from /proc.

use std::fs;
use std::io;
use std::time::Instant;

/// Clock ticks a second in /proc: fixed by Linux's ABI, whatever the kernel's own clock.
const TICKS: f64 = 100.0;

/// A watched process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    cpu_begin: f64,
    cpu_now: f64,
    begin: Instant,
    /// Seconds since the start and resident KiB, about one a second.
    samples: Vec<(f64, u64)>,
    rss_first: u64,
    rss_last: u64,
    rss_max: u64,
}

impl Process {
    /// Begins to watch.
    ///
    /// # Errors
    /// There is no such process.
    pub fn open(pid: u32) -> io::Result<Self> {
        let explain = |e: io::Error| io::Error::new(e.kind(), format!("process {pid} cannot be read: {e}"));
        let cpu = cpu(pid).map_err(explain)?;
        let rss = rss(pid).map_err(explain)?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).map_err(explain)?.trim().to_owned();
        Ok(Self {
            pid,
            name,
            cpu_begin: cpu,
            cpu_now: cpu,
            begin: Instant::now(),
            samples: vec![(0.0, rss)],
            rss_first: rss,
            rss_last: rss,
            rss_max: rss,
        })
    }

    /// Looks again. A process that ended keeps its last values.
    pub fn sample(&mut self) {
        if let (Ok(cpu), Ok(rss)) = (cpu(self.pid), rss(self.pid)) {
            self.cpu_now = cpu;
            self.rss_last = rss;
            self.rss_max = self.rss_max.max(rss);
            let at = self.begin.elapsed().as_secs_f64();
            if self.samples.last().is_none_or(|(last, _)| at - last >= 0.99) {
                self.samples.push((at, rss));
            }
        }
    }

    /// Seconds of CPU since [`Process::open`].
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        self.cpu_now - self.cpu_begin
    }

    /// Resident KiB: first, largest, last.
    #[must_use]
    pub fn rss(&self) -> (u64, u64, u64) {
        (self.rss_first, self.rss_max, self.rss_last)
    }

    /// Seconds since the start and resident KiB, about one sample a second.
    #[must_use]
    pub fn samples(&self) -> &[(f64, u64)] {
        &self.samples
    }
}

/// User and system time, all threads, in seconds.
fn cpu(pid: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // the name may hold spaces and brackets: fields are counted from behind the last one
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let tick = |n: usize| fields.split_whitespace().nth(n).and_then(|f| f.parse::<f64>().ok());
    match (tick(11), tick(12)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS),
        _ => Err(io::Error::other("/proc/PID/stat has an unknown form")),
    }
}

fn rss(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    // kernel threads and zombies have none
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).ok_or_else(|| io::Error::other("no VmRSS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_process() {
        let mut me = Process::open(std::process::id()).unwrap();
        me.sample();
        assert!(me.rss().0 > 0 && me.cpu_seconds() >= 0.0);
        assert!(Process::open(u32::MAX).is_err());
    }
}
