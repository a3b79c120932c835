//! Converts lines: standard input is a `DataFormatConversionConfiguration`, a table as Glue describes it, and then
//! records, one to a line; standard output becomes the file. What cannot be converted goes to standard
//! error with its reason, and at the end how fast it went.

use std::error::Error;
use std::io::{BufRead, Read, Write};

use convert::{Converter, Options, tables_of_document};

fn main() -> Result<(), Box<dyn Error>> {
    let mut input = Vec::new();
    std::io::stdin().lock().read_to_end(&mut input)?;
    let mut lines = input.lines();
    let mut line = || lines.next().unwrap_or_else(|| Ok(String::new()));
    let options = Options::of_configuration(&serde_json::from_str(&line()?)?)?;
    let tables = tables_of_document(line()?.as_bytes())?;
    let table = tables.first().ok_or("the document has no table")?;

    let records: Vec<&[u8]> =
        input.split(|byte| *byte == b'\n').skip(2).filter(|record| !record.is_empty()).collect();
    let clock = stdx::Clock::system();
    let started = clock.monotonic();
    let mut converter = Converter::new(&table.schema, &options)?;
    let mut held_bytes = 0;
    for record in &records {
        if let Err(failure) = converter.push(record) {
            eprintln!("{failure}");
        }
        held_bytes = held_bytes.max(converter.held_bytes());
    }
    let rows = converter.rows();
    let file = converter.finish()?.unwrap_or_default();
    let elapsed = clock.monotonic() - started;
    let mebibytes = records.iter().map(|record| record.len()).sum::<usize>() as f64 / 1048576.0;
    eprintln!(
        "{rows} rows of {} records, {mebibytes:.1} MiB to {:.1} MiB in {elapsed:?}: {:.1} MiB/s, {:.1} MiB held",
        records.len(),
        file.len() as f64 / 1048576.0,
        mebibytes / elapsed.as_secs_f64(),
        held_bytes as f64 / 1048576.0,
    );
    std::io::stdout().lock().write_all(&file)?;
    Ok(())
}
