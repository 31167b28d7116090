//! Every way an expression is refused: what is underlined, what is wrong, and what to write instead.

use selvedge_conf::expr::Phase;

use super::{all_refused, value_in};

const FIELDS: &str = "fields start with `request.`, `client.`, `response.`, `cache.`, `challenge.` or `peers.`";

#[test]
fn names_and_what_was_meant() {
    all_refused(&[
        ("reqest.path == ''", "reqest", "unknown name `reqest`", "did you mean `request`?"),
        ("path == ''", "path", "unknown name `path`", "did you mean `request.path`?"),
        ("ip == ip('::1')", "ip", "unknown name `ip`", "did you mean `client.ip`?"),
        ("country == ''", "country", "unknown name `country`", "did you mean `client.country`?"),
        ("geo == ''", "geo", "unknown name `geo`", FIELDS),
        ("request.patch == ''", "patch", "`request` has no field `patch`", "did you mean `request.path`?"),
        ("request.country == ''", "country", "`request` has no field `country`", "did you mean `client.country`?"),
        ("client.headers['a'] == ''", "headers", "`client` has no field `headers`", "did you mean `request.headers`?"),
        (
            "peers.count == 1",
            "count",
            "`peers` has no field `count`",
            "its fields: `peers.lag`, `peers.heard`, `peers.warming`, `peers.roster`",
        ),
        ("cache == 'hit'", "cache", "`cache` is not a value by itself", "its fields: `cache.status`"),
        (
            "request.headers == ''",
            "request.headers",
            "`request.headers` is not a value by itself",
            "name one, such as `request.headers[\"user-agent\"]`",
        ),
        ("request.headers.host == ''", "host", "`request.headers` has no fields", "write `request.headers[\"host\"]`"),
        ("has(request.query.a)", "a", "`request.query` has no fields", "write `request.query[\"a\"]`"),
        (
            "request.headers('a') == ''",
            "headers",
            "`request` has no method `headers`",
            "write `request.headers[\"name\"]`",
        ),
        (
            "request.path() == ''",
            "path",
            "`request` has no method `path`",
            "`request.path` is a field: write it without parentheses",
        ),
        ("request.form['a'] == ''", "form", "`request` has no field `form`", "write `request.form(\"name\")`"),
        ("request.path.size == 1", "size", "a string has no field `size`", "it is a method: write `size(...)`"),
        ("request.?path", "path", "`request.path` is always known, so that `?` says nothing", "write `request.path`"),
        ("[1].exists(x, y == 1)", "y", "unknown name `y`", FIELDS),
        ("[1].exists(value, vlue == 1)", "vlue", "unknown name `vlue`", "did you mean `value`?"),
    ]);
}

#[test]
fn functions_and_what_was_meant() {
    let string = "a string has no method";
    all_refused(&[
        ("request.path.startswith('')", "startswith", &format!("{string} `startswith`"), "did you mean `startsWith`?"),
        ("request.path.startWith('')", "startWith", &format!("{string} `startWith`"), "did you mean `startsWith`?"),
        (
            "request.path.starts_with('')",
            "starts_with",
            &format!("{string} `starts_with`"),
            "did you mean `startsWith`?",
        ),
        ("request.path.lower()", "lower", &format!("{string} `lower`"), "did you mean `lowerAscii`?"),
        ("request.path.toLowerCase()", "toLowerCase", &format!("{string} `toLowerCase`"), "did you mean `lowerAscii`?"),
        ("request.path.length()", "length", &format!("{string} `length`"), "did you mean `size`?"),
        ("request.path.includes('a')", "includes", &format!("{string} `includes`"), "did you mean `contains`?"),
        ("request.path.regex('a')", "regex", &format!("{string} `regex`"), "did you mean `matches`?"),
        ("request.segments.any(x, true)", "any", "a list(string) has no method `any`", "did you mean `exists`?"),
        (
            "client.ip.all(x, true)",
            "all",
            "an ip has no method `all`",
            "possible here: `family`, `isUnspecified`, `isLoopback`, `isGlobalUnicast`, `isLinkLocalMulticast`, `isLinkLocalUnicast`",
        ),
        (
            "request.headers.startsWith('a')",
            "startsWith",
            "a map(string, string) has no method `startsWith`",
            "name one, such as `request.headers[\"name\"]`",
        ),
        (
            "request.headers[?'a'].startsWith('a')",
            "startsWith",
            "an optional(string) has no method `startsWith`",
            "give a value for when there is none: `x.orValue(...)`",
        ),
        (
            "client.net.containsIp(client.ip)",
            "containsIp",
            "a cidr has no method `containsIp`",
            "did you mean `containsIP`?",
        ),
        ("client.ip in cdr('::/0')", "cdr", "unknown function `cdr`", "did you mean `cidr`?"),
        (
            "startsWith(request.path, 'a')",
            "startsWith",
            "unknown function `startsWith`",
            "it is a method: write `value.startsWith(...)`",
        ),
        ("lower(request.path)", "lower", "unknown function `lower`", "it is a method: write `value.lowerAscii(...)`"),
        (
            "exists(request.segments)",
            "exists",
            "unknown function `exists`",
            "it is a method: write `value.exists(...)`",
        ),
        ("form('a')", "form", "unknown function `form`", "write `request.form(string)`"),
        ("not(true)", "not", "unknown function `not`", "negation is written `!`"),
        (
            "dyn(1)",
            "dyn",
            "`dyn` is not available: the language is typed",
            "every value has one type, known when the config is read",
        ),
        (
            "type(1)",
            "type",
            "`type` is not available: the language is typed",
            "every value has one type, known when the config is read",
        ),
        ("optional.some(1)", "some", "`optional` has no method `some`", "write `optional.of(x)` or `optional.none()`"),
        ("ip.parse('a')", "parse", "`ip` has no method `parse`", "write `ip(\"...\")` or `ip.isCanonical(\"...\")`"),
    ]);
}

