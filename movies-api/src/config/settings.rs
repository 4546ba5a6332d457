//! The names of this service's settings, their defaults and what they mean.

use shared::config::Setting;

/// The part of the variables' names that is this service's own: `MYAPI_MOVIES__…`.
pub const SECTION: &str = "MOVIES";

pub(super) const BIND: &str = "MYAPI_MOVIES__BIND";
pub(super) const ISSUER: &str = "MYAPI_MOVIES__ISSUER";
pub(super) const AUDIENCE: &str = "MYAPI_MOVIES__AUDIENCE";
pub(super) const PUBLIC_KEY_FILE: &str = "MYAPI_MOVIES__PUBLIC_KEY_FILE";
pub(super) const JWKS_FILE: &str = "MYAPI_MOVIES__JWKS_FILE";
pub(super) const JWKS_URL: &str = "MYAPI_MOVIES__JWKS_URL";
pub(super) const JWKS_ALLOW_HTTP: &str = "MYAPI_MOVIES__JWKS_ALLOW_HTTP";
pub(super) const KEY_CACHE: &str = "MYAPI_MOVIES__KEY_CACHE";
pub(super) const REVOCATIONS: &str = "MYAPI_MOVIES__REVOCATIONS";
pub(super) const REPORTS: &str = "MYAPI_MOVIES__REPORTS";
pub(super) const CLIENT_ID: &str = "MYAPI_MOVIES__CLIENT_ID";
pub(super) const CLIENT_SECRET: &str = "MYAPI_MOVIES__CLIENT_SECRET";
const DIRECT_DATABASE_URL: &str = "MYAPI_MOVIES__DIRECT_DATABASE_URL";
pub(super) const DPOP_REQUIRED: &str = "MYAPI_MOVIES__DPOP_REQUIRED";
pub(super) const CORS_ORIGINS: &str = "MYAPI_MOVIES__CORS_ORIGINS";
pub(super) const DOCS: &str = "MYAPI_MOVIES__DOCS";
pub(super) const MAX_CLIENTS: &str = "MYAPI_MOVIES__MAX_CONNECTIONS";
/// Where `/metrics` is.
pub const METRICS_BIND: &str = "MYAPI_MOVIES__METRICS_BIND";
pub(super) const LIMIT_SUBJECT: &str = "MYAPI_MOVIES__LIMIT_SUBJECT";
pub(super) const LIMIT_CLIENT: &str = "MYAPI_MOVIES__LIMIT_CLIENT";
pub(super) const DOCS_CLIENT: &str = "MYAPI_MOVIES__DOCS_CLIENT";

/// Every setting of this service.
pub const SETTINGS: &[Setting] = &[
    Setting::new(BIND, "127.0.0.1:8000", "address and port to listen on"),
    Setting::new(
        ISSUER,
        "http://127.0.0.1:8001",
        "the auth-server whose tokens are trusted, exactly as in their `iss`",
    ),
    Setting::new(AUDIENCE, "http://127.0.0.1:8000", "the name of this API, which tokens carry in their `aud`"),
    Setting::optional(PUBLIC_KEY_FILE, "the auth-server's public key as a PEM file (one of three ways to give keys)"),
    Setting::optional(JWKS_FILE, "the auth-server's public keys as a JWK Set file"),
    Setting::optional(
        JWKS_URL,
        "where the auth-server publishes its keys, such as http://127.0.0.1:8001/.well-known/jwks.json",
    ),
    Setting::new(
        JWKS_ALLOW_HTTP,
        "false",
        "true takes keys and revocations, and sends reports, by plain http to other hosts too: only on a network that is the services' own",
    ),
    Setting::optional(
        KEY_CACHE,
        "a file that keeps the keys of JWKS_URL for a start while the auth-server is down; of each process its own",
    ),
    Setting::new(
        REVOCATIONS,
        "database",
        "where it learns what was revoked: `database`, the auth-server's /revocations as a URL, or `off`",
    ),
    Setting::new(
        REPORTS,
        "database",
        "where it tells which keys it holds: `database`, the auth-server's /resource_server_report as a URL, or `off`",
    ),
    Setting::optional(CLIENT_ID, "the confidential client that reports to a URL: one with `--serves` this API"),
    Setting::secret(CLIENT_SECRET, "the secret of that client"),
    Setting::new(
        DPOP_REQUIRED,
        "false",
        "true takes tokens that are bound to a key by DPoP alone; clients have to reach this API at its AUDIENCE",
    ),
    Setting::optional(
        CORS_ORIGINS,
        "origins whose pages may call this API, separated by commas; in dev the pair's own two",
    ),
    Setting::new(DOCS, "true", "false takes /docs and /openapi.json away"),
    Setting::new(
        MAX_CLIENTS,
        "16384",
        "the most connections of clients; more are answered 503 and closed; 1 to 1000000, as the limit of open files allows",
    ),
    Setting::optional(METRICS_BIND, "address and port for Prometheus to read `/metrics` from; off unless set"),
    Setting::optional(
        DOCS_CLIENT,
        "the public client that stands in the login of /docs; one of its redirect URIs is this API's /docs/oauth2-redirect.html",
    ),
    Setting::new(
        LIMIT_SUBJECT,
        "10000:1000/s",
        "requests of one user at once, then each second (`/m` minute, `/h` hour); `off` for no limit",
    ),
    Setting::new(LIMIT_CLIENT, "50000:5000/s", "the same of all users of one client together"),
    Setting::secret("MYAPI_MOVIES__DATABASE_URL", "Postgres URL of this service alone, instead of MYAPI_DATABASE__…"),
    Setting::secret(
        DIRECT_DATABASE_URL,
        "Postgres URL of a session on the primary, where the other goes through a pooler or to a standby: for news of \
         revocations, `import`, and what a standby does not take",
    ),
];
