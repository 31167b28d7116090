//! Sizes: a whole number of bytes with its unit, by 1024 (`"64KiB"`) or by 1000 (`"64KB"`).

use super::{Wrong, shown};

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("TB", 1000 * 1000 * 1000 * 1000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];
const LARGEST: u64 = 1 << 50;

/// A size in bytes, up to 1024 TiB.
pub(crate) fn size(text: &str) -> Result<u64, Wrong> {
    let malformed = || {
        Wrong::new(format!("`{}` is not a size", shown(text)))
            .advice("write a whole number and a unit, such as \"64KiB\"; the units are B, KiB, MiB, GiB, TiB, KB, MB, GB and TB")
    };
    let too_large = || Wrong::new(format!("`{}` is larger than 1024TiB", shown(text)));
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(malformed());
    }
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
    let n: u64 = number.parse().map_err(|_| too_large())?;
    n.checked_mul(*scale).filter(|bytes| *bytes <= LARGEST).ok_or_else(too_large)
}
