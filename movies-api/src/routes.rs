//! Every path of this service.

/// True while the process runs; asks nobody.
pub const HEALTH: &str = "/healthz";
/// True while the service can answer.
pub const READY: &str = "/readyz";
pub use shared::http::docs::{DOCUMENT as OPENAPI, PAGE as DOCS};

/// One film by `?movie_id=`; the old application's clients write the slash.
pub const MOVIES_SLASH: &str = "/movies/";
/// The same without the slash.
pub const MOVIES: &str = "/movies";
/// Films of at least `?year=&rating=`.
pub const NEW_MOVIES: &str = "/movies/new";
/// One film.
pub const MOVIE: &str = "/movies/{movie_id}";
