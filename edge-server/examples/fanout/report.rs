//! The report that `cargo xtask bench` reads: environments of rows, each with a unit of its own.

use std::collections::BTreeMap;

use serde::Serialize;

/// The row that the others are held against.
pub(crate) const SUBJECT: &str = "edge-server";

#[derive(Serialize)]
pub(crate) struct Report {
    name: &'static str,
    unit: &'static str,
    subject: &'static str,
    environments: BTreeMap<String, Environment>,
}

#[derive(Serialize)]
struct Environment {
    unit: &'static str,
    note: String,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    samples: Vec<f64>,
}

impl Report {
    pub(crate) fn new() -> Report {
        Report { name: "fanout", unit: "each its own", subject: SUBJECT, environments: BTreeMap::new() }
    }

    /// Begins a table.
    pub(crate) fn table(&mut self, name: &str, unit: &'static str, note: String) {
        self.environments.insert(name.into(), Environment { unit, note, rows: Vec::new() });
    }

    /// Adds a sample to a row of a table that was begun.
    pub(crate) fn sample(&mut self, table: &str, row: &str, value: f64) {
        let Some(environment) = self.environments.get_mut(table) else { return };
        match environment.rows.iter_mut().find(|known| known.name == row) {
            Some(row) => row.samples.push(value),
            None => environment.rows.push(Row { name: row.into(), samples: vec![value] }),
        }
    }
}
