//! The trail of one request or command: what is noted on it is recorded with who, whence and under which request id.

use std::cell::RefCell;
use std::future::Future;
use std::net::IpAddr;

use uuid::Uuid;

use super::actor;
use super::model::{Event, Record};
use super::queue::Audit;

tokio::task_local! {
    /// Like the log's span, it is where the request is, and no service has to hand it on.
    static TRAIL: Trail;
}

/// Who acts, and what is known of the request by now.
pub struct Trail {
    audit: Audit,
    actor: String,
    request_id: Option<Uuid>,
    known: RefCell<Known>,
}

#[derive(Default)]
struct Known {
    address: Option<IpAddr>,
    client_id: Option<String>,
    subject: Option<String>,
}

impl Trail {
    /// A request of a client.
    #[must_use]
    pub fn of_request(audit: Audit, request_id: Option<Uuid>) -> Self {
        Self { audit, actor: actor::CLIENT.to_owned(), request_id, known: RefCell::default() }
    }

    /// A command, by the user of the operating system that runs it.
    #[must_use]
    pub fn of_command(audit: Audit) -> Self {
        Self { audit, actor: actor::operator(), request_id: None, known: RefCell::default() }
    }

    /// What the server does by itself.
    #[must_use]
    pub fn of_server(audit: Audit) -> Self {
        Self { audit, actor: actor::SERVER.to_owned(), request_id: None, known: RefCell::default() }
    }

    /// Everything that `work` notes is recorded on this trail. A task of its own that it spawns is not part of it.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        TRAIL.scope(self, work)
    }

    fn record(&self, mut event: Event) {
        let known = self.known.borrow();
        event.subject = event.subject.or_else(|| known.subject.clone());
        event.client_id = event.client_id.or_else(|| known.client_id.clone());
        let address = known.address.map(|address| address.to_string());
        let (actor, request_id) = (self.actor.clone(), self.request_id);
        self.audit.push(|at| Record { at, event, address, request_id, actor });
    }
}

/// Records an event on the trail that this runs on. Never waits and never fails; without a trail (a test of one service)
/// nothing is recorded.
pub fn note(event: Event) {
    // Outside of a trail there is nobody to tell.
    let _ = TRAIL.try_with(|trail| trail.record(event));
}

/// The request comes from there.
pub fn note_address(address: IpAddr) {
    let _ = TRAIL.try_with(|trail| trail.known.borrow_mut().address = Some(address));
}

/// The request is this client's, authenticated or not; a text that is no client's id is not to be named.
pub fn note_client(client_id: impl ToString) {
    let _ = TRAIL.try_with(|trail| trail.known.borrow_mut().client_id = Some(client_id.to_string()));
}

/// The request is about this user, authenticated or not.
pub fn note_subject(sub: impl ToString) {
    let _ = TRAIL.try_with(|trail| trail.known.borrow_mut().subject = Some(sub.to_string()));
}
