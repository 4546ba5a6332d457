//! What a resource server says of itself (protected resource metadata, RFC 9728): who knows its address alone finds out
//! whose tokens it takes, and how.
//!
//! The document is the service's own, at [`metadata_address`] of its name; its challenges point there, when
//! [`Gate::with_metadata`](super::bearer::Gate::with_metadata) says so.

use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::dpop::ALGORITHMS;
use super::keys::Algorithm;

/// Where the document is, before the path of the resource's own name.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Protected resource metadata (RFC 9728 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResourceMetadata {
    /// The name of this service, which tokens for it carry in their `aud`.
    #[schema(example = "http://127.0.0.1:8000")]
    pub resource: String,
    /// What people call it.
    pub resource_name: String,
    /// The issuers whose tokens it takes.
    #[schema(example = json!(["http://127.0.0.1:8001"]))]
    pub authorization_servers: Vec<String>,
    /// The scopes that its routes ask for.
    #[schema(example = json!(["movies:read", "movies:write"]))]
    pub scopes_supported: Vec<String>,
    /// How tokens are presented: in `Authorization` alone.
    #[schema(value_type = Vec<String>, example = json!(["header"]))]
    pub bearer_methods_supported: [&'static str; 1],
    /// What a DPoP proof may be signed with.
    #[schema(value_type = Vec<Algorithm>)]
    pub dpop_signing_alg_values_supported: [Algorithm; 3],
    /// Whether it takes tokens that are bound to a key, and no others.
    pub dpop_bound_access_tokens_required: bool,
}

impl ResourceMetadata {
    /// Of a service that takes one issuer's tokens, with or without DPoP.
    #[must_use]
    pub fn new(resource: &str, name: &str, issuer: &str, scopes: &[&str]) -> Self {
        Self {
            resource: resource.to_owned(),
            resource_name: name.to_owned(),
            authorization_servers: vec![issuer.to_owned()],
            scopes_supported: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            bearer_methods_supported: ["header"],
            dpop_signing_alg_values_supported: ALGORITHMS,
            dpop_bound_access_tokens_required: false,
        }
    }

    /// The same, of a service that takes bound tokens alone.
    #[must_use]
    pub fn requiring_dpop(self, is_required: bool) -> Self {
        Self { dpop_bound_access_tokens_required: is_required, ..self }
    }
}

/// The path of the document for a resource of this name: the resource's own path stands behind it (RFC 9728 section 3.1).
#[must_use]
pub fn metadata_path(resource: &Url) -> String {
    format!("{WELL_KNOWN}{}", if resource.path() == "/" { "" } else { resource.path() })
}

/// The address of the document; `None` for a name that is no http or https address.
#[must_use]
pub fn metadata_address(resource: &Url) -> Option<Url> {
    if !matches!(resource.scheme(), "http" | "https") {
        return None;
    }
    let mut address = resource.clone();
    address.set_path(&metadata_path(resource));
    address.set_fragment(None);
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::{Url, metadata_address};

    #[test]
    fn the_well_known_path_stands_between_host_and_path() {
        let of = |resource: &str| metadata_address(&resource.parse::<Url>().unwrap()).map(|url| url.to_string());
        let cases = [
            ("http://127.0.0.1:8000", Some("http://127.0.0.1:8000/.well-known/oauth-protected-resource")),
            ("https://a.example/", Some("https://a.example/.well-known/oauth-protected-resource")),
            ("https://a.example/movies/v1", Some("https://a.example/.well-known/oauth-protected-resource/movies/v1")),
            ("https://a.example/m?k=1", Some("https://a.example/.well-known/oauth-protected-resource/m?k=1")),
            ("https://a.example/m/", Some("https://a.example/.well-known/oauth-protected-resource/m/")),
            ("urn:movies", None),
        ];
        for (resource, address) in cases {
            assert_eq!(of(resource).as_deref(), address, "{resource}");
        }
    }
}
