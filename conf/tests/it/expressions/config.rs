//! What the config declares, and when it is known.

use selvedge_conf::expr::{Counted, Kind, Phase, Read, Setting, parse};

use super::{accepted, all_refused, only, value_in};

#[test]
fn names_become_places() {
    assert_eq!(accepted("jwt.idp.valid").kind, Kind::TokenValid(0));
    assert_eq!(accepted("jwt['idp'].error").kind, Kind::TokenError(0));
    assert_eq!(accepted("jwt.idp.claims.level").kind, Kind::Claim(0, 2));
    let Kind::In(_, list) = accepted("client.ip in lists['bad-nets']").kind else { panic!("no in") };
    assert_eq!(list.kind, Kind::Listed(4));
    for (text, counted) in [
        ("count('not-found', client.net, '1m')", Counted::Counter(0)),
        ("count('login', client.net, request.path, '1m')", Counted::Limit(0)),
        ("count('login', '1m')", Counted::Limit(0)),
        ("count('all', '10m')", Counted::Counter(2)),
    ] {
        let Kind::Read(read) = accepted(text).kind else { panic!("no look") };
        assert!(matches!(*read, Read::Count(found, ..) if found == counted), "{text}");
    }
    assert_eq!(accepted("limit('login').exceeded").kind, Kind::Read(Box::new(Read::Exceeded(0))));
    accepted(
        "request.path in lists.paths && request.path.containsAny(lists.probes) && request.path.matchesAny(lists.bots)",
    );
}

#[test]
fn looks_at_what_is_counted() {
    all_refused(&[
        (
            "count('not-fond', '1m')",
            "'not-fond'",
            "there is no counter or limit `not-fond`",
            "did you mean `not-found`?",
        ),
        (
            "count('x', '1m')",
            "'x'",
            "there is no counter or limit `x`",
            "possible here: `not-found`, `errors`, `all`, `login`",
        ),
        (
            "count('login-users', '1m')",
            "'login-users'",
            "there is no counter or limit `login-users`",
            "it is a unique: read it with `uniques(...)`",
        ),
        (
            "uniques('login', '1m')",
            "'login'",
            "there is no unique `login`",
            "it is counted: read it with `count(...)` or `rate(...)`",
        ),
        (
            "uniques('login-user', '1m')",
            "'login-user'",
            "there is no unique `login-user`",
            "did you mean `login-users`?",
        ),
        (
            "count('all', '1h')",
            "'1h'",
            "`all` is kept for 10m, and this looks further back",
            "look at most \"10m\" back, or let it be kept for longer",
        ),
        (
            "count('all', '10x')",
            "'10x'",
            "`10x` is not a duration",
            "write a whole number and a unit, such as \"10s\"; the units are ms, s, m, h and d",
        ),
        ("count('all', '0s')", "'0s'", "`0s` is no time at all", ""),
        (
            "count('all', duration('1m'))",
            "duration('1m')",
            "the time of a look is a literal string",
            "such as \"1m\", as the last argument",
        ),
        ("count(request.path, '1m')", "request.path", "what is counted is named by a literal string", ""),
        (
            "count('all')",
            "count",
            "`count` takes a name, perhaps a key, and a time",
            "such as `count(\"NAME\", client.net, \"1m\")`",
        ),
        (
            "count('not-found', client.ip, '1m')",
            "client.ip",
            "`not-found` is counted by type cidr here, and this is of type ip",
            "such as `client.net`",
        ),
        (
            "count('not-found', '10.0.0.0/8', '1m')",
            "'10.0.0.0/8'",
            "`not-found` is counted by type cidr here, and this is of type string",
            "write it as `cidr(\"10.0.0.0/8\")`",
        ),
        (
            "count('login', client.net, '1m')",
            "count",
            "`login` is counted by 2 values (cidr, string), and here is 1",
            "without a key it is looked up for the request's own",
        ),
        (
            "count('all', client.net, '1m')",
            "count",
            "`all` is counted by nothing, and here is 1",
            "without a key it is looked up for the request's own",
        ),
        (
            "count('errors', '1m')",
            "'errors'",
            "`errors` is counted by what only a response tells",
            "name the key between the name and the time",
        ),
    ]);
}

