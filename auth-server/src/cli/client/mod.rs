//! `auth-server client`.

mod apply;
mod file;
mod keys;
mod print;
mod register;

use std::time::Duration;

use shared::output::{OutputFormat, print_json, print_line};

use super::Context;
use crate::clients::{ClientId, ClientSecret, Clients, KEEP_OLDER, KEEP_OLDER_LIMIT};
use crate::resource_servers::ResourceServers;

const EXAMPLES: &str = "\
Examples:
  auth-server client create web --public --grant password --grant refresh_token --scope movies:read
  auth-server client create jobs --grant client_credentials --scope movies:write --output json
  auth-server client create movies --serves http://127.0.0.1:8000
  auth-server client create billing --grant client_credentials --scope movies:read --jwks billing.jwks.json
  auth-server client update web --access-token-ttl 300 --refresh-token-ttl default
  auth-server client rotate-secret jobs --keep-old-for 7d
  auth-server client apply clients.toml --dry-run --prune";

/// What can be said of clients.
#[derive(clap::Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub(super) enum ClientCommand {
    /// List clients
    List,
    /// Show everything about one client
    Show {
        /// Its id
        client_id: ClientId,
    },
    /// Register a client; a confidential one's secret is printed once
    Create(Box<register::Create>),
    /// Change what is named, leave the rest
    Update(Box<register::Update>),
    /// Refuse a client from now on, and revoke its tokens
    Disable {
        /// Its id
        client_id: ClientId,
    },
    /// Let a client ask again; its earlier tokens stay revoked
    Enable {
        /// Its id
        client_id: ClientId,
    },
    /// Delete a client and revoke its tokens; its id stays taken
    Delete {
        /// Its id
        client_id: ClientId,
    },
    /// Give a client a new secret, printed once; the older one stays good for a while
    RotateSecret {
        /// Its id
        client_id: ClientId,
        /// How long the older secret stays good, such as 30m, 24h or 7d; a day when not given, 90d at most
        #[arg(long, value_name = "TIME", value_parser = parse_keep)]
        keep_old_for: Option<Duration>,
        /// End all older secrets at once
        #[arg(long, conflicts_with = "keep_old_for")]
        now: bool,
    },
    /// Make the clients what a TOML file says; all of it or nothing
    Apply(apply::ApplyFile),
    /// Print a new secret and its hash, for the file of `client apply`; needs no database
    NewSecret,
}

pub(super) async fn run(command: ClientCommand, context: &Context) -> anyhow::Result<()> {
    let resource_servers = ResourceServers::new(context.pool.clone(), context.clock.clone());
    let longest_refresh = context.config.refresh.absolute;
    let clients = Clients::new(context.pool.clone(), context.clock.clone(), resource_servers, longest_refresh);
    let output = context.output;
    match command {
        ClientCommand::List => print::list(&clients.list().await?, output),
        ClientCommand::Show { client_id } => {
            let client = clients.get(&client_id).await?;
            print::show(&client, &clients.secrets(&client_id).await?, output)
        }
        ClientCommand::Create(create) => create.run(&clients, context).await,
        ClientCommand::Update(update) => {
            let client = update.run(&clients).await?;
            print::show(&client, &clients.secrets(&client.client_id).await?, output)
        }
        ClientCommand::Disable { client_id } => {
            clients.disable(&client_id).await?;
            print::done(output, "disabled", &client_id)
        }
        ClientCommand::Enable { client_id } => {
            clients.enable(&client_id).await?;
            print::done(output, "enabled", &client_id)
        }
        ClientCommand::Delete { client_id } => {
            clients.delete(&client_id).await?;
            print::done(output, "deleted", &client_id)
        }
        ClientCommand::RotateSecret { client_id, keep_old_for, now } => {
            let keep = if now { Duration::ZERO } else { keep_old_for.unwrap_or(KEEP_OLDER) };
            print::rotated(output, &client_id, &clients.rotate_secret(&client_id, keep).await?)
        }
        ClientCommand::Apply(apply) => apply.run(&clients, context).await,
        ClientCommand::NewSecret => print_new_secret(output),
    }
}

/// A secret that nobody has yet, and the hash by which a file can name it.
pub(super) fn print_new_secret(output: OutputFormat) -> anyhow::Result<()> {
    let secret =
        ClientSecret::generate().map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    let (text, hash) = (secret.expose(), secret.hash());
    match output {
        OutputFormat::Json => Ok(print_json(&serde_json::json!({ "client_secret": text, "secret_hash": hash }))?),
        OutputFormat::Table => Ok(print_line(format_args!("client_secret  {text}\nsecret_hash    {hash}"))?),
    }
}

/// `90s`, `30m`, `24h`, `7d`.
fn parse_keep(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "it is a number with s, m, h or d behind it, from 1s to 90d, such as 24h or 7d";
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(FORM)?;
    let unit: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(FORM),
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = number.parse::<u64>().ok().filter(|_| is_number).and_then(|number| number.checked_mul(unit));
    let keep = Duration::from_secs(seconds.ok_or(FORM)?);
    if keep.is_zero() || keep > KEEP_OLDER_LIMIT { Err(FORM) } else { Ok(keep) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_strictly() {
        let seconds = |text| parse_keep(text).map(|keep| keep.as_secs()).ok();
        assert_eq!(["1s", "90m", "24h", "7d", "90d"].map(seconds), [1, 5400, 86_400, 604_800, 7_776_000].map(Some));
        for bad in ["", "d", "0s", "7", "7 d", "+7d", "-7d", "7D", "1.5h", "91d", "99999999999999999999d", "7ü"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
