//! The figures as Markdown, and Levada's ratio to each.

use std::fmt::Write as _;

use load::report::Report;
use serde::Serialize;

const PHASES: [&str; 3] = ["put-records", "put-record", "get-records"];

/// One phase of one server.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) phase: &'static str,
    pub(crate) per_second: f64,
    pub(crate) per_cpu_second: f64,
    pub(crate) p50_ms: Option<f64>,
}

impl From<Report> for Figures {
    fn from(report: Report) -> Self {
        Figures {
            phase: report.phase,
            per_second: report.records_per_second,
            per_cpu_second: report.records_per_cpu_second,
            p50_ms: Some(report.p50_ms),
        }
    }
}

/// One server, or why there is none.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) keeps: &'static str,
    pub(crate) kinesis: bool,
    pub(crate) figures: Vec<Figures>,
    pub(crate) resident_bytes: u64,
    pub(crate) skipped: Option<String>,
}

pub(crate) fn write(rows: &[Row]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, rows);
    text
}

fn write_all(text: &mut String, rows: &[Row]) -> std::fmt::Result {
    writeln!(
        text,
        "| phase | server | acknowledged means | records/s | records per server CPU-s | levada / it | p50 ms |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|")?;
    for phase in PHASES {
        let of = |row: &Row| row.figures.iter().find(|own| own.phase == phase).cloned();
        let levada = rows.iter().find(|row| row.name == "levada").and_then(of);
        for row in rows {
            let Some(own) = of(row) else { continue };
            let ratio = levada.as_ref().map(|levada| levada.per_cpu_second / own.per_cpu_second);
            let ratio = ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.1}"));
            let p50 = own.p50_ms.map_or("–".to_owned(), |p50| format!("{p50:.1}"));
            writeln!(
                text,
                "| {phase} | {} | {} | {:.0} | {:.0} | {ratio} | {p50} |",
                row.name, row.keeps, own.per_second, own.per_cpu_second
            )?;
        }
    }
    writeln!(text)?;
    for row in rows {
        match &row.skipped {
            Some(why) => writeln!(text, "skipped: {}: {why}", row.name)?,
            None => writeln!(
                text,
                "{}: {:.0} MiB after it",
                row.name,
                row.resident_bytes as f64 / 1048576.0
            )?,
        }
    }
    Ok(())
}

/// By phase, the smallest of Levada's ratios to servers that speak Kinesis.
pub(crate) fn smallest_ratios(rows: &[Row]) -> Vec<(&'static str, f64)> {
    let Some(levada) = rows.iter().find(|row| row.name == "levada") else { return Vec::new() };
    let smallest = |levada: &Figures| {
        let others = rows.iter().filter(|row| row.kinesis && row.name != "levada");
        let own = others.flat_map(|row| &row.figures).filter(|own| own.phase == levada.phase);
        let ratios = own.map(|own| levada.per_cpu_second / own.per_cpu_second);
        Some((levada.phase, ratios.min_by(f64::total_cmp)?))
    };
    levada.figures.iter().filter_map(smallest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, kinesis: bool, per_cpu_second: f64) -> Row {
        let figures =
            vec![Figures { phase: "put-records", per_second: 1.0, per_cpu_second, p50_ms: None }];
        Row { name, keeps: "", kinesis, figures, resident_bytes: 0, skipped: None }
    }

    #[test]
    fn ratios_are_to_servers_that_speak_kinesis() {
        let rows = [row("levada", true, 60.0), row("a", true, 20.0), row("b", false, 40.0)];
        assert_eq!(smallest_ratios(&rows), [("put-records", 3.0)]);
        assert!(write(&rows).contains("| put-records | a |  | 1 | 20 | 3.0 | – |"));
    }
}
