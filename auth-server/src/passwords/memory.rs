//! What a hash is computed in: kept from hash to hash.

use argon2::Block;

use super::HashError;

/// The working memory of one thread.
pub(super) type Memory = Vec<Block>;

/// Makes `memory` at least so many blocks long.
pub(super) fn grow(memory: &mut Memory, blocks: usize) -> Result<(), HashError> {
    if memory.len() < blocks {
        memory.try_reserve_exact(blocks - memory.len()).map_err(|_| HashError::Memory)?;
        memory.resize(blocks, Block::new());
    }
    Ok(())
}
