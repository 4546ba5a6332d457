//! `auth-server client`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;
use shared::output::{OutputFormat, print_json, print_line, table};
use shared::token::scope::ScopeSet;

use super::Context;
use crate::clients::{ApplicationType, Client, ClientId, ClientKind, Clients, GrantType, Lifetimes, NewClient};
use crate::resource_servers::ResourceServers;

const EXAMPLES: &str = "\
Examples:
  auth-server client create web --public --grant password --scope movies:read
  auth-server client create backend --grant password --scope movies:read --output json
  auth-server client rotate-secret backend";

/// What can be said of clients.
#[derive(clap::Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub(super) enum ClientCommand {
    /// List clients
    List,
    /// Show one client
    Show {
        /// Its id
        client_id: ClientId,
    },
    /// Register a client; a confidential one's secret is printed once
    Create(Create),
    /// Delete a client; its id stays taken
    Delete {
        /// Its id
        client_id: ClientId,
    },
    /// Replace a client's secrets by a new one, printed once
    RotateSecret {
        /// Its id
        client_id: ClientId,
    },
}

/// Flags of `client create`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Create {
    /// Its id, as it will stand in requests
    client_id: ClientId,
    /// What people call it; its id when not given
    #[arg(long)]
    name: Option<String>,
    /// It cannot keep a secret, and gets none
    #[arg(long)]
    public: bool,
    /// A grant that it may use; repeat for more
    #[arg(long = "grant", value_name = "GRANT", required = true)]
    grants: Vec<GrantType>,
    /// A scope that it may ask for; repeat for more
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<ScopeSet>,
    /// A scope that a request without scope asks for; all of its scopes when not given
    #[arg(long = "default-scope", value_name = "SCOPE")]
    default_scopes: Vec<ScopeSet>,
    /// The resource server that its tokens are for, in place of MYAPI_AUTH__AUDIENCE
    #[arg(long, value_name = "URI")]
    audience: Option<String>,
    /// Seconds that its access tokens live, in place of MYAPI_AUTH__ACCESS_TOKEN_TTL
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(3..=86_400))]
    access_token_ttl: Option<u32>,
}

pub(super) async fn run(command: ClientCommand, context: &Context) -> anyhow::Result<()> {
    let resource_servers = ResourceServers::new(context.pool.clone(), context.clock.clone());
    let clients = Clients::new(context.pool.clone(), context.clock.clone(), resource_servers);
    match command {
        ClientCommand::List => list(&clients.list().await?, context.output),
        ClientCommand::Show { client_id } => show(&clients.get(&client_id).await?, context.output),
        ClientCommand::Create(create) => create.run(&clients, context).await,
        ClientCommand::Delete { client_id } => {
            clients.delete(&client_id).await?;
            done(context.output, "deleted", &client_id)
        }
        ClientCommand::RotateSecret { client_id } => {
            let secret = clients.rotate_secret(&client_id).await?;
            print_secret(context.output, &client_id, Some(secret.expose()))
        }
    }
}

impl Create {
    async fn run(self, clients: &Clients, context: &Context) -> anyhow::Result<()> {
        let scopes = union(&self.scopes)?;
        let default_scopes = if self.default_scopes.is_empty() { scopes.clone() } else { union(&self.default_scopes)? };
        let new = NewClient {
            name: self.name.unwrap_or_else(|| self.client_id.to_string()),
            kind: if self.public { ClientKind::Public } else { ClientKind::Confidential },
            grants: self.grants,
            scopes,
            default_scopes,
            audience: self.audience.unwrap_or_else(|| context.config.audience.clone()),
            serves: None,
            application_type: ApplicationType::Web,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            skips_consent: false,
            lifetimes: Lifetimes {
                access_token: self.access_token_ttl.map(|seconds| Duration::from_secs(seconds.into())),
                ..Lifetimes::default()
            },
            client_id: self.client_id,
        };
        if new.name.trim().is_empty() {
            bail!("the name of a client is not empty");
        }
        let (client, secret) = clients.create(&new).await?;
        print_secret(context.output, &client.client_id, secret.as_ref().map(|secret| secret.expose()))
    }
}

fn union(sets: &[ScopeSet]) -> anyhow::Result<ScopeSet> {
    Ok(ScopeSet::from_names(sets.iter().flat_map(ScopeSet::iter))?)
}

#[derive(Serialize)]
struct Registered<'a> {
    client_id: &'a ClientId,
    client_secret: Option<&'a str>,
}

fn print_secret(output: OutputFormat, client_id: &ClientId, secret: Option<&str>) -> anyhow::Result<()> {
    let printed = match (output, secret) {
        (OutputFormat::Json, _) => print_json(&Registered { client_id, client_secret: secret }),
        (OutputFormat::Table, None) => print_line(format_args!("client_id      {client_id}")),
        (OutputFormat::Table, Some(secret)) => {
            print_line(format_args!("client_id      {client_id}\nclient_secret  {secret}"))
        }
    };
    printed.with_context(|| {
        format!("`{client_id}` is stored, but nobody saw the answer: `client rotate-secret` makes a new secret")
    })?;
    if output == OutputFormat::Table && secret.is_some() {
        eprintln!("Keep the secret now: it is not stored and cannot be shown again.");
    }
    Ok(())
}

fn done(output: OutputFormat, what: &str, client_id: &ClientId) -> anyhow::Result<()> {
    if output == OutputFormat::Json {
        return Ok(print_json(&serde_json::json!({ "client_id": client_id, "done": what }))?);
    }
    Ok(print_line(format_args!("{client_id} {what}"))?)
}

fn show(client: &Client, output: OutputFormat) -> anyhow::Result<()> {
    match output {
        OutputFormat::Json => Ok(print_json(client)?),
        OutputFormat::Table => list(std::slice::from_ref(client), output),
    }
}

fn list(clients: &[Client], output: OutputFormat) -> anyhow::Result<()> {
    if output == OutputFormat::Json {
        return Ok(print_json(&clients)?);
    }
    let mut table = table(["client_id", "name", "kind", "grants", "scopes", "audience", "state"]);
    for client in clients {
        let grants = client.grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>().join(" ");
        let state = if client.disabled_at.is_some() { "disabled" } else { "enabled" };
        table.add_row([
            client.client_id.as_str(),
            &client.name,
            client.kind.as_str(),
            &grants,
            &client.scopes.to_string(),
            &client.audience,
            state,
        ]);
    }
    Ok(print_line(&table)?)
}
