//! A table of commands in a document, to be held against the command line.

use std::collections::BTreeSet;

use clap::Command;

/// Every command that can be run, as `user list`.
pub fn commands(root: &Command) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        if !command.is_subcommand_required_set() {
            found.insert(name.to_owned());
        }
        found.extend(commands(command).into_iter().map(|below| format!("{name} {below}")));
    }
    found
}

/// Every command that the table under the line `heading` names, in the first cell of a row: `` `user list [--all]`, `show` ``
/// are `user list` and `user show`. A word that is no command stands for itself.
pub fn named_commands(document: &str, heading: &str, root: &Command) -> BTreeSet<String> {
    let table = document.split(heading).nth(1).unwrap_or_default();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with("| "));
    let mut found = BTreeSet::new();
    for row in rows.filter(|row| row.starts_with("| `")) {
        let mut group: Option<&Command> = None;
        // Every second part stands between backticks.
        for span in row.split(" | ").next().unwrap_or_default().split('`').skip(1).step_by(2) {
            let words: Vec<&str> = span.split(' ').take_while(|word| is_name(word)).collect();
            let Some(first) = words.first() else { continue };
            let below = |command: &Command, name: &str| command.find_subcommand(name).is_some();
            match (root.find_subcommand(first), words.get(1)) {
                (Some(command), Some(second)) if below(command, second) => {
                    group = Some(command);
                    found.insert(format!("{first} {second}"));
                }
                (None, _) if group.is_some_and(|group| below(group, first)) => {
                    found.insert(format!("{} {first}", group.map(Command::get_name).unwrap_or_default()));
                }
                _ => {
                    found.insert((*first).to_owned());
                }
            }
        }
    }
    found
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}
