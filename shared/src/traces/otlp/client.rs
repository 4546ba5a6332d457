//! How batches get to the collector: the HTTP client of everything else here, on the service's runtime. The exporter's own
//! thread has none, and waits for the answer.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use super::StartError;

/// How often the log tells that batches are not taken.
const COMPLAINT: Duration = Duration::from_secs(300);
/// Bytes of an answer that are read, so that the connection can be used again; what they say is of no use here.
const ANSWER: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Handle,
    /// When the log told of a failure; `None` while all is well.
    told_at: Mutex<Option<Instant>>,
}

impl Client {
    pub(super) fn new(timeout: Duration, runtime: Handle) -> Result<Self, StartError> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .timeout(timeout)
            .user_agent(concat!("myapi/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| StartError::Client(error.to_string()))?;
        Ok(Self { http, runtime, told_at: Mutex::default() })
    }

    fn tell(&self, failure: Option<&str>) {
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(reason) if told_at.is_none_or(|at| at.elapsed() >= COMPLAINT) => {
                *told_at = Some(Instant::now());
                tracing::warn!(reason, "the collector does not take traces; they are lost until it does");
            }
            None if told_at.take().is_some() => tracing::info!("the collector takes traces again"),
            _ => {}
        }
    }
}

async fn send(http: reqwest::Client, request: reqwest::Request) -> Result<StatusCode, reqwest::Error> {
    let mut answer = http.execute(request).await?;
    let (status, mut read) = (answer.status(), 0);
    while let Some(chunk) = answer.chunk().await? {
        read += chunk.len();
        if read > ANSWER {
            break;
        }
    }
    Ok(status)
}

impl HttpClient for Client {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let sending = self.runtime.spawn(send(self.http.clone(), reqwest::Request::try_from(request)?));
            let sent = match sending.await {
                Ok(sent) => sent.map_err(|error| Box::new(error.without_url()) as HttpError),
                // Only where the process ends.
                Err(error) => return Err(error.into()),
            };
            match &sent {
                Ok(status) if status.is_success() => self.tell(None),
                Ok(status) => self.tell(Some(&format!("it answers {status}"))),
                Err(error) => self.tell(Some(&last_cause(error.as_ref()))),
            }
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = sent?;
            Ok(answer)
        })
    }
}

/// The innermost reason: the outer ones say that sending failed.
fn last_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
