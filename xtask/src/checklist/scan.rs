//! Finds the checklist's ids in the sources of tests.
//!
//! It reads lines, not Rust: enough to tell a test from other functions, and quick. Ids count where they *begin* a
//! test's name (`p02_p03_…`), the name of one of its rstest cases (`#[case::u01_seven(…)]`) or a comment right above it
//! (`// T26: …`). A test that is ignored holds nothing.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A test that carries an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The id, such as `T05`.
    pub id: String,
    /// The test: file, line and name.
    pub test: String,
}

/// All ids that tests of the workspace at `root` carry: `*/tests/**/*.rs` and `*/src/**/*.rs`.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn scan(root: &Path) -> Result<Vec<Carried>> {
    let mut found = Vec::new();
    for package in entries(root)? {
        if package.join("Cargo.toml").is_file() {
            for folder in ["src", "tests"].map(|folder| package.join(folder)) {
                walk(root, &folder, &mut found)?;
            }
        }
    }
    Ok(found)
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Carried>) -> Result<()> {
    // The tests of this module are full of examples.
    if !folder.is_dir() || folder.ends_with("xtask/src/checklist") {
        return Ok(());
    }
    for path in entries(folder)? {
        if path.is_dir() {
            walk(root, &path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let shown = path.strip_prefix(root).unwrap_or(&path).display();
            for Found { id, line, name } in ids(&source) {
                found.push(Carried { id, test: format!("{shown}:{line} {name}") });
            }
        }
    }
    Ok(())
}

/// Sorted, so that the report does not depend on the file system.
fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = list().with_context(|| format!("cannot read {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}

/// An id in one source.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    id: String,
    line: usize,
    name: String,
}

/// What the lines above a function have said so far.
#[derive(Default)]
struct Above {
    is_test: bool,
    is_ignored: bool,
    ids: Vec<String>,
}

fn ids(source: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut above = Above::default();
    for (line, text) in (1..).zip(source.lines().map(str::trim)) {
        if let Some(comment) = text.strip_prefix("//") {
            above.ids.extend(leading_ids(comment.trim_start_matches('/')));
        } else if let Some(attribute) = text.strip_prefix("#[") {
            above.read(attribute);
        } else if let Some(name) = function_name(text) {
            let Above { is_test, is_ignored, mut ids } = std::mem::take(&mut above);
            ids.extend(name_ids(name));
            ids.sort();
            ids.dedup();
            if is_test && !is_ignored {
                found.extend(ids.into_iter().map(|id| Found { id, line, name: name.to_owned() }));
            }
        } else if text.is_empty() {
            above = Above::default();
        }
        // Any other line is the rest of an attribute, or of an item that a blank line will end.
    }
    found
}

impl Above {
    /// `attribute` is what follows `#[`, such as `sqlx::test(migrator = …)]` or `case::u01_seven(…)]`.
    fn read(&mut self, attribute: &str) {
        let path = attribute.split(['(', ']', ' ', '=']).next().unwrap_or_default();
        match path.split("::").collect::<Vec<_>>().as_slice() {
            ["case", name] => self.ids.extend(name_ids(name)),
            ["ignore"] => self.is_ignored = true,
            [.., "test" | "rstest"] => self.is_test = true,
            _ => {}
        }
    }
}

/// The name, when the line begins a function.
fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_qualifier = |word: &str| matches!(word, "async" | "const" | "unsafe") || word.starts_with("pub");
    let name = after.split(['(', '<']).next()?;
    before.split_whitespace().all(is_qualifier).then_some(name)
}

/// `p02_p03_same_answer` carries P02 and P03; digits further on (`of_125_bits`, `until_p99`) mean nothing.
fn name_ids(name: &str) -> Vec<String> {
    let upper = name.split('_').map(str::to_ascii_uppercase);
    // The id in capitals would be an unusual name, not an id.
    let is_lower = name.chars().next().is_some_and(|first| first.is_ascii_lowercase());
    upper.take_while(|part| is_lower && is_id(part)).collect()
}

/// The ids that a comment begins with: `T26, M06: …`.
fn leading_ids(comment: &str) -> Vec<String> {
    let words = comment.split_whitespace().map(|word| word.trim_end_matches([',', ':', '.', ';']));
    words.take_while(|word| is_id(word)).map(str::to_owned).collect()
}

/// True for a capital letter and two digits.
pub fn is_id(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, tens, ones]
        if letter.is_ascii_uppercase() && tens.is_ascii_digit() && ones.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(source: &str) -> Vec<String> {
        ids(source).into_iter().map(|found| format!("{} {}:{}", found.id, found.name, found.line)).collect()
    }

    #[test]
    fn names_of_tests_carry_ids() {
        let source = "
#[test]
fn t05_once() {}

#[sqlx::test(migrator = \"shared::db::MIGRATOR\")]
async fn p02_p03_same_after_t07(pool: Pool) {}

#[tokio::test]
#[expect(clippy::unwrap_used, reason = \"x\")]
pub async fn s20_roles() {}
";
        assert_eq!(
            carried(source),
            ["T05 t05_once:3", "P02 p02_p03_same_after_t07:6", "P03 p02_p03_same_after_t07:6", "S20 s20_roles:10"]
        );
    }

    #[test]
    fn cases_and_comments_carry_ids() {
        let source = "
    /// Strong keys only.
    // T26, M06: seen from outside
    #[rstest]
    #[case::u01_seven(
        \"1234567\",
    )]
    #[case::plain(1)]
    fn lengths(#[case] text: &str) {}
";
        assert_eq!(carried(source), ["M06 lengths:9", "T26 lengths:9", "U01 lengths:9"]);
    }

    #[test]
    fn what_is_no_running_test_carries_nothing() {
        let source = "
//! T01, T02.
fn t05_helper() {}

#[cfg(test)]
mod tests {
    // T07: about something else

    #[test]
    #[ignore = \"slow\"]
    fn t08_ignored() {}

    /// See also T09.
    #[test]
    fn plain_until_p99() {
        // T10: inside
    }

    #[test]
    fn t100_is_no_id() {}
}
";
        assert_eq!(carried(source), Vec::<String>::new());
    }
}
