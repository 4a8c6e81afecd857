//! What was measured, as tables for a person and as JSON for `cargo xtask bench`.

use serde_json::{Value, json};

use crate::mix::{Sizes, Split};

/// The row that the peers are held against.
const SUBJECT: &str = "adaptive";

/// One trace at one capacity.
pub(crate) struct Cell {
    pub(crate) trace: &'static str,
    /// What the capacity is counted in.
    pub(crate) unit: &'static str,
    /// The capacity, of what the trace has in all.
    pub(crate) share: f64,
    pub(crate) capacity: u64,
    /// Hits that no cache can pass.
    pub(crate) optimum: f64,
    /// Hits by cache.
    pub(crate) hits: Vec<(&'static str, u64)>,
    pub(crate) requests: usize,
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Report {
    cells: Vec<Cell>,
    pub(crate) splits: Vec<Split>,
}

impl Report {
    pub(crate) fn add(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// Capacities, by their name as an environment of the JSON, in the order they first came.
    fn groups(&self) -> Vec<(String, Vec<&Cell>)> {
        let mut groups: Vec<(String, Vec<&Cell>)> = Vec::new();
        for cell in &self.cells {
            let name = format!("{} % of {}", cell.share * 100.0, cell.unit);
            match groups.iter_mut().find(|(other, _)| *other == name) {
                Some((_, cells)) => cells.push(cell),
                None => groups.push((name, vec![cell])),
            }
        }
        groups
    }

    /// One table a capacity, a line a trace, and the means.
    pub(crate) fn tables(&self) -> String {
        let mut lines = Vec::new();
        for (name, cells) in self.groups() {
            let bound = if cells[0].unit == "bytes" { "upper bound" } else { "optimum" };
            lines.push(format!("\n{name}: hit ratio, and its share of the {bound}"));
            let header: String = cells[0].hits.iter().map(|(cache, _)| format!("{cache:>17}")).collect();
            lines.push(format!("{:<10} {:>9} {bound:>11}{header}", "trace", "capacity"));
            lines.extend(cells.iter().map(|cell| cell.line()));
            let shares: String = means(&cells).iter().map(|(_, share)| format!("{share:>17.4}")).collect();
            lines.push(format!("{:<32}{shares}", "mean share"));
        }
        lines.join("\n") + "\n"
    }

    /// Environments are capacities, and the mix of categories; the one sample of a row is its mean share, per cent.
    pub(crate) fn json(&self) -> Value {
        let row = |name: &str, share: f64| json!({"name": name, "samples": [100.0 * share]});
        let mut environments = serde_json::Map::new();
        for (name, cells) in self.groups() {
            let rows: Vec<Value> = means(&cells).iter().map(|(cache, share)| row(cache, *share)).collect();
            let traces: Vec<Value> = cells.iter().map(|cell| cell.json()).collect();
            environments.insert(name, json!({"rows": rows, "traces": traces}));
        }
        for split in &self.splits {
            let unit = if split.sizes == Sizes::Units { "entries" } else { "bytes" };
            let rate = |hits: u64| hits as f64 / split.requests as f64;
            let rows = [
                row(SUBJECT, rate(split.auto)),
                row("best fixed shares", rate(split.best)),
                row("equal fixed shares", rate(split.equal)),
            ];
            let name = format!("auto-sizing, {} % of {unit}", split.share * 100.0);
            environments.insert(name, json!({"rows": rows, "shares": split.shares}));
        }
        json!({"name": "hit-ratio", "unit": "% (mean share of the optimum; in auto-sizing of requests)",
            "subject": SUBJECT, "environments": environments})
    }
}

impl Cell {
    fn line(&self) -> String {
        let rate = |hits: f64| hits / self.requests as f64;
        let columns = self.hits.iter().map(|&(_, hits)| format!("    {:.4} {:.4}", rate(hits as f64), self.of(hits)));
        let columns: String = columns.map(|column| format!("{column:>17}")).collect();
        format!("{:<10} {:>9} {:>11.4}{columns}", self.trace, self.capacity, rate(self.optimum))
    }

    fn of(&self, hits: u64) -> f64 {
        hits as f64 / self.optimum
    }

    fn json(&self) -> Value {
        let hits: serde_json::Map<String, Value> =
            self.hits.iter().map(|&(cache, hits)| (cache.to_owned(), hits.into())).collect();
        json!({"trace": self.trace, "capacity": self.capacity, "requests": self.requests, "optimum": self.optimum,
            "hits": hits})
    }
}

/// The mean share of the optimum of each cache.
fn means(cells: &[&Cell]) -> Vec<(&'static str, f64)> {
    let mean = |i: usize| cells.iter().map(|cell| cell.of(cell.hits[i].1)).sum::<f64>() / cells.len() as f64;
    cells[0].hits.iter().enumerate().map(|(i, (cache, _))| (*cache, mean(i))).collect()
}
