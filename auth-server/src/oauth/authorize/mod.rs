//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect core section 3.1.2).
//!
//! 1. The query is read strictly: a repeated parameter or a bad escape is refused before anything else is looked at.
//!    A request that was pushed (RFC 9126) is looked up by the name that the query brings.
//! 2. `machine` drives oxide-auth's authorization machine: client and `redirect_uri` are proven (`redirect`), the rest of
//!    the request is checked (`validate`). Until they are proven an error is a page, never a redirect.
//! 3. `service` asks who is signed in, sends a person to the login and consent pages and takes them back from there, and
//!    in the end gives out a code.
//! 4. Every answer to the client is a 303 to its `redirect_uri` with `state` as it came, byte for byte, and `iss` (RFC
//!    9207). An error that anybody could provoke by a link is sent there only with a person signed in, or where the client
//!    asked for no page at all (`prompt=none`); else a page says what is wrong and where the link came from (RFC 9700
//!    section 4.11.2).
//!
//! Nothing of a request under way is kept here: the browser carries it, sealed, through the pages, so that two tabs do not
//! mix.

mod handlers;
mod machine;
mod redirect;
mod refused;
mod service;
mod validate;

pub(crate) use handlers::{LONGEST_QUERY, answer_refused, go};
pub(crate) use machine::{Asked, prove};
pub(crate) use redirect::host_of;
pub use redirect::{form_target, is_allowed, with_parameters};
pub use refused::Reason;
pub(crate) use refused::{Back, PageReason, Refused};
pub(crate) use service::{Answer, Flow, Step, proceed};
pub use validate::{Parameters, PromptNames, check, max_age};

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(handlers::authorize, handlers::authorize_by_form))
}
