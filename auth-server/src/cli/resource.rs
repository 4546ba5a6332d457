//! `auth-server resource`: a new service beside movies is registered here.

use shared::output::{OutputFormat, print_json, print_line, table};

use super::Context;
use crate::resource_servers::{NewScope, ResourceServers};

const EXAMPLES: &str = "\
Examples:
  auth-server resource create https://reviews.example.com --name reviews --scope 'reviews:read=Read reviews'
  auth-server resource set-audience movies https://movies.example.com";

/// What can be said of resource servers.
#[derive(clap::Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub(super) enum ResourceCommand {
    /// List resource servers and their scopes
    List,
    /// Register a service that accepts our tokens
    Create {
        /// Its audience, a URI
        audience: String,
        /// What people call it
        #[arg(long)]
        name: String,
        /// A scope with what it allows, such as `reviews:read=Read reviews`; repeat for more
        #[arg(long = "scope", value_name = "NAME=TEXT")]
        scopes: Vec<NewScope>,
    },
    /// Change a service's audience; its clients follow
    SetAudience {
        /// The service's name
        name: String,
        /// The new audience, a URI
        audience: String,
    },
}

pub(super) async fn run(command: ResourceCommand, context: &Context) -> anyhow::Result<()> {
    let service = ResourceServers::new(context.pool.clone(), context.clock.clone());
    match command {
        ResourceCommand::List => {}
        ResourceCommand::Create { audience, name, scopes } => {
            check_uri(&audience)?;
            service.create(&audience, &name, &scopes).await?;
        }
        ResourceCommand::SetAudience { name, audience } => {
            check_uri(&audience)?;
            service.set_audience(&name, &audience).await?;
        }
    }
    let all = service.list().await?;
    if context.output == OutputFormat::Json {
        return Ok(print_json(&all)?);
    }
    let mut table = table(["name", "audience", "scopes"]);
    for server in all {
        table.add_row([server.name, server.audience, server.scopes.to_string()]);
    }
    Ok(print_line(&table)?)
}

fn check_uri(audience: &str) -> anyhow::Result<()> {
    match url::Url::parse(audience) {
        Ok(uri) if uri.fragment().is_none() => Ok(()),
        _ => anyhow::bail!("`{audience}` is not an absolute URI without fragment (RFC 8707 section 2)"),
    }
}
