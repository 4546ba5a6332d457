//! The movies API: films for whoever holds a token of the auth-server.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    movies_api::cli::run().await
}
