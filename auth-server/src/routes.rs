//! Every URL of this service. A new endpoint starts with a line here.

/// Tokens by grant (RFC 6749 section 3.2).
pub const TOKEN: &str = "/token";
/// Revocation (RFC 7009 section 2).
pub const REVOKE: &str = "/revoke";
/// Introspection (RFC 7662 section 2).
pub const INTROSPECT: &str = "/introspect";
/// What is dead before its time, signed, for resource servers without our database.
pub const REVOCATIONS: &str = "/revocations";
/// Which keys a resource server's process holds; for those without our database.
pub const RESOURCE_SERVER_REPORT: &str = "/resource_server_report";
/// Where browsers come to sign in (RFC 6749 section 3.1).
pub const AUTHORIZE: &str = "/authorize";
/// Where devices without a browser start to sign in (RFC 8628 section 3.1).
pub const DEVICE_AUTHORIZATION: &str = "/device_authorization";
/// The page where a person types a device's code (RFC 8628 section 3.3).
pub const DEVICE: &str = "/device";
/// Where clients send their authorization requests before the browser comes (RFC 9126).
pub const PAR: &str = "/par";
/// The login page.
pub const LOGIN: &str = "/login";
/// The consent page.
pub const CONSENT: &str = "/consent";
/// The logout page (RP-initiated logout).
pub const LOGOUT: &str = "/logout";
/// The stylesheet of the pages.
pub const STYLE: &str = "/pages.css";
/// Who an access token is about (OpenID Connect core section 5.3).
pub const USERINFO: &str = "/userinfo";
/// The metadata where OpenID Connect clients look for it (discovery section 4).
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// Authorization server metadata (RFC 8414 section 3); an issuer's path follows it.
pub const METADATA: &str = "/.well-known/oauth-authorization-server";
/// The public keys (RFC 7517 section 5).
pub const JWKS: &str = "/.well-known/jwks.json";
/// The process lives; never asks the database.
pub const HEALTH: &str = "/healthz";
/// Requests would be answered: keys are loaded and the database answers.
pub const READY: &str = "/readyz";

pub use shared::http::docs::{DOCUMENT as OPENAPI, PAGE as DOCS};