#[test]
fn limits_and_bans() {
    all_refused(&[
        ("limit('logn').exceeded", "'logn'", "there is no limit `logn`", "did you mean `login`?"),
        ("limit('login')", "limit", "a limit is no value by itself", "write `limit(\"login\").exceeded`"),
        (
            "limit('login').remaining",
            "remaining",
            "a limit has no part `remaining`",
            "write `limit(\"login\").exceeded`",
        ),
        (
            "limit(request.path).exceeded",
            "limit",
            "`limit` takes the name of a limit, a literal string",
            "such as `limit(\"NAME\").exceeded`",
        ),
        (
            "banned(client.ip)",
            "client.ip",
            "`banned` takes type cidr, and this is of type ip",
            "what is banned is a network, such as `client.net`",
        ),
        ("banned(1, 2)", "banned", "`banned` takes at most 1 argument, and here it has 2", ""),
    ]);
}

#[test]
fn lists_by_their_kinds() {
    let named = "`in` does not look for type string in type named list of";
    all_refused(&[
        ("client.ip in lists.offices", "offices", "there is no list `offices`", "did you mean `office`?"),
        (
            "client.ip in lists.bad-nets",
            "bad",
            "there is no list `bad`",
            "a name with `-` or `.` is written `lists[\"bad-nets\"]`",
        ),
        (
            "client.ip in lists.paths",
            "client.ip in lists.paths",
            "`in` does not look for type ip in type named list of strings",
            "it holds strings: `request.path in lists.paths`",
        ),
        (
            "'10.0.0.1' in lists.office",
            "'10.0.0.1' in lists.office",
            &format!("{named} addresses"),
            "write it as `ip(\"10.0.0.1\")`",
        ),
        (
            "request.path in lists.office",
            "request.path in lists.office",
            &format!("{named} addresses"),
            "make an address of the text: `ip(text) in lists.office`",
        ),
        (
            "client.net in lists.office",
            "client.net in lists.office",
            "`in` does not look for type cidr in type named list of addresses",
            "test the address: `client.ip in lists.office`",
        ),
        (
            "request.path in lists.probes",
            "request.path in lists.probes",
            &format!("{named} needles"),
            "it holds needles: `request.path.containsAny(lists.probes)`",
        ),
        (
            "request.path in lists.bots",
            "request.path in lists.bots",
            &format!("{named} patterns"),
            "it holds patterns: `request.path.matchesAny(lists.bots)`",
        ),
        (
            "request.path.containsAny(lists.paths)",
            "lists.paths",
            "`containsAny` takes type named list of needles, and this is of type named list of strings",
            "it holds strings: `request.path in lists.paths`",
        ),
        (
            "request.path.matchesAny(lists.probes)",
            "lists.probes",
            "`matchesAny` takes type named list of patterns, and this is of type named list of needles",
            "it holds needles: `request.path.containsAny(lists.probes)`",
        ),
        (
            "request.path.containsAny(['a'])",
            "['a']",
            "`containsAny` takes type named list of needles, and this is of type list(string)",
            "such as `request.path.containsAny(lists.NAME)`, of `kind = \"needles\"`",
        ),
        (
            "lists.office",
            "lists.office",
            "`lists.office` is not a value by itself",
            "it holds addresses: `client.ip in lists.office`",
        ),
        (
            "lists",
            "lists",
            "`lists` is not a value by itself",
            "its lists: `lists.office`, `lists.paths`, `lists.probes`, `lists.bots`, `lists.bad-nets`",
        ),
    ]);
}

