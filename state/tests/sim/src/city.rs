//! Where POPs are. A hundred cities that networks meet in, and how long light and routers take between them.

/// A place on the globe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct City {
    /// Its name.
    pub name: &'static str,
    /// Degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
}

/// Kilometres.
const EARTH_RADIUS: f64 = 6371.0;

/// Of a round trip, whatever the distance, ms.
const LEAST: f64 = 4.0;

/// Kilometres of distance for which a round trip takes one ms: light in glass goes 100, and cables make detours.
const KM_PER_MS: f64 = 75.0;

impl City {
    const fn at(name: &'static str, latitude: f64, longitude: f64) -> City {
        City { name, latitude, longitude }
    }

    /// Along a great circle.
    fn km(&self, other: &City) -> f64 {
        let [lat, lat_there] = [self.latitude, other.latitude].map(f64::to_radians);
        let across = (other.longitude - self.longitude).to_radians();
        let (up, along) = (((lat_there - lat) / 2.0).sin(), (across / 2.0).sin());
        let haversine = up * up + lat.cos() * lat_there.cos() * along * along;
        2.0 * EARTH_RADIUS * haversine.sqrt().min(1.0).asin()
    }

    /// What one way takes, half a round trip, in whole ms.
    #[must_use]
    pub fn one_way(&self, other: &City) -> u64 {
        ((LEAST + self.km(other) / KM_PER_MS) / 2.0).round() as u64
    }
}

/// The cities, by name. Nodes stand in them in turn.
pub const CITIES: [City; 100] = [
    City::at("Amsterdam", 52.4, 4.9),
    City::at("Ashburn", 39.0, -77.5),
    City::at("Atlanta", 33.7, -84.4),
    City::at("Athens", 38.0, 23.7),
    City::at("Auckland", -36.8, 174.8),
    City::at("Baghdad", 33.3, 44.4),
    City::at("Bangalore", 13.0, 77.6),
    City::at("Bangkok", 13.8, 100.5),
    City::at("Barcelona", 41.4, 2.2),
    City::at("Beijing", 39.9, 116.4),
    City::at("Belgrade", 44.8, 20.5),
    City::at("Berlin", 52.5, 13.4),
    City::at("Bogota", 4.7, -74.1),
    City::at("Boston", 42.4, -71.1),
    City::at("Bratislava", 48.1, 17.1),
    City::at("Brisbane", -27.5, 153.0),
    City::at("Brussels", 50.8, 4.4),
    City::at("Bucharest", 44.4, 26.1),
    City::at("Budapest", 47.5, 19.0),
    City::at("Buenos Aires", -34.6, -58.4),
    City::at("Buffalo", 42.9, -78.9),
    City::at("Cairo", 30.0, 31.2),
    City::at("Calgary", 51.0, -114.1),
    City::at("Cape Town", -33.9, 18.4),
    City::at("Casablanca", 33.6, -7.6),
    City::at("Chennai", 13.1, 80.3),
    City::at("Chicago", 41.9, -87.6),
    City::at("Colombo", 6.9, 79.9),
    City::at("Copenhagen", 55.7, 12.6),
    City::at("Dakar", 14.7, -17.5),
    City::at("Dallas", 32.8, -96.8),
    City::at("Delhi", 28.6, 77.2),
    City::at("Denver", 39.7, -105.0),
    City::at("Detroit", 42.3, -83.0),
    City::at("Dhaka", 23.8, 90.4),
    City::at("Dubai", 25.2, 55.3),
    City::at("Dublin", 53.3, -6.3),
    City::at("Dusseldorf", 51.2, 6.8),
    City::at("Fortaleza", -3.7, -38.5),
    City::at("Frankfurt", 50.1, 8.7),
    City::at("Geneva", 46.2, 6.1),
    City::at("Hamburg", 53.6, 10.0),
    City::at("Hanoi", 21.0, 105.8),
    City::at("Helsinki", 60.2, 24.9),
    City::at("Hong Kong", 22.3, 114.2),
    City::at("Honolulu", 21.3, -157.9),
    City::at("Houston", 29.8, -95.4),
    City::at("Hyderabad", 17.4, 78.5),
    City::at("Istanbul", 41.0, 29.0),
    City::at("Jakarta", -6.2, 106.8),
    City::at("Jeddah", 21.5, 39.2),
    City::at("Johannesburg", -26.2, 28.0),
    City::at("Kansas City", 39.1, -94.6),
    City::at("Karachi", 24.9, 67.0),
    City::at("Kyiv", 50.5, 30.5),
    City::at("Kolkata", 22.6, 88.4),
    City::at("Kuala Lumpur", 3.1, 101.7),
    City::at("Lagos", 6.5, 3.4),
    City::at("Lima", -12.0, -77.0),
    City::at("Lisbon", 38.7, -9.1),
    City::at("London", 51.5, -0.1),
    City::at("Los Angeles", 34.1, -118.2),
    City::at("Madrid", 40.4, -3.7),
    City::at("Manchester", 53.5, -2.2),
    City::at("Manila", 14.6, 121.0),
    City::at("Marseille", 43.3, 5.4),
    City::at("Melbourne", -37.8, 145.0),
    City::at("Mexico City", 19.4, -99.1),
    City::at("Miami", 25.8, -80.2),
    City::at("Milan", 45.5, 9.2),
    City::at("Minneapolis", 45.0, -93.3),
    City::at("Montreal", 45.5, -73.6),
    City::at("Mumbai", 19.1, 72.9),
    City::at("Munich", 48.1, 11.6),
    City::at("Nairobi", -1.3, 36.8),
    City::at("New York", 40.7, -74.0),
    City::at("Osaka", 34.7, 135.5),
    City::at("Oslo", 59.9, 10.8),
    City::at("Paris", 48.9, 2.4),
    City::at("Perth", -31.9, 115.9),
    City::at("Phoenix", 33.4, -112.1),
    City::at("Portland", 45.5, -122.7),
    City::at("Prague", 50.1, 14.4),
    City::at("Riga", 56.9, 24.1),
    City::at("Rio de Janeiro", -22.9, -43.2),
    City::at("Rome", 41.9, 12.5),
    City::at("San Jose", 37.3, -121.9),
    City::at("Santiago", -33.4, -70.7),
    City::at("Sao Paulo", -23.6, -46.6),
    City::at("Seattle", 47.6, -122.3),
    City::at("Seoul", 37.6, 127.0),
    City::at("Singapore", 1.4, 103.8),
    City::at("Sofia", 42.7, 23.3),
    City::at("Stockholm", 59.3, 18.1),
    City::at("Sydney", -33.9, 151.2),
    City::at("Taipei", 25.0, 121.6),
    City::at("Tel Aviv", 32.1, 34.8),
    City::at("Tokyo", 35.7, 139.7),
    City::at("Toronto", 43.7, -79.4),
    City::at("Vienna", 48.2, 16.4),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn city(name: &str) -> &'static City {
        CITIES.iter().find(|city| city.name == name).expect("a city")
    }

    #[test]
    fn far_is_far() {
        // 5,570 km, 10,850 km and 18,300 km or so.
        assert_eq!(city("London").one_way(city("New York")), 39);
        assert_eq!(city("London").one_way(city("Singapore")), 74);
        assert_eq!(city("Auckland").one_way(city("London")), 124);
        assert_eq!(city("Paris").one_way(city("Paris")), 2);
    }
}
