//! One address in front of replicas, as a balancer has it: connections go to each in turn, and where one is refused to the next.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

/// Who stands behind an address; clones are the same.
#[derive(Clone, Default)]
pub struct Door(Arc<Behind>);

#[derive(Default)]
struct Behind {
    replicas: Mutex<Vec<SocketAddr>>,
    turn: AtomicUsize,
}

impl Door {
    /// Listens at `address`, for the life of the runtime.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn open(runtime: &Handle, address: SocketAddr) -> Result<Self> {
        let listener = runtime.block_on(TcpListener::bind(address)).with_context(|| format!("cannot use {address}"))?;
        let door = Self::default();
        let own = door.clone();
        runtime.spawn(async move {
            // One that is gone before it was accepted is nobody's.
            loop {
                if let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(own.clone().lead(client));
                }
            }
        });
        Ok(door)
    }

    /// From now on this one is asked as well.
    pub fn add(&self, replica: SocketAddr) {
        self.lock().push(replica);
    }

    /// From now on it is not.
    pub fn remove(&self, replica: SocketAddr) {
        self.lock().retain(|other| *other != replica);
    }

    /// All of them, another one first each time.
    pub fn in_turn(&self) -> Vec<SocketAddr> {
        let mut replicas = self.lock().clone();
        let first = self.0.turn.fetch_add(1, Ordering::Relaxed);
        if let Some(first) = first.checked_rem(replicas.len()) {
            replicas.rotate_left(first);
        }
        replicas
    }

    /// Once a server has the connection, it is the server's: nothing is sent twice.
    async fn lead(self, mut client: TcpStream) {
        for replica in self.in_turn() {
            if let Ok(mut server) = TcpStream::connect(replica).await {
                // How it ends is for both ends to see.
                drop(copy_bidirectional(&mut client, &mut server).await);
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.0.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_take_turns() {
        let door = Door::default();
        assert!(door.in_turn().is_empty());
        let [one, two] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        door.add(one);
        door.add(two);
        assert_ne!(door.in_turn(), door.in_turn());
        door.remove(one);
        assert_eq!(door.in_turn(), [two]);
    }
}
