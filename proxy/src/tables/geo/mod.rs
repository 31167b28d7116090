//! Where addresses are: databases in MaxMind's format, held in memory and asked in place.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use maxminddb::{PathElement, Reader};
use selvedge_conf::GeoIp;
use selvedge_filters::Geo;
use serde::Deserialize;

use crate::plan::{Digest, Fault, Ledger};

/// The largest database, bytes.
const DATABASE_MAX: u64 = 2 << 30;

/// The databases of one config.
#[derive(Debug)]
pub(super) struct Places {
    country: Option<Arc<Database>>,
    city: Option<Arc<Database>>,
    asn: Option<Arc<Database>>,
}

#[derive(Debug)]
struct Database {
    digest: Option<Digest>,
    reader: Reader<Vec<u8>>,
}

impl Places {
    /// Reads the databases; those that `old` has of the same content are taken over. None when there are none.
    ///
    /// # Errors
    /// A fault for each that cannot be read or is damaged.
    pub(super) fn load(
        facts: &GeoIp,
        ledger: &Ledger,
        old: Option<&Arc<Places>>,
    ) -> Result<Option<Arc<Places>>, Vec<Fault>> {
        let old: Vec<&Arc<Database>> = old.map_or(Vec::new(), |places| places.databases().collect());
        let mut faults = Vec::new();
        let mut open = |path: Option<&Path>| {
            let path = path?;
            let opened = Database::open(path, ledger, &old);
            let message = |cause: String| format!("database {}: {cause}", path.display());
            opened.map_err(|cause| faults.push(Fault::whole(path.to_owned(), message(cause)))).ok()
        };
        let places = Places {
            country: open(facts.country.as_deref()),
            city: open(facts.city.as_deref()),
            asn: open(facts.asn.as_deref()),
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let any = places.databases().next().is_some();
        Ok(any.then(|| Arc::new(places)))
    }

    fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        [&self.country, &self.city, &self.asn].into_iter().flatten()
    }
}

impl Database {
    fn open(path: &Path, ledger: &Ledger, old: &[&Arc<Database>]) -> Result<Arc<Database>, String> {
        let bytes = ledger.read(path, DATABASE_MAX).map_err(|error| error.to_string())?;
        let digest = ledger.digest(path);
        if let Some(same) = old.iter().find(|database| database.digest == digest) {
            return Ok(Arc::clone(same));
        }
        let reader = Reader::from_source(bytes).map_err(|error| error.to_string())?;
        // Every network and every record once, so that damage is said now and not missed at a lookup.
        reader.verify().map_err(|error| error.to_string())?;
        Ok(Arc::new(Database { digest, reader }))
    }

    /// What a record has at a path; none when it has nothing there, or something of another type.
    fn find<'a, T: Deserialize<'a>>(&'a self, client: IpAddr, path: &[PathElement<'_>]) -> Option<T> {
        // An IPv6 client is nowhere in a database of IPv4 addresses.
        self.reader.lookup(client).ok()?.decode_path(path).ok()?
    }
}

fn find<'a, T: Deserialize<'a>>(
    database: Option<&'a Arc<Database>>,
    client: IpAddr,
    path: &[PathElement<'_>],
) -> Option<T> {
    database.and_then(|database| database.find(client, path))
}

impl Geo for Places {
    fn country(&self, client: IpAddr) -> (&str, &str) {
        use PathElement::Key;
        let database = self.country.as_ref().or(self.city.as_ref());
        let country = find(database, client, &[Key("country"), Key("iso_code")]);
        let continent = find(database, client, &[Key("continent"), Key("code")]);
        (country.unwrap_or(""), continent.unwrap_or(""))
    }

    fn city(&self, client: IpAddr) -> &str {
        use PathElement::Key;
        find(self.city.as_ref(), client, &[Key("city"), Key("names"), Key("en")]).unwrap_or("")
    }

    fn system(&self, client: IpAddr) -> (u32, &str) {
        use PathElement::Key;
        let number = find(self.asn.as_ref(), client, &[Key("autonomous_system_number")]);
        let name = find(self.asn.as_ref(), client, &[Key("autonomous_system_organization")]);
        (number.unwrap_or(0), name.unwrap_or(""))
    }
}

#[cfg(test)]
mod tests;
