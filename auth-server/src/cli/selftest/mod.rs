//! `auth-server selftest`: attacks a running pair in the ways that matter, and says which of them were held off.
//!
//! 1. A user and two clients are made that nobody else knows, through the services that the other commands use.
//! 2. Everything else is plain HTTP, as an attacker has it: each rule is one line of the report, with what was tried, what
//!    must hold, and where that is written.
//! 3. User and clients are removed whatever happened, Ctrl-C and SIGTERM included. `kill -9` leaves them: their names begin
//!    with `selftest-`.

mod checks;
mod crafted;
mod report;
mod scene;
mod subjects;
mod wire;

use shared::http::serve;
use url::Url;

use self::report::Report;
use self::scene::Scene;
use self::subjects::Subjects;
use super::Context;

const EXAMPLES: &str = "\
Examples:
  auth-server selftest
  auth-server selftest --auth https://auth.example.com --api 'https://api.example.com/movies/?movie_id=1'
  auth-server selftest --output json > selftest.json

Exit code 1 when a rule does not hold.";

/// Flags of `selftest`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Selftest {
    /// Where the auth-server answers, in place of MYAPI_AUTH__ISSUER
    #[arg(long, value_name = "URL")]
    auth: Option<Url>,
    /// What to GET with access tokens; by default `/movies/?movie_id=1` below MYAPI_AUTH__AUDIENCE
    #[arg(long, value_name = "URL")]
    api: Option<Url>,
    /// The scope that this takes
    #[arg(long, value_name = "SCOPE", default_value = "movies:read")]
    scope: String,
}

impl Selftest {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let config = &context.config;
        let auth = self.auth.as_ref().map_or(config.issuer.as_str(), Url::as_str).trim_end_matches('/').to_owned();
        let api = match self.api {
            Some(url) => url,
            None => Url::parse(config.audience.trim_end_matches('/'))?.join("/movies/?movie_id=1")?,
        };
        let stop = serve::stop_signal()?;
        let mut subjects = Subjects::new(context, &self.scope)?;
        let mut report = Report::default();
        let tried = async {
            subjects.make().await?;
            let scene = Scene::new(context, auth, api, subjects.kit())?;
            checks::run(&scene, &mut report).await;
            anyhow::Ok(())
        };
        let tried = tokio::select! {
            tried = tried => tried,
            () = stop => Err(anyhow::anyhow!("stopped: what was made is removed, and nothing is proven")),
        };
        // Whatever happened; what cannot be removed is named.
        let removed = subjects.remove().await;
        removed.and(tried)?;
        Ok(report.print(context.output)?)
    }
}