#[test]
fn arguments_and_what_was_expected() {
    all_refused(&[
        (
            "request.path.contains(1)",
            "1",
            "`contains` takes type string, and this is of type int",
            "write it as `\"1\"`",
        ),
        ("request.path.contains()", "contains", "`contains` takes 1 argument, and here it has 0", ""),
        ("request.path.size(1)", "size", "`size` takes 0 arguments, and here it has 1", ""),
        ("request.path.substring()", "substring", "`substring` takes 1 or 2 arguments, and here it has 0", ""),
        (
            "request.path.substring('1')",
            "'1'",
            "`substring` takes type int, and this is of type string",
            "write it as `1`",
        ),
        ("client.net.containsIP(1)", "1", "`containsIP` takes type ip or string, and this is of type int", ""),
        ("size(1)", "1", "`size` takes type string, bytes, list or map, and this is of type int", ""),
        (
            "{'a': 'b'}.values('a')",
            "{'a': 'b'}",
            "`values` is a method of headers, of cookies and of query fields",
            "such as `request.headers.values(\"accept\")`",
        ),
        (
            "string(request.headers)",
            "request.headers",
            "`string` takes type bool, int, uint, double, bytes, duration, timestamp, ip, cidr or string, and this is of type map(string, string)",
            "name one, such as `request.headers[\"user-agent\"]`",
        ),
    ]);
}

#[test]
fn parts_and_what_was_expected() {
    all_refused(&[
        ("1 in [1, 'a']", "'a'", "a list has elements of one type: the first is of type int, this of type string", ""),
        (
            "[1, 2.0]",
            "2.0",
            "a list has elements of one type: the first is of type int, this of type double",
            "make an int of it: `int(x)`",
        ),
        (
            "1 in []",
            "[]",
            "an empty list, which nothing is in",
            "whether a list is empty is asked with `x.size() == 0`",
        ),
        ("size({})", "{}", "an empty map, which nothing is in", ""),
        ("{1.5: 1}", "1.5", "a double cannot be a key of a map", "keys are bools, ints, uints or strings"),
        ("{'a': 1, 'a': 2}", "'a'", "this key is in the map already", ""),
        (
            "{'a': 1, 2: 2}",
            "2",
            "a map has keys of one type: the first is of type string, this of type int",
            "write it as `\"2\"`",
        ),
        (
            "{'a': 1, 'b': 'c'}",
            "'c'",
            "a map has values of one type: the first is of type int, this of type string",
            "",
        ),
        (
            "[optional.of(1)]",
            "optional.of(1)",
            "an optional cannot be part of something",
            "give a value for when there is none: `x.orValue(...)`",
        ),
        (
            "'a' in 'abc'",
            "'a' in 'abc'",
            "`in` does not look for type string in type string",
            "write `text.contains(part)`",
        ),
        (
            "client.ip in ['10.0.0.0/8']",
            "client.ip in ['10.0.0.0/8']",
            "`in` does not look for type ip in type list(string)",
            "write the elements as `cidr(\"...\")`",
        ),
        (
            "client.net in [cidr('10.0.0.0/8')]",
            "client.net in [cidr('10.0.0.0/8')]",
            "`in` does not look for type cidr in type list(cidr)",
            "test the address: `client.ip in [...]`",
        ),
        (
            "1 in ['a']",
            "1 in ['a']",
            "`in` does not look for type int in type list(string)",
            "the elements of this list are of type string, and not of type int",
        ),
        (
            "1 in 2",
            "1 in 2",
            "`in` does not look for type int in type int",
            "on the right of `in` is a list of type int",
        ),
        (
            "request.headers[1]",
            "1",
            "a map(string, string) is picked from by type string, and this is of type int",
            "write it as `\"1\"`",
        ),
        (
            "request.path[0]",
            "0",
            "a string has no elements to pick by `[...]`",
            "a part of a string is `text.substring(start, end)`",
        ),
        ("true ? 1 : 'a'", "'a'", "both sides of `:` have one type: the first is of type int, this of type string", ""),
        ("1 ? 2 : 3", "1", "`?` needs a bool, and this is of type int", "compare it with something, such as `!= 0`"),
        ("true && 1", "1", "`&&` needs a bool, and this is of type int", "compare it with something, such as `!= 0`"),
        (
            "!request.path",
            "request.path",
            "`!` needs a bool, and this is of type string",
            "compare it with something, such as `!= \"\"`",
        ),
    ]);
}

