//! What a node of version 2 understands.

use super::{Author, Ban, Block, Hello, Listing, Message, Row, Seen, Sketch, bits_of, sum};

/// What a frame says.
pub(in super::super) fn read(bytes: &[u8]) -> Message {
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

fn ascends<T: PartialOrd>(all: &[T]) {
    assert!(all.windows(2).all(|two| two[0] < two[1]), "out of order");
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
