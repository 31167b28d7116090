//! The heap: the allocator of the program, so that figures are of what is shipped, and what it is asked for.

use cap::Cap;
use mimalloc::MiMalloc;

#[global_allocator]
static HEAP: Cap<MiMalloc> = Cap::new(MiMalloc, usize::MAX);

/// What some work asked for.
pub(crate) struct Asked {
    /// Bytes of all allocations.
    pub(crate) bytes: usize,
    /// Bytes by which the heap grew; below 0 where it shrank.
    pub(crate) grown: isize,
}

/// Does some work and tells what all threads asked for meanwhile.
pub(crate) fn asked(work: impl FnOnce()) -> Asked {
    let (all, held) = (HEAP.total_allocated(), HEAP.allocated());
    work();
    Asked { bytes: HEAP.total_allocated() - all, grown: HEAP.allocated().wrapping_sub(held).cast_signed() }
}
