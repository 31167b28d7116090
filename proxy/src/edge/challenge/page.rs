//! The page on which a browser solves a puzzle: text, and a script of ours that is in it. It loads nothing, and its policy (Content Security
//! Policy level 3) lets it load and say nothing elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use pingora::http::ResponseHeader;

use super::said::{Puzzle, Said};
use crate::edge::request_id::RequestId;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("solve.js");

/// What a page has of its own.
#[derive(Debug, Clone)]
pub(in crate::edge) struct Page {
    /// What the policy knows the page's own script and style by.
    nonce: String,
    /// How it asks for what was asked for, with the pass: nothing but `GET` is repeated as it was.
    again: &'static str,
}

impl Page {
    /// A page in answer to a request of this method.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(super) fn new(method: &Method) -> Result<Page, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let again = if *method == Method::GET || *method == Method::HEAD { "reload" } else { "replace" };
        Ok(Page { nonce: STANDARD.encode(random), again })
    }

    /// Its header and its text.
    ///
    /// # Errors
    /// When a value is no valid header value, which these are.
    pub(super) fn render(&self, puzzle: &Puzzle, id: RequestId) -> pingora::Result<(ResponseHeader, Bytes)> {
        let (nonce, bits, id) = (&self.nonce, puzzle.difficulty.to_string(), id.to_string());
        // None of these has a character that HTML reads otherwise.
        let body = filled(PAGE, |name| match name {
            "nonce" => nonce,
            "puzzle" => &puzzle.puzzle,
            "bits" => &bits,
            "path" => puzzle.path,
            "again" => self.again,
            "request" => &id,
            "style" => STYLE,
            "script" => SCRIPT,
            _ => "",
        });
        let mut header = ResponseHeader::build(Said::POSED, Some(8))?;
        header.insert_header("content-type", "text/html; charset=utf-8")?;
        header.insert_header("content-length", body.len())?;
        header.insert_header("cache-control", "no-store")?;
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'"
        );
        header.insert_header("content-security-policy", policy)?;
        Ok((header, body.into()))
    }
}

/// A text with a value in the place of each `{{name}}`.
fn filled<'v>(text: &'v str, value: impl Fn(&str) -> &'v str) -> String {
    let mut out = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + 512);
    let mut parts = text.split("{{");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or(("", part));
        out.push_str(value(name));
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_and_loads_nothing() {
        let puzzle = Puzzle { puzzle: "AAAA".to_owned(), difficulty: 18, path: "/p" };
        let page = Page::new(&Method::POST).unwrap();
        let (header, body) = page.render(&puzzle, RequestId::new()).unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        assert_eq!(header.headers["content-length"], body.len().to_string().as_str());
        for part in [
            "<html lang=\"en\">",
            "<title>",
            "aria-live",
            "<noscript>",
            "data-puzzle=\"AAAA\"",
            "data-bits=\"18\"",
            "data-path=\"/p\"",
            "data-again=\"replace\"",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
        // No address of anything, and one script.
        for part in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!text.contains(part), "{part} is in {text}");
        }
        assert_eq!((text.matches("<script ").count(), text.matches("</script>").count()), (1, 1));
        let policy = header.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(policy.matches(&page.nonce).count(), text.matches(&page.nonce).count());
        assert_ne!(page.nonce, Page::new(&Method::GET).unwrap().nonce);
    }
}
