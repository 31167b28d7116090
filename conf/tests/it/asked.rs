//! Expressions that are asked of a config and stand in none.

use selvedge_conf::Config;
use selvedge_conf::expr::Phase;

use crate::support::load;

const CONFIG: &str = r#"
[listen]
http = ["0.0.0.0:8080"]
[origin.app]
servers = ["127.0.0.1:1"]
[site."*"]
origin = "app"
[list.office]
kind = "addresses"
[geoip]
city = "city.mmdb"
[jwt.users]
keys = "users.key"
algorithms = ["HS256"]
claims = { sub = "string" }
[[counter]]
name = "not-found"
key = ["client.net"]
when = "response.status == 404"
window = "10m"
[[unique]]
name = "users"
key = []
of = 'request.headers["x-user"]'
window = "10m"
[[limit]]
name = "login"
key = ["client.net"]
rate = "10/1m"
"#;

fn config() -> Config {
    load(CONFIG).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn what_the_config_may_ask_of_its_names_may_be_asked_of_it_and_nothing_else() {
    let config = config();
    for condition in [
        "response.status == 404",
        r#"client.ip in lists.office && client.country == "DE" && client.city != """#,
        r#"count("not-found", client.net, "10m") > 5"#,
        r#"uniques("users", "10m") > 5"#,
        r#"count("login", client.net, "8m") > 5 && limit("login").exceeded"#,
        r#"jwt.users.valid && jwt.users.claims.sub == "a""#,
        // Of both: what is longer than it reaches, what is not declared.
        r#"count("not-found", client.net, "11m") > 5"#,
        r#"count("login", client.net, "9m") > 5"#,
        r#"uniques("users", "11m") > 5"#,
        r#"uniques("user", "10m") > 5"#,
        "client.asn == 1",
        "client.ip in lists.home",
        "jwt.others.valid",
        r#"jwt.users.claims.aud == "a""#,
    ] {
        let rule = format!(
            "{CONFIG}[[rule]]\nname = \"r\"\nphase = \"response\"\nwhen = '{condition}'\ndo = {{ tag = \"t\" }}\n"
        );
        let (inside, asked) = (load(&rule), config.condition(condition, Phase::Response));
        match (&inside, &asked) {
            (Ok(inside), Ok(asked)) => {
                assert_eq!(inside.rules[0].when.as_ref().map(|when| &when.kind), Some(&asked.kind))
            }
            (Err(inside), Err(asked)) => {
                assert_eq!(inside.problems()[0].message, asked.problems()[0].message, "{condition}");
                assert_eq!(inside.problems()[0].help, asked.problems()[0].help, "{condition}");
            }
            _ => panic!("{condition}: {inside:?}, {asked:?}"),
        }
    }
}

#[test]
fn what_is_wrong_is_underlined() {
    let report = config().condition(r#"reqest.path == "/""#, Phase::Response).expect_err("a report");
    let text = report.render(false);
    assert!(text.contains("expression:1:1") && text.contains(r#"reqest.path == "/""#), "{text}");
    assert!(text.contains("`request`"), "{text}");
    let report = config().condition("response.status == 404", Phase::Request).expect_err("a report");
    assert!(report.to_string().contains("response"), "{report}");
}
