//! Expressions that make numbers, texts and times.

use super::{Generator, Ty};

impl Generator {
    pub(super) fn int(&mut self, depth: usize) -> String {
        let part = self.pick(&[
            "getFullYear",
            "getMonth",
            "getDate",
            "getDayOfMonth",
            "getDayOfWeek",
            "getDayOfYear",
            "getHours",
            "getMinutes",
            "getSeconds",
            "getMilliseconds",
        ]);
        match self.below(10) {
            0..=2 => {
                let operator = self.pick(&["+", "-", "*", "/", "%"]);
                let text = format!("({} {operator} {})", self.expr(&Ty::Int, depth), self.expr(&Ty::Int, depth));
                self.may_fail(text)
            }
            3 => {
                let text = format!("-({})", self.expr(&Ty::Int, depth));
                self.may_fail(text)
            }
            4 => {
                let of = match self.below(4) {
                    0 => Ty::Bytes,
                    1 => Ty::List(Box::new(self.element())),
                    2 => Ty::Map(Box::new(self.key()), Box::new(self.element())),
                    _ => Ty::String,
                };
                let of = self.expr(&of, depth);
                if self.below(2) == 0 { format!("size({of})") } else { format!("{of}.size()") }
            }
            5 | 6 => {
                let from = [Ty::Int, Ty::Uint, Ty::Double, Ty::String, Ty::Timestamp][self.below(5)].clone();
                let text = format!("int({})", self.expr(&from, depth));
                self.may_fail(text)
            }
            7 => {
                let zone = self.pick(&[
                    "",
                    "\"UTC\"",
                    "\"Europe/Berlin\"",
                    "\"America/New_York\"",
                    "\"+05:30\"",
                    "\"-08:00\"",
                ]);
                format!("{}.{part}({zone})", self.expr(&Ty::Timestamp, depth))
            }
            8 => {
                let part = self.pick(&["getHours", "getMinutes", "getSeconds"]);
                format!("{}.{part}()", self.expr(&Ty::Duration, depth))
            }
            _ => format!("{}.indexOf({})", self.expr(&Ty::String, depth), self.expr(&Ty::String, depth)),
        }
    }

    pub(super) fn uint(&mut self, depth: usize) -> String {
        let text = match self.below(2) {
            0 => {
                let operator = self.pick(&["+", "-", "*", "/", "%"]);
                format!("({} {operator} {})", self.expr(&Ty::Uint, depth), self.expr(&Ty::Uint, depth))
            }
            _ => {
                let from = [Ty::Int, Ty::Uint, Ty::Double, Ty::String][self.below(4)].clone();
                format!("uint({})", self.expr(&from, depth))
            }
        };
        self.may_fail(text)
    }

    pub(super) fn double(&mut self, depth: usize) -> String {
        match self.below(4) {
            0 | 1 => {
                let operator = self.pick(&["+", "-", "*", "/"]);
                format!("({} {operator} {})", self.expr(&Ty::Double, depth), self.expr(&Ty::Double, depth))
            }
            2 => format!("-({})", self.expr(&Ty::Double, depth)),
            _ => {
                let from = [Ty::Int, Ty::Uint, Ty::Double, Ty::String][self.below(4)].clone();
                let text = format!("double({})", self.expr(&from, depth));
                self.may_fail(text)
            }
        }
    }

    pub(super) fn string(&mut self, depth: usize) -> String {
        let text = self.expr(&Ty::String, depth);
        match self.below(7) {
            0 => format!("({text} + {})", self.expr(&Ty::String, depth)),
            1 => {
                let from = self.scalar();
                let text = format!("string({})", self.expr(&from, depth));
                self.may_fail(text)
            }
            2 => {
                let method = self.pick(&["lowerAscii", "upperAscii", "trim"]);
                format!("{text}.{method}()")
            }
            3 => {
                let (start, end) = (self.below(4), self.below(5));
                let text = format!("{text}.substring({start}, {end})");
                self.may_fail(text)
            }
            4 => {
                let text = format!("{text}.substring({})", self.expr(&Ty::Int, depth));
                self.may_fail(text)
            }
            5 => format!("{text}.replace({}, {})", self.leaf(&Ty::String), self.leaf(&Ty::String)),
            _ => text,
        }
    }

    pub(super) fn duration(&mut self, depth: usize) -> String {
        let text = match self.below(4) {
            0 | 1 => {
                let operator = self.pick(&["+", "-"]);
                format!("({} {operator} {})", self.expr(&Ty::Duration, depth), self.expr(&Ty::Duration, depth))
            }
            2 => format!("({} - {})", self.expr(&Ty::Timestamp, depth), self.expr(&Ty::Timestamp, depth)),
            _ if self.below(4) == 0 => format!("duration({})", self.expr(&Ty::String, depth)),
            _ => {
                let place = self.below(8);
                format!("duration([\"1h30m\", \"-1.5s\", \"\", \"1\", \"3us4ns\", \"0\", \".5m\"][{place}])")
            }
        };
        self.may_fail(text)
    }

    pub(super) fn timestamp(&mut self, depth: usize) -> String {
        let text = match self.below(5) {
            0 | 1 => {
                let operator = self.pick(&["+", "-"]);
                format!("({} {operator} {})", self.expr(&Ty::Timestamp, depth), self.expr(&Ty::Duration, depth))
            }
            2 => format!("({} + {})", self.expr(&Ty::Duration, depth), self.expr(&Ty::Timestamp, depth)),
            3 => format!("timestamp({})", self.expr(&Ty::Int, depth)),
            _ => format!("timestamp({})", self.expr(&Ty::String, depth)),
        };
        self.may_fail(text)
    }
}
