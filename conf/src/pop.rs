//! The point of presence this file describes: the name that appears in `Via`, `Cache-Status`, metrics and the roster.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Check;
use crate::raw::{At, Text};
use crate::value::label;

/// `[pop]`: who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pop {
    /// The name of the POP: 1 to 32 characters of `[a-z0-9-]`. `"local"` when the file has no `[pop]`.
    pub name: String,
    /// A free label for a group of POPs, such as `"eu"`; under the same rule as the name.
    pub region: Option<String>,
}

/// `[pop]` as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPop {
    /// The name of this POP, such as `fra`: 1 to 32 lower-case letters, digits and `-`. Default `local`.
    name: Option<At<Text>>,
    /// A label for a group of POPs, such as `eu`.
    region: Option<At<Text>>,
}

impl RawPop {
    pub(crate) fn lower(self, check: &mut Check<'_>) -> Option<Pop> {
        let name = check.value_or(self.name.as_ref(), "local".to_owned(), label);
        let region = check.value_or(self.region.as_ref(), None, |text| label(text).map(Some));
        Some(Pop { name: name?, region: region? })
    }
}
