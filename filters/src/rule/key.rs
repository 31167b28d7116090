//! Values as bytes, for the keys of counters, uniques and limits: equal values of one type give equal bytes.

use std::net::IpAddr;

use super::value::Value;

/// The longest value that is no text: an IPv6 network.
const INLINE_MAX: usize = 17;

/// The bytes of one value, borrowed or on the stack.
#[derive(Debug, Clone, Copy)]
pub struct KeyBytes<'a>(Bytes<'a>);

#[derive(Debug, Clone, Copy)]
enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Inline([u8; INLINE_MAX], usize),
}

impl KeyBytes<'_> {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Bytes::Borrowed(bytes) => bytes,
            Bytes::Inline(bytes, len) => bytes.get(..*len).unwrap_or(bytes),
        }
    }
}

impl<'a> Value<'a> {
    /// The value as bytes of a key: text and bytes as they are, numbers and times in fixed widths, an address in 4 or 16 bytes
    /// (IPv4 in IPv6 form as the IPv4 address it is), a network as its address and prefix length. The two zeros of a double are
    /// one, and so are all its NaNs.
    pub fn key(&self) -> KeyBytes<'a> {
        match *self {
            Value::Bool(value) => inline([&[u8::from(value)], &[]]),
            Value::Int(value) => inline([&value.to_be_bytes(), &[]]),
            Value::Uint(value) => inline([&value.to_be_bytes(), &[]]),
            Value::Double(value) => inline([&canonical(value).to_be_bytes(), &[]]),
            Value::String(text) => KeyBytes(Bytes::Borrowed(text.as_bytes())),
            Value::Bytes(bytes) => KeyBytes(Bytes::Borrowed(bytes)),
            Value::Duration(span) => inline([&span.as_secs().to_be_bytes(), &span.subsec_nanos().to_be_bytes()]),
            Value::Timestamp(at) => inline([&at.as_second().to_be_bytes(), &at.subsec_nanosecond().to_be_bytes()]),
            Value::Ip(address) => with_address(address, &[]),
            Value::Cidr(net) => with_address(net.network(), &[net.prefix_len()]),
        }
    }
}

fn canonical(value: f64) -> u64 {
    if value.is_nan() {
        return f64::NAN.to_bits();
    }
    // -0 + 0 = 0.
    (value + 0.0).to_bits()
}

fn with_address<'a>(address: IpAddr, rest: &[u8]) -> KeyBytes<'a> {
    match address.to_canonical() {
        IpAddr::V4(v4) => inline([&v4.octets(), rest]),
        IpAddr::V6(v6) => inline([&v6.octets(), rest]),
    }
}

fn inline<'a>(parts: [&[u8]; 2]) -> KeyBytes<'a> {
    let mut bytes = [0; INLINE_MAX];
    let mut len = 0;
    for (slot, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
        *slot = *byte;
        len += 1;
    }
    KeyBytes(Bytes::Inline(bytes, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_equal_bytes_and_others_are_not() {
        let key = |value: Value<'_>| value.key().as_slice().to_vec();
        assert_eq!(key(Value::Double(0.0)), key(Value::Double(-0.0)));
        assert_eq!(key(Value::Double(f64::NAN)), key(Value::Double(-f64::NAN)));
        assert_ne!(key(Value::Double(1.0)), key(Value::Double(-1.0)));
        assert_eq!(key(Value::Int(-1)), [0xff; 8]);
        assert_eq!(key(Value::String("a")), b"a");
        assert_eq!(key(Value::Ip("::ffff:192.0.2.1".parse().unwrap())), [192, 0, 2, 1]);
        assert_eq!(key(Value::Cidr("192.0.2.0/24".parse().unwrap())), [192, 0, 2, 0, 24]);
        assert_eq!(key(Value::Cidr("2001:db8::/32".parse().unwrap())).len(), INLINE_MAX);
    }
}
