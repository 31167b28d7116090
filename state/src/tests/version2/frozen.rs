//! Protocol version 2, written down once more, by hand and of numbers alone: what a node of the version before says and reads.
//! It shares no line with the product and is frozen: it does not change when the product does.
//!
//! ```text
//! frame = type (u8), block of kind 1: the head, block ...
//! block = kind (u8), length of the body (u32, LE), crc32 of kind and body (u32, LE), body
//! ```
//!
//! Reading is as strict as a test may be: what version 2 does not know, and what its order forbids, panics.

/// POP, node, life.
pub(super) type Author = (u16, u32, u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Hello(Hello),
    Delta { author: Author, from: u64, to: u64, at: u64, blocks: Vec<Block> },
    Ack { have: u64, ranges: u64, echo: u64, held: u64, at: u64 },
    Range { from: u64, to: u64, at: u64, blocks: Vec<Block> },
    Digest { tables: u64, prefix: u16, bits: u8, parts: Vec<u64>, answer: bool, settled: bool, at: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) oldest: u16,
    pub(super) newest: u16,
    pub(super) features: u64,
    pub(super) cluster: String,
    pub(super) secret_id: u64,
    pub(super) roster_revision: u64,
    pub(super) author: Author,
    pub(super) boot: u64,
    pub(super) base: u64,
    pub(super) at: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    Bans(Vec<Ban>),
    Listings(Vec<Listing>),
    Counters { table: u64, rows: Vec<Row> },
    Sketches { table: u64, seen: Vec<Seen> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ban {
    pub(super) subject: String,
    pub(super) epoch: u64,
    pub(super) until: u64,
    pub(super) kept: u64,
    pub(super) level: u8,
    pub(super) reason: String,
    pub(super) made_at: u64,
    /// POP and node.
    pub(super) by: (u16, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) list: u64,
    pub(super) element: String,
    pub(super) present: bool,
    pub(super) until: u64,
    pub(super) kept: u64,
    pub(super) made_at: u64,
    /// POP and node.
    pub(super) by: (u16, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: u64,
    pub(super) author: Author,
    pub(super) head: u64,
    /// Eight fine ones and eight coarse ones.
    pub(super) cells: [u64; 16],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sketch {
    /// Prefix and tail of each.
    Marks(Vec<(u64, u8)>),
    /// Of all 1,024 registers.
    Ranks(Vec<u8>),
}

/// One slot of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) key: u64,
    pub(super) slot: u64,
    pub(super) sketch: Sketch,
}

/// The bytes of a frame.
pub(super) fn write(message: &Message) -> Vec<u8> {
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

/// What a frame says.
pub(super) fn read(bytes: &[u8]) -> Message {
    assert!(bytes.len() <= 65_536, "{} bytes", bytes.len());
    let mut frame = In(&bytes[1..]);
    let mut head = frame.block(1);
    let mut blocks = Vec::new();
    while let Some(kind) = frame.0.first() {
        blocks.push(frame.block(*kind).body(*kind));
    }
    let message = match bytes[0] {
        1 => Message::Hello(Hello {
            oldest: head.small(),
            newest: head.small(),
            features: head.number(),
            cluster: head.text(),
            secret_id: head.number(),
            roster_revision: head.number(),
            author: head.author(),
            boot: head.number(),
            base: head.number(),
            at: head.number(),
        }),
        2 => Message::Delta {
            author: head.author(),
            from: head.number(),
            to: head.number(),
            at: head.number(),
            blocks: std::mem::take(&mut blocks),
        },
        3 => Message::Ack {
            have: head.number(),
            ranges: head.number(),
            echo: head.number(),
            held: head.number(),
            at: head.number(),
        },
        4 => Message::Range {
            from: head.number(),
            to: head.number(),
            at: head.number(),
            blocks: std::mem::take(&mut blocks),
        },
        5 => Message::Digest {
            tables: head.number(),
            prefix: head.small(),
            bits: head.byte(),
            parts: (0..head.number()).map(|_| head.number()).collect(),
            answer: head.flag(),
            settled: head.flag(),
            at: head.number(),
        },
        other => panic!("version 2 has no frame of type {other}"),
    };
    head.end();
    assert_eq!(blocks, [], "blocks of state behind a head that has none");
    message
}

fn sum(kind: u8, body: &[u8]) -> [u8; 4] {
    crc32fast::hash(&[&[kind], body].concat()).to_le_bytes()
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

/// The bits of a place in a list of so many.
fn bits_of(list: usize) -> usize {
    (0..).find(|bits| list <= 1 << bits).unwrap()
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.collect::<std::collections::BTreeSet<T>>().into_iter().collect()
}

fn ascends<T: PartialOrd>(all: &[T]) {
    assert!(all.windows(2).all(|two| two[0] < two[1]), "out of order");
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

struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        taken
    }

    fn fixed(&mut self, bytes: usize) -> u64 {
        self.take(bytes).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn end(&self) {
        assert!(self.0.is_empty(), "{} bytes too many", self.0.len());
    }

    fn block(&mut self, kind: u8) -> In<'a> {
        assert_eq!(self.byte(), kind);
        let (length, says) = (self.fixed(4), self.take(4));
        let body = self.take(length as usize);
        assert_eq!(sum(kind, body), says, "the checksum of a block");
        In(body)
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn flag(&mut self) -> bool {
        let byte = self.byte();
        assert!(byte < 2, "neither yes nor no");
        byte == 1
    }

    fn number(&mut self) -> u64 {
        match self.byte() {
            251 => self.fixed(2),
            252 => self.fixed(4),
            253 => self.fixed(8),
            byte => {
                assert!(byte < 251, "a number of more than 64 bits");
                byte.into()
            }
        }
    }

    fn small<T: TryFrom<u64, Error: std::fmt::Debug>>(&mut self) -> T {
        T::try_from(self.number()).unwrap()
    }

    fn text(&mut self) -> String {
        let length = self.small();
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }

    fn author(&mut self) -> Author {
        (self.small(), self.small(), self.number())
    }

    fn seven(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte % 128) << shift;
            if byte < 128 {
                return number;
            }
            shift += 7;
        }
    }

    fn column(&mut self, width: usize, count: usize) -> Vec<u64> {
        let bytes = self.take((width * count).div_ceil(8));
        let bit = |at: usize| u64::from(bytes[at / 8] >> (at % 8) & 1);
        (0..count).map(|nth| (0..width).fold(0, |number, of| number | bit(nth * width + of) << of)).collect()
    }

    fn body(mut self, kind: u8) -> Block {
        let block = match kind {
            3 => Block::Bans((0..self.number()).map(|_| self.ban()).collect()),
            4 => self.sketches(),
            5 => Block::Listings((0..self.number()).map(|_| self.listing()).collect()),
            6 => self.counters(),
            other => panic!("version 2 has no block of kind {other}"),
        };
        self.end();
        block
    }

    fn ban(&mut self) -> Ban {
        Ban {
            subject: self.text(),
            epoch: self.number(),
            until: self.number(),
            kept: self.number(),
            level: self.byte(),
            reason: self.text(),
            made_at: self.number(),
            by: (self.small(), self.small()),
        }
    }

    fn listing(&mut self) -> Listing {
        Listing {
            list: self.number(),
            element: self.text(),
            present: self.flag(),
            until: self.number(),
            kept: self.number(),
            made_at: self.number(),
            by: (self.small(), self.small()),
        }
    }

    fn counters(&mut self) -> Block {
        let table = self.fixed(8);
        let authors: Vec<Author> = (0..self.seven())
            .map(|_| (self.seven().try_into().unwrap(), self.seven().try_into().unwrap(), self.seven()))
            .collect();
        ascends(&authors);
        let (count, shapes, greatest) = (self.seven() as usize, self.seven(), self.seven());
        let shapes: Vec<_> = (0..shapes).map(|_| (greatest - self.seven(), self.byte(), self.byte())).collect();
        ascends(&shapes);
        let (mut key, width) = (self.fixed(8), self.byte().into());
        let steps = self.column(width, count - 1);
        let by = self.column(bits_of(authors.len()), count);
        let of = self.column(bits_of(shapes.len()), count);
        let mut rows = Vec::new();
        for nth in 0..count {
            key += if nth > 0 { steps[nth - 1] } else { 0 };
            let (head, fine, coarse) = shapes[of[nth] as usize];
            let masks = u16::from(fine) | u16::from(coarse) << 8;
            let cells = std::array::from_fn(|cell| if masks >> cell & 1 == 1 { self.seven() } else { 0 });
            rows.push(Row { key, author: authors[by[nth] as usize], head, cells });
        }
        ascends(&rows.iter().map(|row| (row.key, row.author)).collect::<Vec<_>>());
        Block::Counters { table, rows }
    }

    fn sketches(&mut self) -> Block {
        let (table, greatest, count) = (self.fixed(8), self.seven(), self.seven());
        let mut before = 0;
        let mut seen = Vec::new();
        for _ in 0..count {
            before += self.seven();
            let slot = greatest - self.seven();
            let sketch = match self.seven() {
                0 => Sketch::Ranks(self.column(6, 1024).into_iter().map(|rank| rank as u8).collect()),
                marks => {
                    let mut before = 0;
                    let mut mark = || {
                        before += self.seven();
                        (before, self.byte())
                    };
                    Sketch::Marks((0..marks).map(|_| mark()).collect())
                }
            };
            seen.push(Seen { key: before, slot, sketch });
        }
        ascends(&seen.iter().map(|seen| (seen.key, seen.slot)).collect::<Vec<_>>());
        Block::Sketches { table, seen }
    }
}
