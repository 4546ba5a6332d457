//! The table beside the tests: the state of each row, and what does not fit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::scan::Carried;
use super::table::{Plan, Row};

/// How a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Tested,
    Waived,
    /// Also a row of which a part is tested.
    Later,
    Missing,
}

impl State {
    const ALL: [Self; 4] = [Self::Tested, Self::Waived, Self::Later, Self::Missing];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Tested => "tested",
            Self::Waived => "waived",
            Self::Later => "later",
            Self::Missing => "missing",
        }
    }
}

#[derive(Debug)]
struct Line {
    row: Row,
    state: State,
    tests: Vec<String>,
}

/// What is printed.
#[derive(Debug)]
pub struct Report {
    lines: Vec<Line>,
    /// Each in one sentence; none means that the checklist is in order.
    pub problems: Vec<String>,
}

impl Report {
    /// Lays the tests beside the rows.
    pub fn new(rows: Vec<Row>, carried: Vec<Carried>) -> Self {
        let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for Carried { id, test } in carried {
            tests.entry(id).or_default().push(test);
        }
        let mut problems = Vec::new();
        let mut lines = Vec::new();
        for row in rows {
            let tests = tests.remove(&row.id).unwrap_or_default();
            let (state, problem) = judge(&row, tests.first());
            problems.extend(problem);
            lines.push(Line { row, state, tests });
        }
        for (id, tests) in tests {
            problems.extend(tests.iter().map(|test| format!("{test} carries {id}, which is not in the checklist")));
        }
        Self { lines, problems }
    }

    /// One line a row, and the sums at the end.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for Line { row, state, tests } in &self.lines {
            let remark = match (&row.plan, tests.len()) {
                (Plan::Part(why), count) => format!(" ({why}; {count} so far)"),
                (Plan::Later(why) | Plan::Waived(why), _) => format!(" ({why})"),
                (Plan::Test, 0) => String::new(),
                (Plan::Test, 1) => " (1 test)".to_owned(),
                (Plan::Test, count) => format!(" ({count} tests)"),
            };
            let _ = writeln!(text, "{}  {:1}  {:7}  {}{remark}", row.id, row.severity, state.as_str(), row.requirement);
        }
        let sums: Vec<_> =
            State::ALL.iter().map(|state| format!("{} {}", state.as_str(), self.count(*state))).collect();
        let _ = writeln!(text, "{}", sums.join(", "));
        text
    }

    /// The same for programs, with the tests of each row.
    pub fn to_json(&self) -> Value {
        let row = |line: &Line| {
            let Line { row, state, tests } = line;
            let why = match &row.plan {
                Plan::Test => None,
                Plan::Part(why) | Plan::Later(why) | Plan::Waived(why) => Some(why),
            };
            json!({ "id": row.id, "severity": row.severity, "state": state.as_str(), "requirement": row.requirement,
                "why": why, "tests": tests })
        };
        let sums: serde_json::Map<String, Value> =
            State::ALL.iter().map(|state| (state.as_str().to_owned(), self.count(*state).into())).collect();
        json!({ "rows": self.lines.iter().map(row).collect::<Vec<_>>(), "summary": sums, "problems": self.problems })
    }

    fn count(&self, state: State) -> usize {
        self.lines.iter().filter(|line| line.state == state).count()
    }
}

/// The state of a row, and what is wrong with it.
fn judge(row: &Row, test: Option<&String>) -> (State, Option<String>) {
    let id = &row.id;
    let stale = |plan: &str| test.map(|test| format!("{id} is {plan} in the table, but {test} carries it"));
    match (&row.plan, test) {
        (Plan::Test, Some(_)) => (State::Tested, None),
        (Plan::Test, None) => (State::Missing, Some(format!("{id} is missing: {}", row.requirement))),
        (Plan::Part(_), None) => {
            (State::Missing, Some(format!("{id} is tested in part, says the table, but no test carries it")))
        }
        (Plan::Part(_), Some(_)) => (State::Later, None),
        (Plan::Later(_), _) => (State::Later, stale("later")),
        (Plan::Waived(_), _) => (State::Waived, stale("waived")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(plan: Plan, carried: &[&str]) -> Report {
        let row = Row { id: "T05".to_owned(), severity: "H".to_owned(), plan, requirement: "once".to_owned() };
        let carried = carried.iter().map(|id| Carried { id: (*id).to_owned(), test: "a.rs:1 x".to_owned() }).collect();
        Report::new(vec![row], carried)
    }

    #[test]
    fn a_row_is_tested_planned_or_missing() {
        let why = || "with x".to_owned();
        for (plan, carried, line, problem) in [
            (Plan::Test, vec!["T05", "T05"], "T05  H  tested   once (2 tests)\n", None),
            (Plan::Test, vec![], "T05  H  missing  once\n", Some("T05 is missing: once")),
            (Plan::Part(why()), vec!["T05"], "T05  H  later    once (with x; 1 so far)\n", None),
            (
                Plan::Part(why()),
                vec![],
                "T05  H  missing  once (with x; 0 so far)\n",
                Some("T05 is tested in part, says the table, but no test carries it"),
            ),
            (Plan::Later(why()), vec![], "T05  H  later    once (with x)\n", None),
            (
                Plan::Later(why()),
                vec!["T05"],
                "T05  H  later    once (with x)\n",
                Some("T05 is later in the table, but a.rs:1 x carries it"),
            ),
            (Plan::Waived(why()), vec![], "T05  H  waived   once (with x)\n", None),
            (
                Plan::Waived(why()),
                vec!["T05"],
                "T05  H  waived   once (with x)\n",
                Some("T05 is waived in the table, but a.rs:1 x carries it"),
            ),
        ] {
            let report = report(plan, &carried);
            assert!(report.to_text().starts_with(line), "{}", report.to_text());
            assert_eq!(
                report.problems.iter().map(String::as_str).collect::<Vec<_>>(),
                problem.into_iter().collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn an_unknown_id_is_a_problem_and_the_sums_come_last() {
        let report = report(Plan::Test, &["T05", "T99"]);
        assert_eq!(report.problems, ["a.rs:1 x carries T99, which is not in the checklist"]);
        assert!(report.to_text().ends_with("\ntested 1, waived 0, later 0, missing 0\n"));
        assert_eq!(report.to_json()["summary"]["tested"], 1);
        assert_eq!(report.to_json()["rows"][0]["tests"], json!(["a.rs:1 x"]));
    }
}
