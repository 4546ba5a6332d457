//! Argon2 and nothing else: the most logins per second that there could be.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::cpu;
use super::measured::{self, Lengths, Measured, Window};
use crate::interrupt::Interrupt;

/// What is hashed. Neither its content nor its length shows in the time.
const PASSWORD: &[u8] = b"correct horse battery staple";
const SALT: &[u8] = b"sixteen bytes of";

/// Bytes of a hash where the string does not say.
const OUTPUT_BYTES: usize = 32;

/// The costs of a hash.
#[derive(Clone, Debug, Serialize)]
pub struct Costs {
    /// KiB of memory.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Argon2's own lanes.
    pub parallelism: u32,
    /// Threads that hash at the same time.
    pub threads: usize,
    #[serde(skip)]
    params: Params,
}

impl Costs {
    /// Keycloak's defaults: m = 7 MiB, t = 5, p = 1.
    ///
    /// # Errors
    /// Never: Argon2 takes them.
    pub fn of_keycloak(threads: usize) -> Result<Self> {
        let (memory_kib, iterations, parallelism) = (7168, 5, 1);
        let params = Params::new(memory_kib, iterations, parallelism, Some(OUTPUT_BYTES));
        let params = params.map_err(|error| anyhow!("Argon2: {error}"))?;
        Ok(Self { memory_kib, iterations, parallelism, threads, params })
    }

    /// Those of a stored hash (PHC string).
    ///
    /// # Errors
    /// When it is not one of Argon2id.
    pub fn of(stored: &str, threads: usize) -> Result<Self> {
        let phc = PasswordHash::new(stored).map_err(|_| anyhow!("the demo user's hash is no PHC string"))?;
        anyhow::ensure!(phc.algorithm == Algorithm::Argon2id.ident(), "the demo user's hash is not of Argon2id");
        let params = Params::try_from(&phc).map_err(|error| anyhow!("the demo user's hash has odd costs: {error}"))?;
        let (memory_kib, iterations, parallelism) = (params.m_cost(), params.t_cost(), params.p_cost());
        Ok(Self { memory_kib, iterations, parallelism, threads, params })
    }
}

/// Hashes for one round.
///
/// # Errors
/// When Argon2 fails, or somebody interrupts.
pub fn run(costs: &Costs, lengths: Lengths, interrupt: &Interrupt) -> Result<Measured> {
    let window = Window::open(lengths);
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..costs.threads).map(|_| scope.spawn(|| hash(&costs.params, window, interrupt))).collect();
        measured::sleep_until(window.begin, interrupt)?;
        let before = cpu::of_this_process();
        measured::sleep_until(window.end, interrupt)?;
        let spent = cpu::of_this_process().saturating_sub(before);
        let mut latencies = measured::histogram()?;
        for thread in threads {
            let one = thread.join().map_err(|_| anyhow!("a hashing thread panicked"))??;
            latencies.add(one).context("cannot add up latencies")?;
        }
        Ok(Measured { latencies, elapsed: lengths.counted, cpu: Some(spent), generator: None })
    })
}

/// One thread, with memory that it keeps, as in auth-server's password lane.
fn hash(params: &Params, window: Window, interrupt: &Interrupt) -> Result<Histogram<u64>> {
    let mut memory = vec![Block::new(); params.block_count()];
    let mut output = vec![0; params.output_len().unwrap_or(OUTPUT_BYTES)];
    let mut latencies = measured::histogram()?;
    let mut now = Instant::now();
    while now < window.end && !interrupt.is_raised() {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into_with_memory(PASSWORD, SALT, &mut output, memory.as_mut_slice())
            .map_err(|error| anyhow!("Argon2: {error}"))?;
        black_box(&output);
        now = measured::note(&mut latencies, window, now);
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_from_a_stored_hash() {
        let stored =
            "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyBvZg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let costs = Costs::of(stored, 2).unwrap();
        assert_eq!((costs.memory_kib, costs.iterations, costs.parallelism), (19_456, 2, 1));
        assert!(Costs::of("$2b$12$abc", 2).is_err());
    }
}
