//! `auth-server key …`: the signing keys and the key encryption key, for operators.

mod rotation;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;
use shared::output::{OutputFormat, print_json, print_line, table};
use shared::token::keys::Algorithm;
use zeroize::Zeroizing;

use super::Context;
use crate::keys::{self, Changed, KekRing, KeyId, NewKey};

const EXAMPLES: &str = "\
Examples:
  auth-server key new-secret > kek && export MYAPI_AUTH__KEY_ENCRYPTION_KEY_FILE=kek
  auth-server key generate --alg EdDSA --activate
  auth-server key rotate
  auth-server key revoke KID
  auth-server key import private.pem --kid 2027-01
  auth-server key export --format jwks > jwks.json";

/// Signing keys and the key encryption key.
#[derive(Debug, clap::Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub enum KeyCommand {
    /// Make a signing key; the first one signs at once
    Generate {
        /// What it signs with
        #[arg(long, default_value = "ES256", ignore_case = true, value_parser = algorithm_parser())]
        alg: Algorithm,
        /// Do nothing where there is a key already
        #[arg(long, conflicts_with = "activate")]
        if_none: bool,
        /// Its name, and whether it signs at once.
        #[command(flatten)]
        options: NewKeyArgs,
    },
    /// Take in a private key (PEM: PKCS#8, SEC1 or PKCS#1, without a passphrase); the first one signs at once
    Import {
        /// The PEM file, which only its owner may read
        file: PathBuf,
        /// Its name, and whether it signs at once.
        #[command(flatten)]
        options: NewKeyArgs,
    },
    /// Let a published key sign from now on, and retire the one that signs now
    Activate {
        /// Which key
        // A thumbprint may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// Make a new key, wait until every resource server holds it, and let it sign
    Rotate(rotation::Rotate),
    /// Show the keys, what the next one waits for, and what resource servers hold
    Status,
    /// Take a next key back that has never signed
    Retire {
        /// Which key
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// The emergency: end everything that a key signed, at once
    Revoke {
        /// Which key
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// Wait no more for a resource server's process that is gone for good
    Forget {
        /// Its instance, as `key status` shows it
        instance: uuid::Uuid,
    },
    /// List the signing keys
    List,
    /// Print the public half of a key
    Export {
        /// Which key; the active one if left out
        // A thumbprint may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: Option<String>,
        /// In which form; `jwks` is all published keys
        #[arg(long, value_enum, default_value_t)]
        format: ExportFormat,
    },
    /// Move all signing keys to the current key encryption key
    Reencrypt,
    /// Print a new key encryption key; needs no database
    NewSecret,
}

/// What `generate` and `import` have in common.
#[derive(Clone, Debug, clap::Args)]
pub struct NewKeyArgs {
    /// Name it so in token headers, instead of by its RFC 7638 thumbprint
    #[arg(long, allow_hyphen_values = true)]
    kid: Option<KeyId>,
    /// Sign with it at once and retire the key that signs now
    #[arg(long)]
    activate: bool,
}

/// Forms of a public key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// A block PUBLIC KEY (RFC 7468)
    #[default]
    Pem,
    /// A JSON Web Key (RFC 7517)
    Jwk,
    /// All published keys as a JWK Set
    Jwks,
}

fn algorithm_parser() -> impl TypedValueParser<Value = Algorithm> {
    const ALL: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];
    PossibleValuesParser::new(ALL.map(Algorithm::as_str)).try_map(|name| {
        let is_meant = |algorithm: &Algorithm| algorithm.as_str().eq_ignore_ascii_case(&name);
        ALL.into_iter().find(is_meant).ok_or("unknown algorithm")
    })
}

/// A new key encryption key, in base64. Needs neither a database nor settings.
///
/// # Errors
/// The system's source of randomness failed.
pub fn new_secret() -> anyhow::Result<Zeroizing<String>> {
    keys::new_secret().context("the system gives no random bytes")
}

/// Runs one command.
///
/// # Errors
/// What the operator has to know, as one line.
pub async fn run(command: KeyCommand, context: &Context) -> anyhow::Result<()> {
    let now = context.clock.now();
    let pool = &context.pool;
    match command {
        KeyCommand::Generate { alg, if_none: true, options } => {
            match keys::generate_first(pool, &keks(context)?, alg, &options.into(), now).await? {
                Some(changed) => print_changed(&changed, context.output),
                None if context.output == OutputFormat::Json => Ok(print_json(&json!({ "key": null }))?),
                None => Ok(print_line("There is a signing key already.")?),
            }
        }
        KeyCommand::Generate { alg, if_none: false, options } => {
            let changed = keys::generate(pool, &keks(context)?, alg, &options.into(), now).await?;
            print_changed(&changed, context.output)
        }
        KeyCommand::Import { file, options } => {
            let pem = keys::read_private_file(&file)?;
            let changed = keys::import(pool, &keks(context)?, &pem, &options.into(), now).await?;
            print_changed(&changed, context.output)
        }
        KeyCommand::Activate { kid } => {
            let changed = keys::activate(pool, &keks(context)?, &kid, now).await?;
            print_changed(&changed, context.output)
        }
        KeyCommand::Rotate(rotate) => rotate.run(context).await,
        KeyCommand::Status => rotation::status(context).await,
        KeyCommand::Retire { kid } => rotation::retire(context, &kid).await,
        KeyCommand::Revoke { kid } => rotation::revoke(context, &kid).await,
        KeyCommand::Forget { instance } => rotation::forget(context, instance).await,
        KeyCommand::List => list(context).await,
        KeyCommand::Export { kid, format } => export(context, kid.as_deref(), format).await,
        KeyCommand::Reencrypt => reencrypt(context).await,
        KeyCommand::NewSecret => print_new_secret(context.output),
    }
}

