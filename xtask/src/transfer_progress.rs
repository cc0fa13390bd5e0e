//! Progress of transfers on the terminal: a bar for each file, or a line now and then where there is no terminal.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The bars of one run.
pub struct TransferProgress {
    bars: MultiProgress,
    transfers: HashMap<(usize, &'static str), Transfer>,
}

struct Transfer {
    bar: ProgressBar,
    name: String,
    last_line: Instant,
}

impl TransferProgress {
    /// No bars yet.
    pub fn new() -> Self {
        Self {
            bars: MultiProgress::new(),
            transfers: HashMap::new(),
        }
    }

    /// Shows how far file number `file` is in `phase` (such as "uploading").
    pub fn show(&mut self, file: usize, phase: &'static str, name: &str, loaded: u64, total: u64) {
        let bars = &self.bars;
        let transfer = self.transfers.entry((file, phase)).or_insert_with(|| Transfer {
            bar: bars.add(ProgressBar::new(total).with_style(style()).with_prefix(phase)),
            name: shortened(name),
            last_line: Instant::now(),
        });
        transfer.bar.set_message(transfer.name.clone());
        transfer.bar.set_length(total);
        transfer.bar.set_position(loaded);
        if bars.is_hidden() && transfer.last_line.elapsed() > LINE_EVERY {
            transfer.last_line = Instant::now();
            let percent = loaded.saturating_mul(100).checked_div(total).unwrap_or(100);
            eprintln!(
                "{phase} {} {percent} % ({} of {total} bytes)",
                transfer.name, loaded
            );
        }
    }

    /// Ends the bar; it stays to be read.
    pub fn finish(&mut self, file: usize, phase: &'static str) {
        if let Some(transfer) = self.transfers.remove(&(file, phase)) {
            transfer.bar.abandon();
        }
    }

    /// A line of text that does not break the bars.
    pub fn say(&self, text: &str) {
        self.bars.suspend(|| eprintln!("{text}"));
    }
}

const LINE_EVERY: Duration = Duration::from_secs(5);

fn style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{prefix:>9} {bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left  {wide_msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Long names would push the figures off the line.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 40;
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn long_names_are_cut_at_characters_not_bytes() {
        assert_eq!(shortened("kurz"), "kurz");
        let cut = shortened(&"語".repeat(85));
        assert_eq!(cut.chars().count(), 40);
        assert!(cut.ends_with('…'));
    }
}
