//! `selvedge schema`: the JSON Schema of config files, for editors.

use super::render::{Failure, Render};

pub(super) fn schema() -> Result<Render, Failure> {
    let schema = selvedge_conf::schema();
    Ok(Render::new(format!("{schema:#}"), &schema))
}
