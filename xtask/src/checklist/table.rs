//! The table `xtask/checklist.csv`: `id,severity,plan,why,requirement`.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::scan::is_id;

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// A letter and two digits, such as `T05`.
    pub id: String,
    /// `C`ritical, `H`igh, `M`edium or `L`ow; empty for faults, which have none.
    pub severity: String,
    /// What is meant to hold of its tests.
    pub plan: Plan,
    /// What the product promises, in one line.
    pub requirement: String,
}

/// What the table says about a row; without a word it has to be tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Has to be tested now.
    Test,
    /// Tested as far as it is built; the rest comes with what the text names.
    Part(String),
    /// Not built yet; comes with what the text names.
    Later(String),
    /// Decided against, for this reason.
    Waived(String),
}

/// Reads the table.
///
/// # Errors
/// When it cannot be read, or a row is not as above; the line is named.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> Result<Vec<Row>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    ensure!(
        reader.headers()? == &csv::StringRecord::from(vec!["id", "severity", "plan", "why", "requirement"]),
        "the header is not id,severity,plan,why,requirement"
    );
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = row(&record).with_context(|| format!("line {line}"))?;
        ensure!(seen.insert(row.id.clone()), "line {line}: {} is there twice", row.id);
        rows.push(row);
    }
    Ok(rows)
}

fn row(record: &csv::StringRecord) -> Result<Row> {
    let fields: Vec<&str> = record.iter().map(str::trim).collect();
    let &[id, severity, plan, why, requirement] = fields.as_slice() else { bail!("it has not five fields") };
    ensure!(is_id(id), "`{id}` is not an id such as T05");
    ensure!(matches!(severity, "C" | "H" | "M" | "L" | ""), "the severity of {id} is none of C, H, M, L");
    ensure!(!requirement.is_empty(), "{id} has no requirement");
    ensure!(plan.is_empty() == why.is_empty(), "{id}: a plan needs a reason, and a reason a plan");
    let plan = match plan {
        "" => Plan::Test,
        "part" => Plan::Part(why.to_owned()),
        "later" => Plan::Later(why.to_owned()),
        "waived" => Plan::Waived(why.to_owned()),
        other => bail!("{id}: the plan `{other}` is none of part, later, waived"),
    };
    Ok(Row { id: id.to_owned(), severity: severity.to_owned(), plan, requirement: requirement.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "id,severity,plan,why,requirement\n";

    #[test]
    fn rows_are_read_with_their_plan() {
        let rows =
            parse(&format!("{HEADER}T05,H,,,once\nU02,H,part,own words are,\"a, b\"\nF01,,later,x,y\n")).unwrap();
        let plans: Vec<_> = rows.iter().map(|row| &row.plan).collect();
        assert_eq!(plans, [&Plan::Test, &Plan::Part("own words are".to_owned()), &Plan::Later("x".to_owned())]);
        assert_eq!(rows[1].requirement, "a, b");
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        for (row, expected) in [
            ("T5,H,,,x", "line 2: `T5` is not an id such as T05"),
            ("T05,X,,,x", "line 2: the severity of T05 is none of C, H, M, L"),
            ("T05,H,,,", "line 2: T05 has no requirement"),
            ("T05,H,waived,,x", "line 2: T05: a plan needs a reason, and a reason a plan"),
            ("T05,H,soon,y,x", "line 2: T05: the plan `soon` is none of part, later, waived"),
            ("T05,H,,,x\nT05,H,,,x", "line 3: T05 is there twice"),
        ] {
            assert_eq!(format!("{:#}", parse(&format!("{HEADER}{row}\n")).unwrap_err()), expected);
        }
        assert!(parse("id,sev\n").is_err());
    }

    #[test]
    fn the_projects_table_is_well_formed() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("checklist.csv");
        assert!(read(&path).unwrap().len() > 200);
    }
}