/// Prints a new key encryption key.
///
/// # Errors
/// No randomness, or stdout is closed.
pub fn print_new_secret(output: OutputFormat) -> anyhow::Result<()> {
    let secret = new_secret()?;
    match output {
        OutputFormat::Table => Ok(print_line(&*secret)?),
        OutputFormat::Json => Ok(print_json(&json!({ "key_encryption_key": *secret }))?),
    }
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let keys = keys::list(&context.pool).await?;
    if context.output == OutputFormat::Json {
        return Ok(print_json(&keys)?);
    }
    let mut table = table(["kid", "alg", "state", "created", "activated", "retired", "kek"]);
    let time = |time: Option<chrono::DateTime<chrono::Utc>>| {
        time.map_or_else(String::new, |time| time.format("%Y-%m-%d %H:%M:%SZ").to_string())
    };
    for key in keys {
        table.add_row([
            key.kid,
            key.alg.to_string(),
            key.state.as_str().to_owned(),
            time(Some(key.created_at)),
            time(key.activated_at),
            time(key.retired_at),
            key.kek_id,
        ]);
    }
    Ok(print_line(&table)?)
}

async fn export(context: &Context, kid: Option<&str>, format: ExportFormat) -> anyhow::Result<()> {
    if format == ExportFormat::Jwks {
        anyhow::ensure!(kid.is_none(), "the form `jwks` holds all keys: leave the kid out");
        let body = keys::export_jwks(&context.pool).await?.body;
        return Ok(print_json(&serde_json::from_slice::<serde_json::Value>(&body)?)?);
    }
    let key = keys::export_public(&context.pool, kid).await?;
    match (format, context.output) {
        (ExportFormat::Pem, OutputFormat::Table) => Ok(print_line(key.to_pem()?.trim_end())?),
        (ExportFormat::Pem, OutputFormat::Json) => {
            Ok(print_json(&json!({ "kid": key.kid(), "alg": key.algorithm(), "pem": key.to_pem()? }))?)
        }
        (ExportFormat::Jwk | ExportFormat::Jwks, _) => Ok(print_json(key.jwk())?),
    }
}

async fn reencrypt(context: &Context) -> anyhow::Result<()> {
    let keks = keks(context)?;
    let done = keys::reencrypt(&context.pool, &keks).await?;
    for kid in &done.unopened {
        tracing::warn!(key.kid = kid, "retired signing key stays as it is: no configured key encryption key opens it");
    }
    match context.output {
        OutputFormat::Json => Ok(print_json(&done)?),
        OutputFormat::Table => {
            let (count, kek) = (done.moved.len(), keks.current().id());
            Ok(print_line(format_args!("{count} signing keys moved to key encryption key {kek}"))?)
        }
    }
}

fn print_changed(changed: &Changed, output: OutputFormat) -> anyhow::Result<()> {
    if let Some(retired) = &changed.retired_kid {
        tracing::warn!(
            key.kid = changed.key.kid,
            key.retired_kid = retired,
            "resource servers may refuse the new key's tokens until they fetch the JWK Set again (its max-age)"
        );
    }
    match output {
        OutputFormat::Json => Ok(print_json(changed)?),
        OutputFormat::Table => {
            let key = &changed.key;
            Ok(print_line(format_args!("{} signing key {} is {}", key.alg, key.kid, key.state.as_str()))?)
        }
    }
}

fn keks(context: &Context) -> anyhow::Result<KekRing> {
    let config = &context.config;
    Ok(KekRing::from_settings(config.key_encryption_key.as_ref(), &config.previous_key_encryption_keys)?)
}

impl From<NewKeyArgs> for NewKey {
    fn from(args: NewKeyArgs) -> Self {
        Self { kid: args.kid, activate: args.activate }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(subcommand)]
        command: KeyCommand,
    }

    #[rstest::rstest]
    #[case("generate", Algorithm::Es256, None, false)]
    #[case("generate --alg eddsa --activate", Algorithm::EdDsa, None, true)]
    #[case("generate --alg RS256 --kid web-2027", Algorithm::Rs256, Some("web-2027"), false)]
    fn generate_is_read(
        #[case] line: &str,
        #[case] expected: Algorithm,
        #[case] kid: Option<&str>,
        #[case] activate: bool,
    ) {
        let cli = Cli::try_parse_from(["key"].into_iter().chain(line.split(' '))).unwrap();
        let KeyCommand::Generate { alg, options, .. } = cli.command else { unreachable!("{line}") };
        assert_eq!((alg, options.kid.as_ref().map(KeyId::as_str), options.activate), (expected, kid, activate));
    }

    #[rstest::rstest]
    #[case("export -Xkid-with-hyphens --format jwk")]
    #[case("export --format jwk -- -hkid")]
    fn a_kid_may_begin_with_a_hyphen(#[case] line: &str) {
        let cli = Cli::try_parse_from(["key"].into_iter().chain(line.split(' '))).unwrap();
        let KeyCommand::Export { kid, format } = cli.command else { unreachable!("{line}") };
        assert!(kid.unwrap().starts_with('-'));
        assert_eq!(format, ExportFormat::Jwk);
    }

    #[rstest::rstest]
    #[case("generate --alg HS256")]
    #[case("generate --kid two/words")]
    #[case("import")]
    #[case("export --format der")]
    fn wrong_use_is_refused(#[case] line: &str) {
        assert!(Cli::try_parse_from(["key"].into_iter().chain(line.split(' '))).is_err());
    }
}