#[test]
fn macros_and_optionals() {
    all_refused(&[
        ("[1].all(x)", "all", "`all` takes a name and what is asked of it", "such as `list.all(x, x != \"\")`"),
        (
            "[1].all(1, true)",
            "1",
            "a macro's first argument is the name of its variable",
            "such as `list.exists(x, x == \"a\")`",
        ),
        ("[1].all(request, true)", "request", "`request` has its own meaning already", "call the variable `x`"),
        (
            "[1].all(x, x)",
            "x",
            "`all` needs a bool, and this is of type int",
            "compare it with something, such as `!= 0`",
        ),
        (
            "[1].filter(x, x, x)",
            "filter",
            "`filter` takes a name and what is asked of it",
            "such as `list.filter(x, x != \"\")`",
        ),
        (
            "has(request.path)",
            "request.path",
            "this is never absent",
            "every request has `request.path`: compare it with something, or leave this out",
        ),
        (
            "has(request.headers)",
            "request.headers",
            "this is never absent",
            "name a part of it, such as `has(request.headers[\"authorization\"])`",
        ),
        ("has(optional.of(1))", "optional.of(1)", "an optional is asked by its method", "write `x.hasValue()`"),
        ("has()", "has", "`has` takes 1 argument, and here it has 0", ""),
        (
            "optional.none()",
            "none",
            "what `optional.none()` has none of is not known here",
            "it stands beside an optional: `condition ? optional.of(x) : optional.none()`",
        ),
        ("optional.of(optional.of(1))", "optional.of(1)", "this is an optional already", ""),
        ("optional.of(1).orValue('a')", "'a'", "`orValue` takes type int, and this is of type string", ""),
        (
            "optional.of(1)",
            "optional.of(1)",
            "a value is needed, and this is an optional",
            "give a value for when there is none: `x.orValue(...)`",
        ),
        (
            "optional.of(1).optMap(x, optional.of(x))",
            "optional.of(x)",
            "an optional cannot be part of something",
            "give a value for when there is none: `x.orValue(...)`",
        ),
    ]);
}