#[test]
fn tokens_and_claims() {
    all_refused(&[
        ("jwt.ipd.valid", "ipd", "there is no token issuer `ipd`", "did you mean `idp`?"),
        ("jwt.idp.vald", "vald", "a token has no part `vald`", "did you mean `valid`?"),
        ("jwt.idp.sub", "sub", "a token has no part `sub`", "it is a claim: write `jwt.idp.claims.sub`"),
        (
            "jwt.idp",
            "idp",
            "`jwt.idp` is not a value by itself",
            "its parts: `jwt.idp.valid`, `jwt.idp.error` and `jwt.idp.claims`",
        ),
        (
            "jwt.idp.claims == 1",
            "claims",
            "claims are no value by themselves",
            "name one, such as `jwt.idp.claims.sub`",
        ),
        ("jwt.idp.claims.rols == ['a']", "rols", "`jwt.idp` declares no claim `rols`", "did you mean `roles`?"),
        ("jwt.idp.claims[request.path]", "request.path", "the name of a claim is a literal string", ""),
        ("jwt", "jwt", "`jwt` is not a value by itself", "such as `jwt.idp.valid`"),
    ]);
    // A config that declares nothing says how to declare.
    let bare = |text| only(text, parse(text, &Setting::bare())).2;
    assert_eq!(bare("jwt.idp.valid"), "declare it as `[jwt.NAME]`");
    assert_eq!(bare("client.ip in lists.office"), "declare it as `[list.NAME]`");
    assert_eq!(bare("count('a', '1m') > 1"), "declare it as `[[counter]]`");
    assert_eq!(bare("uniques('a', '1m') > 1"), "declare it as `[[unique]]`");
    assert_eq!(bare("limit('a').exceeded"), "declare it as `[[limit]]`");
}

#[test]
fn places_need_their_databases() {
    let bare = |text| only(text, parse(text, &Setting::bare()));
    for (text, field, key) in [
        ("client.country == 'FR'", "country", "country"),
        ("client.continent == 'EU'", "continent", "country"),
        ("client.city == ''", "city", "city"),
        ("client.asn == 1", "asn", "asn"),
        ("client.as_org == ''", "as_org", "asn"),
    ] {
        let message = format!("`client.{field}` needs a database, and the config names none");
        assert_eq!(bare(text), (field, message, format!("name one: `[geoip]` with `{key} = \"....mmdb\"`")));
    }
}

#[test]
fn what_is_known_only_later() {
    let in_request = |text| only(text, value_in(text, Phase::Request));
    let in_connection = |text| only(text, value_in(text, Phase::Connection));
    let response = "a rule reads it with `phase = \"response\"`".to_owned();
    let request = "a rule reads it with `phase = \"request\"`, which is the default".to_owned();
    for (text, underlined, what) in [
        ("response.status == 404", "status", "`response.status`"),
        ("response.headers['a'] == ''", "headers", "`response.headers`"),
        ("cache.status == 'hit'", "status", "`cache.status`"),
    ] {
        let message = format!("{what} is not known before there is a response");
        assert_eq!(in_request(text), (underlined, message, response.clone()));
        let message = format!("{what} is not known when a connection is accepted");
        assert_eq!(in_connection(text), (underlined, message, response.clone()));
    }
    for (text, underlined, what) in [
        ("request.path == '/'", "path", "`request.path`"),
        ("request.form('a') == ''", "form", "`request.form`"),
        ("jwt.idp.valid", "idp", "a token"),
        ("jwt.idp.claims.admin", "idp", "a token"),
        ("limit('login').exceeded", "limit", "whether a limit is exceeded"),
        ("count('login', '1m')", "'login'", "the key of `login`"),
    ] {
        let message = format!("{what} is not known when a connection is accepted");
        assert_eq!(in_connection(text), (underlined, message, request.clone()));
        assert!(value_in(text, Phase::Request).is_ok());
    }
    for text in
        ["client.ip in lists.office", "banned()", "count('not-found', '1m')", "count('all', '1m')", "client.country"]
    {
        assert!(value_in(text, Phase::Connection).is_ok(), "{text}");
    }
}
