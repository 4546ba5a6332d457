//! The frame of the OpenAPI document: what stands around the operations, which the rooms describe themselves.

use shared::http::docs::{Endpoints, LOGIN, login};
use shared::http::problem::Problem;
use shared::token::bearer::Permission as _;
use utoipa::OpenApi;
use utoipa::openapi::Components;

use crate::movies::handlers::MoviesRead;
use crate::movies::handlers::write::MoviesWrite;

const DESCRIPTION: &str = "Films for whoever holds an access token with the scope `movies:read`; changes need `movies:write`. A \
    token that is bound to a key comes by `Authorization: DPoP` with a proof in the header `DPoP` (RFC 9449), any other by \
    `Authorization: Bearer`.\n\n\
    Every answer carries an `X-Request-Id`, by which the log knows the request. Errors are problem documents \
    (RFC 9457), whose `code` is stable.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Movies API", version = "1", description = DESCRIPTION, license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    components(schemas(Problem)),
    tags(
        (name = "Movies", description = "Looking up films, and changing them."),
        (name = "Discovery", description = "For clients that know the address alone."),
        (name = "Health", description = "For load balancers and supervisors."),
    )
)]
struct Frame;

/// The scopes that the page of `/docs` offers at its login, in plain words: a new room adds its own.
pub(super) const SCOPES: [(&str, &str); 2] =
    [(MoviesRead::SCOPE, "look up films"), (MoviesWrite::SCOPE, "add, change and delete films")];

/// The document without operations; tokens come from `endpoints`.
pub(super) fn frame(endpoints: &Endpoints) -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(LOGIN, login(endpoints, &SCOPES, &[]));
    document
}
