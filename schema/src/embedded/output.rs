//! What Postgres says goes into our log (target `postgres`); its last words are kept for errors.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// Lines kept.
const KEPT: usize = 12;
/// Bytes of a line that are looked at: a statement in an error may be long.
const LINE: usize = 2000;

/// The last lines of a program's output.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    pub(super) fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Reads to the end in the calling thread.
pub(super) fn pump(stream: impl Read, tail: &Tail) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                line.truncate(LINE);
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end();
                if !text.is_empty() {
                    tail.push(text);
                    log(text);
                }
            }
        }
    }
}

/// Postgres's severities in ours. `LOG` is its chatter; `ERROR` is the failure of one statement, which whoever sent it
/// reports; `FATAL` ends a session, `PANIC` the server.
fn log(line: &str) {
    match line.split_once(':').map(|(severity, _)| severity.trim_start()) {
        Some("PANIC") => tracing::error!(target: "postgres", "{line}"),
        Some("FATAL" | "WARNING") => tracing::warn!(target: "postgres", "{line}"),
        Some("ERROR") => tracing::info!(target: "postgres", "{line}"),
        _ => tracing::debug!(target: "postgres", "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let tail = Tail::default();
        let text: String = (0..40).map(|n| format!("LOG:  line {n}\n")).collect();
        pump(text.as_bytes(), &tail);
        assert!(
            tail.text().starts_with("LOG:  line 28") && tail.text().ends_with("line 39"),
            "{}",
            tail.text()
        );
    }
}
