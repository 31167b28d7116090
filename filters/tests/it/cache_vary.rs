//! Which requests share a stored response: those whose fields mean the same (RFC 9111 section 4.1).

use selvedge_filters::cache::{Varying, variance};

use crate::cache::fields;

fn of(field: &str, lines: &[&str]) -> Vec<Varying> {
    let lines: Vec<String> = lines.iter().map(|line| format!("{field}: {line}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    variance(&fields(&[&format!("vary: {field}")]), &fields(&lines), None).expect("varies")
}

/// Lines of the first request, those of others, and whether they share.
type Row<'a> = (&'a [&'a str], &'a [&'a [&'a str]], bool);

fn check(field: &str, table: &[Row<'_>]) {
    for (first, others, share) in table {
        for other in *others {
            assert_eq!(of(field, first) == of(field, other), *share, "{field}: {first:?} and {other:?}");
        }
    }
}

/// RFC 9110 section 12.5.4: languages without case, each with its weight; the order means nothing.
#[test]
fn languages_are_a_set_of_weights() {
    check(
        "accept-language",
        &[
            (
                &["en, de"],
                &[
                    &["de, en"],
                    &["eN, De"],
                    &[" en ,   de"],
                    &["en,de;q=1"],
                    &["de;q=1.000,en ; q=1.0"],
                    &["en", "de"],
                    &["en,,de,en"],
                ],
                true,
            ),
            (&["fr;q=0.5, de"], &[&["de, fr;q=0.50"], &["de;q=1, FR;Q=0.500"]], true),
            (
                &["en, de"],
                &[&["en"], &["en, de, fr"], &["en, de;q=0.9"], &["en;q=0.9, de"], &["en-GB, de"], &["en, de, *"], &[]],
                false,
            ),
            (&["en, de;q=0"], &[&["en"], &["en, de"], &["en, de;q=0.001"]], false),
            // What cannot be read is compared as text.
            (&["en, de;q=2"], &[&["de;q=2, en"], &["en, de"]], false),
            (&["en, de;q=0.1234"], &[&["en, de;q=0.123"]], false),
            (&["en;x=1"], &[&["en"]], false),
            (&["en, de;q=2"], &[&["en,  de;q=2"]], true),
        ],
    );
}

/// RFC 9111 section 4.1: white space may be left out where the field's syntax allows it: around the commas of a list.
#[test]
fn white_space_around_commas_means_nothing() {
    check(
        "x-list",
        &[
            (&["1,2"], &[&["1, 2"], &[" 1 ,\t2 "], &["1", "2"]], true),
            (&["1,2"], &[&["2,1"], &["1 2"], &["1,2,"], &["1,,2"], &["1"]], false),
            (&["\"a, b\", c"], &[&["\"a, b\",c"]], true),
            (&["\"a, b\""], &[&["\"a,b\""], &["\"a , b\""]], false),
            (&["\"a\\\", b\""], &[&["\"a\\\",b\""]], false),
            (&["a  b"], &[&["a b"]], false),
            (&["A"], &[&["a"]], false),
        ],
    );
}

#[test]
fn what_tells_clients_apart_is_compared_as_it_is() {
    for field in ["cookie", "authorization", "proxy-authorization"] {
        check(field, &[(&["a=1, 2"], &[&["a=1,2"], &["a=1 , 2"]], false), (&["a=1, 2"], &[&["  a=1, 2 "]], true)]);
    }
}

/// Where the edge codes responses, the one coding that a request gets is what tells it from others.
#[test]
fn what_is_offered_makes_one_variant_for_each_coding() {
    use selvedge_conf::Encoding::{Brotli, Gzip};
    let of = |accept: &str| {
        let request = fields(&[&format!("accept-encoding: {accept}")]);
        variance(&fields(&["vary: accept-encoding"]), &request, Some(&[Brotli, Gzip])).expect("varies")
    };
    let none = variance(&fields(&["vary: accept-encoding"]), &fields(&[]), Some(&[Brotli, Gzip])).expect("varies");
    assert_eq!(of("gzip, deflate, br, zstd"), of("br"));
    assert_eq!(of("gzip;q=0.9, br;q=0.1, x-unknown"), of("gzip"));
    assert_eq!(of("deflate"), none);
    assert_eq!(of("identity"), none);
    assert!(of("br") != of("gzip") && of("gzip") != none && of("br") != none);
}
