//! How a command line is described, the same in every binary.

use clap::Command;

/// What is not as everywhere: each command and each of its arguments has a help text that begins with a capital letter
/// and ends without a full stop, value names are capitals, and further help begins with examples.
#[must_use]
pub fn faults_in_help(command: &Command) -> Vec<String> {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    let mut faults = Vec::new();
    look_at(&command, &mut faults);
    faults
}

fn look_at(command: &Command, faults: &mut Vec<String>) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut expect = |is_so: bool, fault: String| {
        if !is_so {
            faults.push(format!("{name}: {fault}"));
        }
    };
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    expect(is_styled(&about), format!("its help is {about:?}"));
    let examples = command.get_after_long_help().map(ToString::to_string);
    expect(
        examples.as_ref().is_none_or(|text| text.starts_with("Examples:\n  ")),
        format!("no examples: {examples:?}"),
    );
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        expect(is_styled(&help), format!("the help of {} is {help:?}", argument.get_id()));
        for value in argument.get_value_names().unwrap_or_default() {
            let is_capital = value.chars().all(|letter| letter.is_ascii_uppercase() || matches!(letter, '_' | '='));
            expect(is_capital, format!("the value of {} is called {value}", argument.get_id()));
        }
    }
    for inner in command.get_subcommands() {
        look_at(inner, faults);
    }
}

fn is_styled(help: &str) -> bool {
    help.starts_with(|first: char| first.is_uppercase()) && !help.ends_with('.')
}
