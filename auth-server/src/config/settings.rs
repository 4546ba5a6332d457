//! The names of this service's settings, their defaults and what they mean.

use shared::config::Setting;

/// The part of the variables' names that is this service's own: `MYAPI_AUTH__…`.
pub const SECTION: &str = "AUTH";

/// Where `/metrics` is.
pub const METRICS_BIND: &str = "MYAPI_AUTH__METRICS_BIND";

/// Every setting with the prefix `MYAPI_AUTH__`.
pub const SETTINGS: &[Setting] = &[
    Setting::new("MYAPI_AUTH__BIND", "127.0.0.1:8001", "address and port to listen on"),
    Setting::new(
        "MYAPI_AUTH__ISSUER",
        "http://127.0.0.1:8001",
        "URL that clients reach this server by; `iss` of every token",
    ),
    Setting::new(
        "MYAPI_AUTH__AUDIENCE",
        "http://127.0.0.1:8000",
        "URI of the movies API; `aud` of tokens for clients that name no other",
    ),
    Setting::secret("MYAPI_AUTH__DATABASE_URL", "Postgres URL of this service alone; wins over MYAPI_DATABASE__*"),
    Setting::secret(
        "MYAPI_AUTH__DIRECT_DATABASE_URL",
        "Postgres URL of a session on the primary, for migrations, where the other goes through a pooler",
    ),
    Setting::new("MYAPI_AUTH__DATABASE_CONNECTIONS", "10", "the most connections of the pool"),
    Setting::new("MYAPI_AUTH__DATABASE_PATIENCE", "30", "seconds that a start waits for the database; 0 to 3600"),
    Setting::secret(
        "MYAPI_AUTH__KEY_ENCRYPTION_KEY",
        "32 bytes in base64 that open the signing keys; `auth-server key new-secret` makes one",
    ),
    Setting::secret(
        "MYAPI_AUTH__KEY_ENCRYPTION_KEY_PREVIOUS",
        "earlier key encryption keys, newest first, separated by commas; they still open",
    ),
    Setting::new("MYAPI_AUTH__KEY_RELOAD", "10", "seconds until a key made elsewhere is used here; 1 to 3600"),
    Setting::new(
        "MYAPI_AUTH__KEY_ROTATION",
        "0",
        "seconds that a key signs until the next one takes over by itself; 0: only by `key rotate`; else 3600 to 31622400",
    ),
    Setting::optional("MYAPI_AUTH__DEFAULT_CLIENT", "client that a password request without client_id counts as"),
    Setting::optional(
        "MYAPI_AUTH__CORS_ORIGINS",
        "origins whose pages may call /token, separated by commas; in dev the pair's own two",
    ),
    Setting::new("MYAPI_AUTH__DOCS", "true", "false takes /docs and /openapi.json away"),
    Setting::new(
        "MYAPI_AUTH__MAX_CONNECTIONS",
        "16384",
        "the most connections of clients; more are answered 503 and closed; 1 to 1000000, as the limit of open files allows",
    ),
    Setting::optional(METRICS_BIND, "address and port for Prometheus to read `/metrics` from; off unless set"),
    Setting::new("MYAPI_AUTH__USER_SCOPES", "movies:read profile email", "scopes of users that have none of their own"),
    Setting::new("MYAPI_AUTH__ACCESS_TOKEN_TTL", "600", "seconds that an access token lives; 3 to 86400"),
    Setting::new(
        "MYAPI_AUTH__REFRESH_TOKEN_IDLE_TTL",
        "1209600",
        "seconds that a refresh token lives unused; 3 to 31622400",
    ),
    Setting::new(
        "MYAPI_AUTH__REFRESH_TOKEN_TTL",
        "7776000",
        "seconds until a login has to be renewed, however often it is refreshed; no client may have more; 3 to 31622400",
    ),
    Setting::new(
        "MYAPI_AUTH__REFRESH_RETRY_WINDOW",
        "10",
        "seconds in which a spent refresh token is answered with its successor again; 0 (never) to 60",
    ),
    Setting::new(
        "MYAPI_AUTH__DPOP_NONCES",
        "false",
        "true asks for a nonce of this server in every DPoP proof, which costs clients a second request now and then",
    ),
    Setting::new("MYAPI_AUTH__CODE_TTL", "60", "seconds that an authorization code lives; 1 to 60"),
    Setting::new("MYAPI_AUTH__DEVICE_CODE_TTL", "600", "seconds that a device waits for its approval; 60 to 3600"),
    Setting::new("MYAPI_AUTH__DEVICE_INTERVAL", "5", "seconds between two polls of a device, at first; 1 to 60"),
    Setting::new(
        "MYAPI_AUTH__PUSHED_REQUEST_TTL",
        "60",
        "seconds in which a browser has to bring a pushed authorization request; 5 to 90",
    ),
    Setting::new(
        "MYAPI_AUTH__REQUIRE_PUSHED_REQUESTS",
        "false",
        "true refuses authorization requests that were not pushed to /par, of every client",
    ),
    Setting::new(
        "MYAPI_AUTH__SESSION_IDLE_TTL",
        "28800",
        "seconds that a browser stays signed in without being used; 60 to 31622400",
    ),
    Setting::new(
        "MYAPI_AUTH__SESSION_TTL",
        "604800",
        "seconds until a browser has to sign in again, however often it is used; 60 to 31622400",
    ),
    Setting::new("MYAPI_AUTH__HOUSEKEEPING", "300", "seconds between making and dropping partitions; 1 to 86400"),
    Setting::new(
        "MYAPI_AUTH__AUDIT_RETENTION",
        "34560000",
        "seconds that audit events are kept, rounded up to whole weeks; 0: for ever; else 2592000 to 315360000",
    ),
    Setting::new("MYAPI_AUTH__JWKS_MAX_AGE", "300", "seconds that others may keep the public keys; 10 to 86400"),
    Setting::new(
        "MYAPI_AUTH__KEEP_BCRYPT",
        "false",
        "true keeps bcrypt hashes as they are, for running beside the old application",
    ),
    Setting::new("MYAPI_AUTH__PASSWORD_MEMORY_KIB", "19456", "Argon2id memory of one hash, in KiB"),
    Setting::new("MYAPI_AUTH__PASSWORD_ITERATIONS", "2", "Argon2id passes"),
    Setting::new("MYAPI_AUTH__PASSWORD_PARALLELISM", "1", "Argon2id lanes of one hash"),
    Setting::optional("MYAPI_AUTH__PASSWORD_LANES", "hashes computed at once; the number of cores when not set"),
    Setting::new("MYAPI_AUTH__PASSWORD_QUEUE", "256", "logins that may wait for a hash; more are answered 503"),
    Setting::new("MYAPI_AUTH__PASSWORD_MINIMUM_LENGTH", "15", "characters that a new password needs; 8 or more"),
    Setting::optional(
        "MYAPI_AUTH__TRUSTED_PROXIES",
        "addresses and CIDRs of proxies whose X-Forwarded-For or Forwarded counts, separated by commas",
    ),
    Setting::new(
        "MYAPI_AUTH__LIMIT_ACCOUNT",
        "10:4",
        "failed logins of one account from devices it does not know: at once, then an hour",
    ),
    Setting::new(
        "MYAPI_AUTH__LIMIT_ADDRESS",
        "20:360",
        "failed logins from one address (IPv6 /64): at once, then an hour",
    ),
    Setting::new(
        "MYAPI_AUTH__LIMIT_PREFIX",
        "100:1800",
        "failed logins from one network (IPv4 /24, IPv6 /48): at once, then an hour",
    ),
    Setting::new("MYAPI_AUTH__LIMIT_CLIENT", "1000:36000", "failed logins through one client: at once, then an hour"),
    Setting::new(
        "MYAPI_AUTH__LIMIT_CLIENT_SECRET",
        "20:360",
        "wrong secrets of one client from one address: at once, then an hour; ten times that from everywhere",
    ),
    Setting::new(
        "MYAPI_AUTH__LIMIT_DEVICE_ADDRESS",
        "20:120",
        "devices that one address (IPv6 /64) starts to sign in: at once, then an hour",
    ),
    Setting::new(
        "MYAPI_AUTH__LIMIT_DEVICE_CLIENT",
        "1000:6000",
        "devices that start to sign in by one client: at once, then an hour",
    ),
    Setting::new(
        "MYAPI_AUTH__LIMIT_USER_CODE",
        "10:40",
        "wrong user codes of one account, and of one address: at once, then an hour; ten times that from its network",
    ),
    Setting::new(
        "MYAPI_AUTH__LIMIT_PUSHED_REQUEST",
        "60:3600",
        "authorization requests that one address (IPv6 /64) pushes for public clients: at once, then an hour",
    ),
];
