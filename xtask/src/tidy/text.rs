//! Rust text with comments and literals taken out, so that rules look at code only.
//!
//! Not a parser: it knows comments (nested ones too), strings (raw, byte and C ones too), characters
//! and lifetimes. Lines stay where they are.

/// A file in two layers of the same shape.
#[derive(Debug, Default)]
pub struct Layers {
    /// Code; comments and the insides of literals are spaces.
    pub code: String,
    /// Comments; everything else is spaces.
    pub comments: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    Line,
    Block(usize),
    Text,
    Raw(usize),
}

/// Splits the text.
pub fn layers(text: &str) -> Layers {
    let characters: Vec<char> = text.chars().collect();
    let mut layers = Layers::default();
    let (mut at, mut state) = (0, State::Code);
    while at < characters.len() {
        let rest = &characters[at..];
        let (next, length) = step(state, rest, at.checked_sub(1).map(|before| characters[before]));
        for character in &rest[..length] {
            let comment = matches!(state, State::Line | State::Block(_))
                || matches!(next, State::Line | State::Block(_));
            let literal = rest[0] == '\'' && length > 1;
            let code = state == State::Code && !comment && !literal;
            let shown = |show: bool| match character {
                '\n' => '\n',
                other if show => *other,
                _ => ' ',
            };
            layers.code.push(shown(code));
            layers.comments.push(shown(comment));
        }
        at += length;
        state = next;
    }
    layers
}

/// The state after the next token of `rest`, and the token's length.
fn step(state: State, rest: &[char], before: Option<char>) -> (State, usize) {
    let starts = |text: &str| text.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c));
    match state {
        State::Line => (if rest[0] == '\n' { State::Code } else { State::Line }, 1),
        State::Block(depth) if starts("*/") => {
            (if depth == 1 { State::Code } else { State::Block(depth - 1) }, 2)
        }
        State::Block(depth) if starts("/*") => (State::Block(depth + 1), 2),
        State::Block(_) => (state, 1),
        State::Text if rest[0] == '\\' => (state, rest.len().min(2)),
        State::Text => (if rest[0] == '"' { State::Code } else { State::Text }, 1),
        State::Raw(hashes) => {
            let ends =
                rest[0] == '"' && rest[1..].iter().take_while(|c| **c == '#').count() >= hashes;
            if ends { (State::Code, 1 + hashes) } else { (state, 1) }
        }
        State::Code if starts("//") => (State::Line, 2),
        State::Code if starts("/*") => (State::Block(1), 2),
        State::Code if rest[0] == '"' => (State::Text, 1),
        State::Code if rest[0] == 'r' && !before.is_some_and(is_word) => raw(rest),
        // `br"`, `cr"`: the letter before is part of the literal.
        State::Code if rest[0] == 'r' && matches!(before, Some('b' | 'c')) => raw(rest),
        State::Code if rest[0] == '\'' => (State::Code, character_length(rest)),
        State::Code => (State::Code, 1),
    }
}

fn raw(rest: &[char]) -> (State, usize) {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) == Some(&'"') {
        (State::Raw(hashes), 2 + hashes)
    } else {
        (State::Code, 1)
    }
}

/// `'a'` and `'\n'` are characters; `'a` is a lifetime.
fn character_length(rest: &[char]) -> usize {
    match rest {
        [_, '\\', ..] => {
            let escaped = rest.iter().skip(3).position(|c| *c == '\'');
            escaped.map_or(1, |at| at + 4)
        }
        [_, _, '\'', ..] => 3,
        _ => 1,
    }
}

pub fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
