//! Property: whatever fits the tables, normalising is idempotent, and so is printing and reading.
//!
//! Values are made from the tables themselves by a small generator with a fixed seed, so that every
//! field is tried without being listed here.

use super::*;
use crate::schema::{FILE, Nulls};
use crate::yaml::{emit, parse};

/// Projects that are tried.
const ROUNDS: u64 = 300;

/// Xorshift: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn word(&mut self) -> String {
        const WORDS: [&str; 16] = [
            "a", "no", "x y", "12", "#c", "a: b", "é", "'", "\"q\"", "true", "~", "- d", "1e3",
            "l\nm\n", "\ttab", "",
        ];
        let at = self.roll(WORDS.len() as u64);
        WORDS[usize::try_from(at).unwrap_or(0)].to_owned()
    }

    fn name(&mut self) -> String {
        format!("n{}", self.roll(4))
    }
}

fn text(text: &str) -> Node {
    Node::text(text, &Place::default())
}

fn of(value: Value) -> Node {
    Node::new(value, Place::default())
}

/// A value of the kind, long or short.
fn made(kind: &Kind, dice: &mut Dice) -> Node {
    match kind {
        Kind::Any | Kind::Text => text(&dice.word()),
        Kind::Scalar => match dice.roll(3) {
            0 => of(Value::Int(7)),
            1 => of(Value::Bool(true)),
            _ => text(&dice.word()),
        },
        Kind::Bool => match dice.roll(2) {
            0 => of(Value::Bool(true)),
            _ => text("no"),
        },
        Kind::Int => match dice.roll(2) {
            0 => of(Value::Int(3)),
            _ => text("4"),
        },
        Kind::Float => of(Value::Float(0.25)),
        Kind::Bytes => text("64m"),
        Kind::Duration => text("90s"),
        Kind::Mode => text("0440"),
        Kind::Words(words) => {
            let at = dice.roll(words.len() as u64);
            text(words[usize::try_from(at).unwrap_or(0)])
        }
        Kind::Command => match dice.roll(2) {
            0 => text("run 'a b' c"),
            _ => of(Value::List(vec![text(&dice.word()), text("b")])),
        },
        Kind::Texts => match dice.roll(2) {
            0 => text(&dice.word()),
            _ => of(Value::List(vec![text(&dice.word()), text("other")])),
        },
        Kind::List(inner) => {
            of(Value::List((0..dice.roll(3)).map(|_| made(inner, dice)).collect()))
        }
        Kind::Pairs(_) => {
            let all = (0..dice.roll(3)).map(|_| (dice.name(), text(&dice.word()))).collect();
            of(Value::Map(all))
        }
        Kind::Map(inner, nulls) => {
            let mut map = Map::new();
            for _ in 0..dice.roll(3) {
                let value = match (nulls, dice.roll(4)) {
                    (Nulls::Kept | Nulls::Empty, 0) => of(Value::Null),
                    _ => made(inner, dice),
                };
                map.insert(dice.name(), value);
            }
            of(Value::Map(map))
        }
        Kind::Short(_, inner) => made(inner, dice),
        Kind::Object(object) => {
            let mut map = Map::new();
            for field in object.fields {
                if object.required.contains(&field.name) || dice.roll(8) == 0 {
                    map.insert(field.name.to_owned(), made(&field.kind, dice));
                }
            }
            if dice.roll(8) == 0 {
                map.insert("x-own".to_owned(), text(&dice.word()));
            }
            of(Value::Map(map))
        }
    }
}

#[test]
fn what_is_printed_is_read_as_the_same() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let whole = Kind::Object(&FILE);
    let mut tried = 0;
    for _ in 0..ROUNDS {
        // What a short form refuses (a probe of other words, an external network with a driver) is
        // no project.
        let Ok(node) = normal(made(&whole, &mut dice), &whole, &Path::default()) else { continue };
        tried += 1;
        let again = normal(node.clone(), &whole, &Path::default()).expect("canonical");
        assert_eq!(again, node, "normalising twice");
        let printed = emit(&node.to_json());
        let read = parse("f.yaml", printed.as_bytes());
        let read = read.unwrap_or_else(|error| panic!("{error}\n{printed}")).remove(0);
        let read = normal(read, &whole, &Path::default());
        let read = read.unwrap_or_else(|fault| panic!("{fault}\n{printed}"));
        assert_eq!(emit(&read.to_json()), printed);
    }
    assert!(tried > ROUNDS / 4, "{tried} of {ROUNDS} were projects");
}
