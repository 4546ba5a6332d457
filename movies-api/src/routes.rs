//! Every path of this service.

/// True while the process runs; asks nobody.
pub const HEALTH: &str = "/healthz";
/// True while the service can answer.
pub const READY: &str = "/readyz";
pub use shared::http::docs::{DOCUMENT as OPENAPI, PAGE as DOCS};

/// Whose tokens this service takes (RFC 9728).
pub const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
/// One film by `?movie_id=`; the old application's clients write the slash.
pub const MOVIES_SLASH: &str = "/movies/";
/// The list of films, and where new ones go; with `?movie_id=` one film.
pub const MOVIES: &str = "/movies";
/// Films of at least `?year=&rating=`.
pub const NEW_MOVIES: &str = "/movies/new";
/// How many films each year has.
pub const STATS: &str = "/movies/stats";
/// All films as a file, `?format=`.
pub const EXPORT: &str = "/movies/export";
/// One film.
pub const MOVIE: &str = "/movies/{movie_id}";
