//! What metrics say of the cache.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use super::metrics::{counters, opts, raise, registered};
use super::series::{self, Family};
use crate::cache::Stats;

#[derive(Debug)]
pub(super) struct CacheGauges {
    bytes: IntGauge,
    objects: IntGauge,
    fills: IntCounterVec,
    evicted: IntCounter,
    purged: IntCounterVec,
    disk_on: IntGauge,
    disk_bytes: IntGauge,
    disk_objects: IntGauge,
    disk_files: IntCounterVec,
}

impl CacheGauges {
    pub(super) fn new(registry: &Registry) -> Result<CacheGauges, prometheus::Error> {
        let gauge = |family: &Family| registered(registry, IntGauge::with_opts(opts(family))?);
        Ok(CacheGauges {
            bytes: gauge(&series::CACHE_BYTES)?,
            objects: gauge(&series::CACHE_OBJECTS)?,
            fills: counters(registry, &series::CACHE_FILLS)?,
            evicted: registered(registry, IntCounter::with_opts(opts(&series::CACHE_EVICTIONS))?)?,
            purged: counters(registry, &series::CACHE_PURGED)?,
            disk_on: gauge(&series::CACHE_DISK_ON)?,
            disk_bytes: gauge(&series::CACHE_DISK_BYTES)?,
            disk_objects: gauge(&series::CACHE_DISK_OBJECTS)?,
            disk_files: counters(registry, &series::CACHE_DISK_FILES)?,
        })
    }

    pub(super) fn set(&self, cache: &Stats) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.bytes.set(whole(cache.bytes));
        self.objects.set(whole(cache.objects));
        raise(&self.evicted, cache.evicted);
        for (reach, count) in [("hard", cache.purged), ("soft", cache.purged_softly)] {
            raise(&self.purged.with_label_values(&[reach]), count);
        }
        let fills = [
            ("stored", cache.stored),
            ("aborted", cache.aborted),
            ("outgrown", cache.outgrown),
            ("refused", cache.refused),
        ];
        for (outcome, count) in fills {
            raise(&self.fills.with_label_values(&[outcome]), count);
        }
        let disk = cache.disk.unwrap_or_default();
        self.disk_on.set(disk.is_on.into());
        self.disk_bytes.set(whole(disk.bytes));
        self.disk_objects.set(whole(disk.objects));
        let files = [
            ("hit", disk.hits),
            ("stored", disk.stored),
            ("dropped", disk.dropped),
            ("evicted", disk.evicted),
            ("damaged", disk.damaged),
        ];
        for (event, count) in files {
            raise(&self.disk_files.with_label_values(&[event]), count);
        }
    }
}
