//! Small databases of places, written as the MaxMind DB file format 2.0 says.

use serde_json::{Value, json};

/// A value in the format's own encoding: a control byte with type and size, then the bytes.
fn encode(value: &Value, out: &mut Vec<u8>) {
    let mut control = |kind: u8, size: usize| {
        let (small, more) = match size {
            0..29 => (size as u8, vec![]),
            29..285 => (29, vec![(size - 29) as u8]),
            _ => (30, ((size - 285) as u16).to_be_bytes().to_vec()),
        };
        // Kinds above 7 do not fit the control byte; the next one has them.
        out.push(if kind > 7 { small } else { kind << 5 | small });
        if kind > 7 {
            out.push(kind - 7);
        }
        out.extend(more);
    };
    match value {
        Value::String(text) => {
            control(2, text.len());
            out.extend(text.as_bytes());
        }
        Value::Number(number) => {
            control(6, 4);
            out.extend((number.as_u64().unwrap() as u32).to_be_bytes());
        }
        Value::Array(several) => {
            control(11, several.len());
            several.iter().for_each(|one| encode(one, out));
        }
        Value::Object(map) => {
            control(7, map.len());
            for (key, value) in map {
                encode(&Value::String(key.clone()), out);
                encode(value, out);
            }
        }
        other => panic!("{other} is not needed here"),
    }
}

/// A database with a record for each network given by its leading bits.
pub(crate) fn database(version: u8, records: &[(&str, Value)]) -> Vec<u8> {
    const EMPTY: usize = usize::MAX;
    let mut data = Vec::new();
    let mut offsets = Vec::new();
    for (_, record) in records {
        offsets.push(data.len());
        encode(record, &mut data);
    }
    // Nodes point to nodes; a place in the data is kept apart until the number of nodes is known.
    let mut nodes: Vec<[Result<usize, usize>; 2]> = vec![[Ok(EMPTY); 2]];
    for ((bits, _), offset) in records.iter().zip(offsets) {
        let mut node = 0;
        for (depth, bit) in bits.bytes().map(|bit| usize::from(bit - b'0')).enumerate() {
            if depth + 1 == bits.len() {
                nodes[node][bit] = Err(offset);
            } else if let Ok(next) = nodes[node][bit]
                && next != EMPTY
            {
                node = next;
            } else {
                nodes.push([Ok(EMPTY); 2]);
                nodes[node][bit] = Ok(nodes.len() - 1);
                node = nodes.len() - 1;
            }
        }
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for node in nodes {
        for record in node {
            let number = match record {
                Ok(EMPTY) => count,
                Ok(next) => next,
                Err(offset) => count + 16 + offset,
            };
            file.extend(&(number as u32).to_be_bytes()[1..]);
        }
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let number = |kind: u8, number: u64, out: &mut Vec<u8>| {
        let bytes = &number.to_be_bytes()[if kind == 9 { 0 } else { 6 }..];
        if kind == 9 {
            out.extend([bytes.len() as u8, 2])
        } else {
            out.push(kind << 5 | bytes.len() as u8)
        }
        out.extend(bytes);
    };
    file.push(7 << 5 | 9);
    for (key, value) in [
        ("binary_format_major_version", 2),
        ("binary_format_minor_version", 0),
        ("ip_version", u64::from(version)),
        ("record_size", 24),
    ] {
        encode(&json!(key), &mut file);
        number(5, value, &mut file);
    }
    encode(&json!("build_epoch"), &mut file);
    number(9, 1_767_225_600, &mut file);
    encode(&json!("node_count"), &mut file);
    encode(&json!(count), &mut file);
    for (key, value) in [
        ("database_type", json!("Test")),
        ("description", json!({ "en": "made by a test" })),
        ("languages", json!(["en"])),
    ] {
        encode(&json!(key), &mut file);
        encode(&value, &mut file);
    }
    file
}

/// The leading bits of an IPv4 address.
pub(crate) fn v4(address: [u8; 4], length: usize) -> String {
    format!("{:032b}", u32::from_be_bytes(address))[..length].to_owned()
}
