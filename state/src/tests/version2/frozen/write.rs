//! What a node of version 2 says.

use super::{Author, Block, Message, Row, Seen, Sketch, bits_of, sum};

/// The bytes of a frame.
pub(in super::super) fn write(message: &Message) -> Vec<u8> {
    let mut head = Out::default();
    let (frame, blocks) = match message {
        Message::Hello(hello) => {
            head.numbers(&[hello.oldest.into(), hello.newest.into(), hello.features]);
            head.text(&hello.cluster);
            head.numbers(&[hello.secret_id, hello.roster_revision]);
            head.author(hello.author);
            head.numbers(&[hello.boot, hello.base, hello.at]);
            (1, &[][..])
        }
        Message::Delta { author, from, to, at, blocks } => {
            head.author(*author);
            head.numbers(&[*from, *to, *at]);
            (2, &blocks[..])
        }
        Message::Ack { have, ranges, echo, held, at } => {
            head.numbers(&[*have, *ranges, *echo, *held, *at]);
            (3, &[][..])
        }
        Message::Range { from, to, at, blocks } => {
            head.numbers(&[*from, *to, *at]);
            (4, &blocks[..])
        }
        Message::Digest { tables, prefix, bits, parts, answer, settled, at } => {
            head.numbers(&[*tables, u64::from(*prefix)]);
            head.0.push(*bits);
            head.number(parts.len() as u64);
            head.numbers(parts);
            head.0.extend([u8::from(*answer), u8::from(*settled)]);
            head.number(*at);
            (5, &[][..])
        }
    };
    let mut out = vec![frame];
    put_block(&mut out, 1, &head.0);
    for block in blocks {
        let (kind, body) = body_of(block);
        put_block(&mut out, kind, &body.0);
    }
    out
}

fn put_block(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    out.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    out.extend(sum(kind, body));
    out.extend(body);
}

fn body_of(block: &Block) -> (u8, Out) {
    let mut out = Out::default();
    let kind = match block {
        Block::Bans(bans) => {
            out.number(bans.len() as u64);
            for ban in bans {
                out.text(&ban.subject);
                out.numbers(&[ban.epoch, ban.until, ban.kept]);
                out.0.push(ban.level);
                out.text(&ban.reason);
                out.numbers(&[ban.made_at, ban.by.0.into(), ban.by.1.into()]);
            }
            3
        }
        Block::Listings(listings) => {
            out.number(listings.len() as u64);
            for listing in listings {
                out.number(listing.list);
                out.text(&listing.element);
                out.0.push(u8::from(listing.present));
                out.numbers(&[listing.until, listing.kept, listing.made_at]);
                out.numbers(&[listing.by.0.into(), listing.by.1.into()]);
            }
            5
        }
        Block::Counters { table, rows } => {
            out.counters(*table, rows);
            6
        }
        Block::Sketches { table, seen } => {
            out.sketches(*table, seen);
            4
        }
    };
    (kind, out)
}

/// Heads of slots, masks of fine and of coarse cells.
fn shape_of(row: &Row) -> (u64, u8, u8) {
    let mask = |cells: &[u64]| (0..8).filter(|bit| cells[*bit] > 0).fold(0, |mask, bit| mask | 1 << bit);
    (row.head, mask(&row.cells[..8]), mask(&row.cells[8..]))
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.collect::<std::collections::BTreeSet<T>>().into_iter().collect()
}

#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    /// One of a head or a fact: one byte below 251, else a byte that says how many follow, lowest first.
    fn number(&mut self, number: u64) {
        let bytes = number.to_le_bytes();
        match number {
            0..251 => self.0.push(bytes[0]),
            251..0x1_0000 => self.0.extend([&[251], &bytes[..2]].concat()),
            0x1_0000..0x1_0000_0000 => self.0.extend([&[252], &bytes[..4]].concat()),
            _ => self.0.extend([&[253], &bytes[..]].concat()),
        }
    }

    fn numbers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.number(*number));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend(text.as_bytes());
    }

    fn author(&mut self, (pop, node, life): Author) {
        self.numbers(&[pop.into(), node.into(), life]);
    }

    /// One of counters or sketches: seven bits a byte, lowest first, the top bit set where more follow.
    fn seven(&mut self, number: u64) {
        let mut rest = number;
        while rest > 127 {
            self.0.push((rest % 128) as u8 + 128);
            rest /= 128;
        }
        self.0.push(rest as u8);
    }

    /// So many bits of each, lowest first, to a whole byte.
    fn column(&mut self, width: usize, numbers: &[u64]) {
        let bits: Vec<bool> = numbers.iter().flat_map(|n| (0..width).map(move |bit| n >> bit & 1 == 1)).collect();
        let byte = |bits: &[bool]| bits.iter().rev().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
        self.0.extend(bits.chunks(8).map(byte));
    }

    fn counters(&mut self, table: u64, rows: &[Row]) {
        let (authors, shapes) = (sorted(rows.iter().map(|row| row.author)), sorted(rows.iter().map(shape_of)));
        self.0.extend(table.to_le_bytes());
        self.seven(authors.len() as u64);
        for (pop, node, life) in &authors {
            [u64::from(*pop), u64::from(*node), *life].into_iter().for_each(|number| self.seven(number));
        }
        self.seven(rows.len() as u64);
        self.seven(shapes.len() as u64);
        let greatest = shapes.last().unwrap().0;
        self.seven(greatest);
        for (head, fine, coarse) in &shapes {
            self.seven(greatest - head);
            self.0.extend([fine, coarse]);
        }
        let steps: Vec<u64> = rows.windows(2).map(|two| two[1].key - two[0].key).collect();
        let width = steps.iter().map(|step| 64 - step.leading_zeros()).max().unwrap_or(0);
        self.0.extend(rows[0].key.to_le_bytes());
        self.0.push(width as u8);
        self.column(width as usize, &steps);
        let place = |row: &Row| authors.iter().position(|author| *author == row.author).unwrap() as u64;
        self.column(bits_of(authors.len()), &rows.iter().map(place).collect::<Vec<_>>());
        let place = |row: &Row| shapes.iter().position(|shape| *shape == shape_of(row)).unwrap() as u64;
        self.column(bits_of(shapes.len()), &rows.iter().map(place).collect::<Vec<_>>());
        rows.iter().flat_map(|row| row.cells).filter(|cell| *cell > 0).for_each(|cell| self.seven(cell));
    }

    fn sketches(&mut self, table: u64, seen: &[Seen]) {
        self.0.extend(table.to_le_bytes());
        let greatest = seen.iter().map(|seen| seen.slot).max().unwrap();
        self.seven(greatest);
        self.seven(seen.len() as u64);
        let mut before = 0;
        for Seen { key, slot, sketch } in seen {
            self.seven(key - before);
            before = *key;
            self.seven(greatest - slot);
            match sketch {
                Sketch::Marks(marks) => {
                    self.seven(marks.len() as u64);
                    let mut before = 0;
                    for (prefix, tail) in marks {
                        self.seven(prefix - before);
                        before = *prefix;
                        self.0.push(*tail);
                    }
                }
                Sketch::Ranks(ranks) => {
                    self.0.push(0);
                    self.column(6, &ranks.iter().map(|rank| u64::from(*rank)).collect::<Vec<_>>());
                }
            }
        }
    }
}
