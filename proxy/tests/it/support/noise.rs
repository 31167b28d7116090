//! Random bytes from a seed that is printed, and may be given back in `SELVEDGE_SEED`.

/// A source of noise.
pub(crate) struct Noise(fastrand::Rng);

impl Noise {
    pub(crate) fn new() -> Noise {
        let given = std::env::var("SELVEDGE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| fastrand::u64(..));
        println!("SELVEDGE_SEED={seed}");
        Noise(fastrand::Rng::with_seed(seed))
    }

    /// One of these.
    pub(crate) fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.0.usize(..all.len())]
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.usize(..bound)
    }

    /// Fewer than so many bytes.
    pub(crate) fn bytes(&mut self, fewer_than: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.0.usize(..fewer_than)];
        self.0.fill(&mut bytes);
        bytes
    }
}
