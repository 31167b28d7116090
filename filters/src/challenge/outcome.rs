//! What an answer of the edge has to do with challenges, as rules of the response phase and what is counted see it.

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is a puzzle.
    Posed,
    /// A puzzle was solved, and the answer has the pass.
    Solved,
    /// What was sent is no solution.
    Failed,
}

impl Outcome {
    /// As expressions see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Posed => "posed",
            Outcome::Solved => "solved",
            Outcome::Failed => "failed",
        }
    }
}
