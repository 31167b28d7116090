//! The cart of `conf/examples/cart.toml`, at three POPs of which one is cut off for a while.

use crate::cluster::start;
use crate::idempotency_pops::{Pops, all_heard};
use crate::session::{SECRET, cookie_of, secret};
use crate::support::origin::Request;
use crate::support::{Answer, DEADLINE, Edge, Origin, eventually, ok, program, talk};

const EXAMPLE: &str = include_str!("../../../conf/examples/cart.toml");

const POPS: [&str; 3] = ["one", "three", "two"];

/// A shop: it keeps the cart in the session, and shows a notice where that may be old.
fn shop(request: &Request) -> Vec<u8> {
    let cart = request.header("selvedge-session-cart").unwrap_or("").replace("%20", " ");
    let items = request.header("x-cart-items").unwrap_or("0");
    match (request.head.split(' ').next(), request.path()) {
        (Some("POST"), "/cart") => {
            let thing = String::from_utf8_lossy(&request.body).into_owned();
            let cart = [cart.as_str(), &thing].join(" ").trim().replace(' ', "%20");
            ok(&format!("Selvedge-Session-Set: cart={cart}\r\n"), b"put")
        }
        (Some("POST"), "/checkout") => ok("", format!("bought {cart}").as_bytes()),
        _ => {
            let notice = match request.header("selvedge-session-fresh") {
                Some("false") => ", and perhaps more",
                _ => "",
            };
            ok("Cache-Control: no-store\r\n", format!("{cart} ({items}){notice}").as_bytes())
        }
    }
}

/// Somebody who buys.
#[derive(Clone, Default)]
struct Customer(String);

impl Customer {
    async fn ask(&mut self, edge: &Edge, method: &str, path: &str, more: (&str, &str)) -> Answer {
        let (fields, body) = more;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\nCookie: __Host-shop={}\r\nContent-Length: {}\r\n{fields}\r\n{body}",
            self.0,
            body.len()
        );
        let heard = talk(edge.address(), request.as_bytes()).await;
        let answer =
            Answer::parse(&heard).unwrap_or_else(|| panic!("no whole answer: {}", String::from_utf8_lossy(&heard)));
        if let Some(given) = cookie_of(&answer, "shop") {
            self.0 = given;
        }
        answer
    }

    async fn put(&mut self, edge: &Edge, thing: &str) {
        assert_eq!(self.ask(edge, "POST", "/cart", ("", thing)).await.text(), "put");
    }

    async fn look(&mut self, edge: &Edge) -> String {
        self.ask(edge, "GET", "/cart", ("", "")).await.text()
    }

    async fn buy(&mut self, edge: &Edge) -> Answer {
        self.ask(edge, "POST", "/checkout", ("Idempotency-Key: \"order-1\"\r\n", "")).await
    }
}

#[tokio::test]
async fn a_cart_is_found_at_each_pop_and_nothing_is_bought_while_some_of_it_is_missing() {
    let origin = Origin::start(|request| async move { shop(&request) }).await;
    let rules = EXAMPLE.get(EXAMPLE.find("[session.shop]").expect("its session")..).expect("the rest");
    let rules = rules.replace("keys/session.key", "session.key").replace("absolute =", "fetch = \"5s\"\nabsolute =");
    let pops = Pops::write(&origin.url(), &POPS, &rules);
    POPS.iter().for_each(|name| secret(&pops.path().join(name), "session.key", SECRET));
    let output = program().arg("test").arg(pops.path().join("one/selvedge.toml")).output().await.expect("the program");
    assert!(output.status.success(), "its own tests: {}", String::from_utf8_lossy(&output.stdout));
    let [one, three, two] = POPS.map(|name| start(pops.path(), name));
    let (one, three, two) = tokio::join!(one, three, two);
    all_heard(&[&one, &two, &three]).await;
    let mut customer = Customer::default();
    assert_eq!(customer.buy(&one).await.status, 303, "there is nothing to buy");
    customer.put(&one, "shoe").await;
    assert_eq!(customer.look(&two).await, "shoe (1)");
    customer.put(&two, "hat").await;
    assert_eq!(customer.look(&three).await, "shoe hat (2)");
    // What is put in at a POP that nobody hears is not known elsewhere.
    assert_eq!(three.command(&["cluster", "apart"]).await.0, 0);
    for edge in [&one, &two] {
        eventually(DEADLINE, async || match edge.status().await.cluster.expect("a cluster").heard {
            2 => Ok(()),
            heard => Err(format!("{heard} heard")),
        })
        .await;
    }
    customer.put(&three, "scarf").await;
    assert_eq!(customer.look(&one).await, "shoe hat (2), and perhaps more");
    let refused = customer.buy(&one).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "2"));
    assert_eq!(three.command(&["cluster", "join"]).await.0, 0);
    all_heard(&[&one, &two, &three]).await;
    let bought = eventually(DEADLINE, async || match customer.buy(&one).await {
        answer if answer.status == 200 => Ok(answer),
        answer => Err(answer.text()),
    })
    .await;
    assert_eq!((bought.text().as_str(), bought.header("selvedge-idempotency")), ("bought shoe hat scarf", "first"));
    // Sent again, wherever: it is done once.
    for edge in [&one, &two, &three] {
        let again = customer.buy(edge).await;
        assert_eq!((again.text().as_str(), again.header("selvedge-idempotency")), ("bought shoe hat scarf", "repeat"));
    }
}
