//! Which site has which kind of sessions.

use std::sync::Arc;

use selvedge_conf::{Config, Session as Facts};

use super::shape::Shape;
use crate::signing::Keys;
use crate::site::SiteId;

/// The kinds of sessions of a config.
#[derive(Debug)]
pub(crate) struct Shapes {
    shapes: Vec<Shape>,
    /// For each site its name, and the place of its sessions.
    sites: Vec<(String, Option<usize>)>,
}

impl Shapes {
    /// Those of a config, with their keys in its order. Without keys there are none.
    pub(crate) fn new(config: &Config, keys: &[Arc<Keys>]) -> Shapes {
        let shape = |(facts, keys): (&Facts, &Arc<Keys>)| {
            Some(Shape::new(facts, config.realm(&facts.realm)?, Arc::clone(keys)))
        };
        let shapes: Vec<Shape> = config.sessions.iter().zip(keys).filter_map(shape).collect();
        let of = |site| shapes.iter().position(|shape| shape.facts().is_for(site));
        let sites = config.sites.iter().enumerate().map(|(site, facts)| (facts.host.to_string(), of(site)));
        Shapes { sites: sites.collect(), shapes }
    }

    /// The sessions of a site, and its name.
    pub(crate) fn of(&self, site: SiteId) -> Option<(&Shape, &str)> {
        let (name, shape) = self.sites.get(site.0)?;
        Some((self.shapes.get((*shape)?)?, name))
    }
}
