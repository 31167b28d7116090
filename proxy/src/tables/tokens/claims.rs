//! Claims: whether they are to be believed now, and their values as the config types them.

use selvedge_conf::Jwt as Facts;
use selvedge_conf::expr::Type;
use selvedge_filters::{Believed, Claim};
use selvedge_state::Time;
use serde_json::{Map, Value};

/// Judges times, issuer and audience. Gives the instant the token expires, leeway included; none when it says nothing of it
/// (RFC 7519 section 4.1.4: `exp` is optional).
pub(super) fn believe(claims: &Map<String, Value>, facts: &Facts, now: Time) -> Result<Option<Time>, &'static str> {
    let leeway = u64::try_from(facts.leeway.as_millis()).unwrap_or(u64::MAX);
    let expires = instant(claims.get("exp"), "its exp is no time")?.map(|exp| Time(exp.0.saturating_add(leeway)));
    // RFC 7519 section 4.1.4: on the instant or after it.
    if expires.is_some_and(|expires| now >= expires) {
        return Err("expired");
    }
    let begins = instant(claims.get("nbf"), "its nbf is no time")?;
    if begins.is_some_and(|begins| now.0.saturating_add(leeway) < begins.0) {
        return Err("not valid yet");
    }
    if let Some(issuer) = &facts.issuer
        && claims.get("iss").and_then(Value::as_str) != Some(issuer)
    {
        return Err("from another issuer");
    }
    let named = |audience: &String| match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    };
    if !facts.audience.is_empty() && !facts.audience.iter().any(named) {
        return Err("for another audience");
    }
    Ok(expires)
}

/// What is believed of a token that expires at an instant, if ever. What names it, or whose it is, is a string; a tenant may be a whole number as well.
pub(super) fn believed(claims: &Map<String, Value>, facts: &Facts, until: Option<Time>) -> Believed {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let tenant = facts.tenant.as_ref().and_then(|name| match claims.get(name)? {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => whole(number).map(|number| number.to_string()),
        _ => None,
    });
    Believed {
        claims: typed(claims, &facts.claims),
        id: text("jti"),
        user: text("sub"),
        tenant,
        // As old as can be where it does not say: whatever is revoked of its user means it.
        issued: instant(claims.get("iat"), "").ok().flatten().unwrap_or(Time::ZERO),
        until,
    }
}

/// The instant from which a token holds, leeway included, if it says one.
pub(super) fn begins(claims: &Map<String, Value>, facts: &Facts) -> Option<Time> {
    let leeway = u64::try_from(facts.leeway.as_millis()).unwrap_or(u64::MAX);
    instant(claims.get("nbf"), "").ok()?.map(|begins| Time(begins.0.saturating_sub(leeway)))
}

/// A NumericDate (RFC 7519 section 2): seconds since the Unix epoch, perhaps with a fraction.
fn instant(value: Option<&Value>, wrong: &'static str) -> Result<Option<Time>, &'static str> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    if let Some(seconds) = value.as_u64() {
        return Ok(Some(Time(seconds.saturating_mul(1000))));
    }
    match value.as_f64() {
        // The cast saturates, which is what far futures ask for.
        Some(seconds) if seconds.is_finite() && seconds >= 0.0 => Ok(Some(Time((seconds * 1000.0) as u64))),
        _ => Err(wrong),
    }
}

/// The claims that rules may read, in the config's order.
fn typed(claims: &Map<String, Value>, wanted: &[(String, Type)]) -> Vec<Option<Claim>> {
    wanted.iter().map(|(name, wanted)| claims.get(name).and_then(|value| claim(value, wanted))).collect()
}

fn claim(value: &Value, wanted: &Type) -> Option<Claim> {
    Some(match (wanted, value) {
        (Type::Bool, Value::Bool(yes)) => Claim::Bool(*yes),
        (Type::Int, Value::Number(number)) => Claim::Int(whole(number)?),
        (Type::Double, Value::Number(number)) => Claim::Double(number.as_f64()?),
        (Type::String, Value::String(text)) => Claim::String(text.clone()),
        (Type::List(of), value) if **of == Type::String => Claim::Strings(texts(value)?),
        _ => return None,
    })
}

/// JSON has one kind of number: `3.0` is the integer 3 (RFC 8259 section 6).
fn whole(number: &serde_json::Number) -> Option<i64> {
    /// Doubles below it hold every integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let double = || number.as_f64().filter(|double| double.fract() == 0.0 && double.abs() < EXACT);
    number.as_i64().or_else(|| double().map(|double| double as i64))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => several.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}
