//! Where cached responses are kept on the disk.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, SizeText, Text};
use crate::value::{Wrong, shown, size};

/// `disk` of `[storage]`: cached responses as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The folder. Nothing else lies in it.
    pub path: PathBuf,
    /// All that it may take, in bytes; at least 16 MiB.
    pub size: u64,
    /// The largest response that is kept there, in bytes; less than `size`. Default an eighth of it.
    pub object_max: u64,
    /// Whether it is served from before other POPs have said what they know of purges. Default no.
    pub alone: bool,
}

const SIZE_LEAST: u64 = 16 << 20;

/// `disk` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDisk {
    /// A folder of its own, such as `/var/cache/selvedge`, made if there is none. `${NAME}` is expanded.
    path: At<Text>,
    /// All that it may take there, at least `16MiB`, such as `100GiB`.
    size: At<SizeText>,
    /// The largest response that is kept there, less than `size`. Default an eighth of it.
    object_max: Option<At<SizeText>>,
    /// Whether it is served from after a start before other POPs have said what was purged meanwhile. Default `false`.
    alone: Option<At<bool>>,
}

impl RawDisk {
    pub(crate) fn lower(&self, check: &mut Check<'_>) -> Option<Disk> {
        let path = check.path(&self.path);
        let all = check.value(&self.size, |text| match size(text)? {
            small if small < SIZE_LEAST => {
                Err(Wrong::new(format!("`{}` is too little room; at least 16MiB is needed", shown(text))))
            }
            all => Ok(all),
        });
        // Without a usable `size`, `object_max` is only checked for its form.
        let whole = all.unwrap_or(u64::MAX);
        let object_max = check.value_or(self.object_max.as_ref(), whole / 8, |text| match size(text)? {
            0 => Err(Wrong::new("no response is that small").advice("leave `object_max` out for an eighth of `size`")),
            large if large >= whole => Err(Wrong::new(format!("`{}` is not less than `size`", shown(text)))),
            object_max => Ok(object_max),
        });
        let alone = self.alone.as_ref().is_some_and(|written| written.value);
        Some(Disk { path: path?, size: all?, object_max: object_max?, alone })
    }
}
