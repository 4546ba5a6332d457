//! `completions` and `man`: what a package of the binary ships beside it, made by the binary itself.

use std::io;
use std::path::PathBuf;

use clap_complete::Shell;
use serde_json::json;

use crate::output::{OutputFormat, print_bytes, print_json, print_line};

const COMPLETIONS: &str = "\
Examples:
  source <(PROGRAM completions bash)
  PROGRAM completions zsh > ~/.zfunc/_PROGRAM
  PROGRAM completions fish > ~/.config/fish/completions/PROGRAM.fish

PROGRAM is this program's name.";

/// Flags of `completions`.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_long_help = COMPLETIONS)]
pub struct Completions {
    /// The shell that reads the script
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints the script that completes `command`.
    ///
    /// # Errors
    /// When stdout takes no more.
    pub fn print(&self, mut command: clap::Command) -> io::Result<()> {
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, &name, &mut script);
        match self.shell {
            Shell::Bash => print_bytes(mend_labels(&name, script).as_bytes()),
            _ => print_bytes(&script),
        }
    }
}

/// The script for bash writes the hyphen of a program's name in two ways, and then completes nothing behind the first
/// command (clap issue 6421): write it in one. Once that is mended there, nothing is found here.
fn mend_labels(name: &str, script: Vec<u8>) -> String {
    String::from_utf8_lossy(&script).replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}

/// Flags of `man`.
#[derive(Clone, Debug, clap::Args)]
pub struct Man {
    /// Write a page for every command into this folder instead; it is made when it is not there
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Man {
    /// Prints the page of `command`, or writes those of all its commands.
    ///
    /// # Errors
    /// When stdout takes no more, or a file cannot be written.
    pub fn print(&self, command: clap::Command, output: OutputFormat) -> io::Result<()> {
        let mut command = command.disable_help_subcommand(true);
        command.build();
        let Some(folder) = &self.dir else {
            return print_bytes(page(command)?.as_bytes());
        };
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(named)?;
        let mut written = Vec::new();
        for command in all(command) {
            let path = folder.join(format!("{}.1", command.get_display_name().unwrap_or(command.get_name())));
            std::fs::write(&path, page(command)?).map_err(named)?;
            written.push(path);
        }
        match output {
            OutputFormat::Json => print_json(&json!({ "written": written })),
            OutputFormat::Table => written.iter().try_for_each(|path| print_line(path.display())),
        }
    }
}

/// The command and its commands, all the way down.
fn all(command: clap::Command) -> Vec<clap::Command> {
    let inner: Vec<_> = command.get_subcommands().filter(|inner| !inner.is_hide_set()).cloned().collect();
    std::iter::once(command).chain(inner.into_iter().flat_map(all)).collect()
}

/// The page of one command. Its examples keep their lines, so that they can be copied from a terminal.
fn page(command: clap::Command) -> io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    let page = String::from_utf8(page).map_err(io::Error::other)?;
    Ok(page.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n.nf\n"))
}