#[test]
fn syntax_and_what_to_write() {
    let choice = "a choice is written `condition ? then : else`";
    all_refused(&[
        ("", "", "expected a value, found the end", ""),
        ("true &&", "", "expected a value, found the end", ""),
        ("true true", "true", "expected an operator, found `true`", ""),
        ("(true and true)", "and", "expected an operator, found `and`", "\"and\" is written `&&`"),
        ("(true or true)", "or", "expected an operator, found `or`", "\"or\" is written `||`"),
        ("1 == 1 and true", "and", "expected an operator, found `and`", "\"and\" is written `&&`"),
        ("1 == not true", "not", "`not` is not an operator", "negation is written `!`"),
        ("1 not in [1]", "not", "expected an operator, found `not`", "\"not in\" is written `!(x in y)`"),
        ("(request.path eq '/')", "eq", "expected an operator, found `eq`", "equality is written `==`"),
        (
            "request.path contains '/'",
            "contains",
            "expected an operator, found `contains`",
            "it is a method: write `value.contains(...)`",
        ),
        ("true & (true)", "&", "`&` does not belong here", "\"and\" is written `&&`"),
        ("true | (true)", "|", "`|` does not belong here", "\"or\" is written `||`"),
        ("request.path = '/'", "=", "`=` does not belong here", "equality is written `==`"),
        ("1 === 1", "=", "`=` does not belong here", "equality is written `==`"),
        ("1 <> 1", ">", "expected a value, found `>`", "inequality is written `!=`"),
        (
            "request.path ~ 'a'",
            "~",
            "`~` does not belong here",
            "a regular expression is tried with `value.matches(\"...\")`",
        ),
        (
            "request.path =~ 'a'",
            "=",
            "`=` does not belong here",
            "a regular expression is tried with `value.matches(\"...\")`",
        ),
        (
            "1 == 1; 2 == 2",
            ";",
            "`;` does not belong here",
            "an expression is one value; conditions are joined with `&&`",
        ),
        ("1 == 1 # one", "#", "`#` does not belong here", "a comment starts with `//`"),
        ("“a” == 'a'", "“", "`“` does not belong here", "strings are in straight quotes"),
        ("[1].exists(x, .x == 1)", ".", "expected a value, found `.`", ""),
        ("(true", "(", "this `(` is never closed", ""),
        ("1 in [1", "[", "this `[` is never closed", ""),
        ("size({1: 2", "{", "this `{` is never closed", ""),
        ("(true))", ")", "expected an operator, found `)`", ""),
        ("request.", "", "expected a name behind the dot, found the end", ""),
        ("request.true", "true", "expected a name behind the dot, found `true`", ""),
        ("request.in", "in", "expected a name behind the dot, found `in`", ""),
        ("true ? 1", "", "expected `:`, found the end", choice),
        ("(true) ? (true) ? 1 : 2 : 3", "?", "expected `:`, found `?`", "a choice within a choice needs parentheses"),
        ("1 == 1 : 2", ":", "expected an operator, found `:`", choice),
        ("if (true)", "if", "`if` is a reserved word", choice),
        ("for == 1", "for", "`for` is a reserved word", ""),
        (
            "null == 1",
            "null",
            "`null` is not available: the language is typed",
            "whether something is there is asked with `has(...)`",
        ),
        (
            "Message{a: 1}",
            "{",
            "expected an operator, found `{`",
            "messages are not available: the language is typed, and its values are those in docs/rules.md",
        ),
        ("{'a' 1}", "1", "expected `:`, found a number", "a map is written `{\"key\": value, ...}`"),
        (
            "[?1]",
            "?",
            "optional parts of a list or a map are not available",
            "give a value for when there is none: `x.orValue(...)`",
        ),
        ("1 == 'a", "'a", "a string without its closing '", ""),
        ("1 == '''a'", "'''a'", "a string without its closing '''", ""),
        ("1 == 'a\nb'", "'a", "a string ends on the line it starts on", "a line break in a string is written \\n"),
        ("'\\d' == ''", "\\d", "`\\d` is not an escape", "a backslash is written \\\\, or the string as r\"...\""),
        ("'\\ud800' == ''", "\\ud800", "an escape that names no character", ""),
        ("'\\400' == ''", "\\4", "`\\4` is not an escape", "a backslash is written \\\\, or the string as r\"...\""),
        ("1 == 10m", "10m", "not a number", "a time is written `duration(\"10m\")`"),
        (
            "9223372036854775808",
            "9223372036854775808",
            "not a number of 64 bits",
            "an unsigned number is written `9223372036854775808u`",
        ),
    ]);
}

#[test]
fn plain_text_needs_quotes_of_its_own() {
    for text in [
        "nosniff",
        "https://example.com/",
        "https://x",
        "no-store",
        "max-age=60",
        "public, max-age=60",
        "text/html; charset=utf-8",
        "/login",
        "*",
        "SAMEORIGIN",
        "a b",
    ] {
        let help = format!("a literal text needs quotes of its own: `'\"{text}\"'`");
        all_refused(&[(text, text, &format!("`{text}` is not an expression"), &help)]);
    }
    // What is probably an expression keeps its own error.
    for text in ["path", "reqest.path", "request.pth", "client.ip in lists", "request.path + nosniff(", "status"] {
        let errors = value_in(text, Phase::Request).expect_err(text);
        assert!(!errors[0].message.contains("is not an expression"), "{text}: {errors:?}");
    }
}

#[test]
fn all_type_errors_are_told_at_once() {
    let text = "reqest.path == 1 || request.pat == 1 || client.ip == 1 || request.path.size() || [1].all(x, x) || count('a', b, '1x') == 1";
    let errors = value_in(text, Phase::Request).expect_err("errors");
    assert_eq!(errors.len(), 7, "{errors:?}");
    assert!(errors.iter().all(|error| error.span.start < error.span.end), "{errors:?}");
}
