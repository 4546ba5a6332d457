//! Where a new password comes from.

use std::io::Read as _;

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use crate::passwords::{self, Leniency, Plain};

/// Flags of every command that sets a password. Without any of the first three it is asked for.
#[derive(clap::Args)]
pub(in crate::cli) struct NewPassword {
    /// The password; everybody on this machine can see it in the process list
    #[arg(long, group = "source", hide_env_values = true)]
    password: Option<String>,
    /// Read the password from standard input; one line end at its end does not count
    #[arg(long, group = "source")]
    password_stdin: bool,
    /// Make a random password and print it once
    #[arg(long, group = "source")]
    generate_password: bool,
    /// Take a weak password of at least 8 characters
    #[arg(long)]
    allow_weak: bool,
}

impl NewPassword {
    /// The password, and whether it was generated.
    pub(super) fn read(&self) -> anyhow::Result<(Plain, bool)> {
        let text = if let Some(password) = &self.password {
            eprintln!(
                "warning: --password can be seen in the process list and stays in the shell's history; \
                 --password-stdin or the prompt keep it out"
            );
            password.clone()
        } else if self.password_stdin {
            from_stdin()?
        } else if self.generate_password {
            return Ok((passwords::generate()?, true));
        } else {
            from_terminal()?
        };
        Ok((Plain::new(text)?, false))
    }

    pub(super) const fn leniency(&self) -> Leniency {
        if self.allow_weak { Leniency::AllowWeak } else { Leniency::Strict }
    }
}

fn from_stdin() -> anyhow::Result<String> {
    // One more than fits, and a line end, so that what is too long is seen to be.
    let limit = u64::try_from(Plain::MAX_BYTES)?.saturating_add(3);
    let mut bytes = Zeroizing::new(Vec::with_capacity(Plain::MAX_BYTES.saturating_add(3)));
    std::io::stdin().lock().take(limit).read_to_end(&mut bytes).context("cannot read the password")?;
    let Ok(text) = std::str::from_utf8(&bytes) else { bail!("the password on standard input is not UTF-8") };
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.to_owned())
}

fn from_terminal() -> anyhow::Result<String> {
    let ask = |prompt| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .context("there is no terminal to ask for the password: give --password-stdin or --generate-password")
    };
    let first = ask("Password: ")?;
    let second = ask("Again: ")?;
    if *first != *second {
        bail!("the two passwords are not the same");
    }
    Ok(first.to_string())
}
