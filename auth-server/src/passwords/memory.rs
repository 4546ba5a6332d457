//! What a hash is computed in: kept from hash to hash, on huge pages where the system has them.
//!
//! Argon2 reads its memory in an order that nothing can foresee. On pages of 4 KiB nearly every block is a miss of the
//! translation cache as well; on those of 2 MiB a hash takes about a tenth less time. Where the system has none to spare
//! (`/sys/kernel/mm/transparent_hugepage/enabled`), the memory is as any other.

use argon2::Block;

use super::HashError;

/// The working memory of one thread.
pub(super) type Memory = Vec<Block>;

/// Makes `memory` at least so many blocks long.
pub(super) fn grow(memory: &mut Memory, blocks: usize) -> Result<(), HashError> {
    if memory.len() < blocks {
        memory.try_reserve_exact(blocks - memory.len()).map_err(|_| HashError::Memory)?;
        // Before the new part is written, so that its pages are made huge at once.
        kevy_madvise::advise_hugepage(memory.as_ptr().cast(), memory.capacity() * Block::SIZE);
        memory.resize(blocks, Block::new());
    }
    Ok(())
}
