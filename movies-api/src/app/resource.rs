//! What this service says of itself to clients that know its address alone (protected resource metadata, RFC 9728), and what
//! follows from its name for the gate: proofs are made for that address, challenges point to the document.

use std::sync::Arc;

use axum::{Extension, Json};
use http::{HeaderName, Method, header};
use shared::token::bearer::Gate;
use shared::token::dpop::Proofs;
use shared::token::resource::{ResourceMetadata, metadata_address, metadata_path};
use tower_http::cors::{Any, CorsLayer};
use url::Url;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::openapi;
use crate::routes;
use crate::state::AppState;

/// The name of this service, whose tokens it takes, and which of them.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The `aud` of tokens for it. Where it is an http or https address, clients reach the service there.
    pub audience: String,
    /// The `iss` of tokens that it takes.
    pub issuer: String,
    /// Whether it takes tokens that are bound to a key alone.
    pub requires_dpop: bool,
}

impl Resource {
    /// The gate takes bound tokens with proofs for this service's address, and tells where the metadata is. A service whose
    /// name is no address can do neither: its gate stays as it is, and refuses bound tokens.
    #[must_use]
    pub fn guard(&self, gate: Gate) -> Gate {
        let (Some(address), Ok(proofs)) = (self.address(), Proofs::new(&self.audience)) else { return gate };
        let gate = gate.with_metadata(&address);
        if self.requires_dpop { gate.with_proofs_alone(proofs) } else { gate.with_proofs(proofs) }
    }

    /// Where the metadata is.
    fn address(&self) -> Option<Url> {
        metadata_address(&self.audience.parse().ok()?)
    }

    fn metadata(&self) -> ResourceMetadata {
        let scopes = openapi::SCOPES.map(|(scope, _)| scope);
        ResourceMetadata::new(&self.audience, "Movies API", &self.issuer, &scopes).requiring_dpop(self.requires_dpop)
    }
}

/// The document at its well-known path, and behind that the path of the service's own name where it has one (section 3.1).
pub(super) fn router(resource: &Resource) -> OpenApiRouter<AppState> {
    let Ok(name) = resource.audience.parse::<Url>() else { return OpenApiRouter::new() };
    if resource.address().is_none() {
        return OpenApiRouter::new();
    }
    // A public document: every origin may read it, none with credentials.
    let cors = CorsLayer::new().allow_origin(Any).allow_methods([Method::GET]);
    let router = OpenApiRouter::new().routes(routes!(protected_resource));
    let router = match metadata_path(&name) {
        path if path == routes::RESOURCE_METADATA => router,
        path => router.routes(at(path, routes!(protected_resource))),
    };
    router.layer(Extension(Arc::new(resource.metadata()))).layer(cors)
}

/// The same route at another path.
fn at(path: String, (schemas, mut paths, methods): UtoipaMethodRouter<AppState>) -> UtoipaMethodRouter<AppState> {
    if let Some(mut item) = paths.paths.remove(routes::RESOURCE_METADATA) {
        if let Some(get) = &mut item.get {
            get.operation_id = Some("protected_resource_by_name".to_owned());
        }
        paths.paths.insert(path, item);
    }
    (schemas, paths, methods)
}

type Answer = ([(HeaderName, &'static str); 1], Json<ResourceMetadata>);

/// Whose tokens this service takes, and how
///
/// Protected resource metadata (RFC 9728). Any page may read it.
#[utoipa::path(
    get,
    path = routes::RESOURCE_METADATA,
    tag = "Discovery",
    responses((status = 200, description = "The metadata.", body = ResourceMetadata,
        headers(("Cache-Control" = String, description = "How long it may be kept."))))
)]
async fn protected_resource(Extension(metadata): Extension<Arc<ResourceMetadata>>) -> Answer {
    ([(header::CACHE_CONTROL, "public, max-age=3600")], Json(metadata.as_ref().clone()))
}
