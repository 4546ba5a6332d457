//! Resource servers: what tokens can be for. Each has an audience (RFC 8707) and scopes; a new service beside movies
//! needs rows here, not code.

mod model;
mod reports;
mod service;
mod store;

pub use model::{Catalogue, NewScope, ResourceServer};
pub use reports::{LISTED_FOR, NewReport, Report, ReportError, SILENT_AFTER, Source, forget, report, reports};
pub use service::{ResourceServerError, ResourceServers};
