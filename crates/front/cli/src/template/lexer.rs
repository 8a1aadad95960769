//! Text and the words inside `{{ }}`.

use super::{TemplateError, error_at};

/// One word of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// `.` alone.
    Dot,
    /// `.Name`, directly behind another word when `joined`.
    Field {
        name: String,
        joined: bool,
    },
    /// `$` or `$name`.
    Variable(String),
    /// A function, keyword, `true`, `nil`.
    Name(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Pipe,
    Open,
    Close,
    Declare,
    Assign,
    Comma,
}

/// A piece of the source.
#[derive(Debug)]
pub(super) enum Piece {
    Text(String),
    Action { at: usize, words: Vec<(usize, Word)> },
}

/// Cuts the source.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut trim_next = false;
    while let Some(found) = source[at..].find("{{") {
        let open = at + found;
        let mut text = &source[at..open];
        if trim_next {
            text = text.trim_start_matches([' ', '\t', '\r', '\n']);
        }
        let mut inner = open + 2;
        let trims = source[inner..].starts_with('-')
            && source[inner + 1..].starts_with([' ', '\t', '\r', '\n']);
        if trims {
            text = text.trim_end_matches([' ', '\t', '\r', '\n']);
            inner += 1;
        }
        if !text.is_empty() {
            out.push(Piece::Text(text.to_owned()));
        }
        let comment = source[inner..].trim_start().starts_with("/*");
        let (words, end) =
            if comment { (Vec::new(), comment_end(source, inner)?) } else { words(source, inner)? };
        // `end` points behind the last word; what follows is `}}` or ` -}}`.
        let rest = source[end..].trim_start();
        let (closed, trim) = match rest.strip_prefix("-}}") {
            Some(rest) => (rest, true),
            None => match rest.strip_prefix("}}") {
                Some(rest) => (rest, false),
                None => return Err(error_at(source, open, "unclosed action")),
            },
        };
        trim_next = trim;
        at = source.len() - closed.len();
        if !comment {
            out.push(Piece::Action { at: open, words });
        }
    }
    let mut text = &source[at..];
    if trim_next {
        text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    }
    if !text.is_empty() {
        out.push(Piece::Text(text.to_owned()));
    }
    Ok(out)
}

fn comment_end(source: &str, from: usize) -> Result<usize, TemplateError> {
    match source[from..].find("*/") {
        Some(found) => Ok(from + found + 2),
        None => Err(error_at(source, from, "unclosed comment")),
    }
}

fn words(source: &str, from: usize) -> Result<(Vec<(usize, Word)>, usize), TemplateError> {
    let mut out = Vec::new();
    let mut at = from;
    let mut joined = false;
    loop {
        let rest = &source[at..];
        let Some(first) = rest.chars().next() else {
            return Err(error_at(source, from, "unclosed action"));
        };
        if rest.starts_with("}}") || rest.starts_with("-}}") {
            return Ok((out, at));
        }
        if first.is_whitespace() {
            at += first.len_utf8();
            joined = false;
            continue;
        }
        let (word, length) = word(source, at, rest, first, joined)?;
        joined = matches!(word, Word::Field { .. } | Word::Variable(_) | Word::Close);
        out.push((at, word));
        at += length;
    }
}

fn word(
    source: &str,
    at: usize,
    rest: &str,
    first: char,
    joined: bool,
) -> Result<(Word, usize), TemplateError> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Ok(match first {
        '|' => (Word::Pipe, 1),
        '(' => (Word::Open, 1),
        ')' => (Word::Close, 1),
        ',' => (Word::Comma, 1),
        ':' if rest.starts_with(":=") => (Word::Declare, 2),
        '=' => (Word::Assign, 1),
        '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            let field: String = name(&rest[1..]);
            match field.len() {
                0 => (Word::Dot, 1),
                length => (Word::Field { name: field, joined }, 1 + length),
            }
        }
        '$' => {
            let variable: String = name(&rest[1..]);
            let length = 1 + variable.len();
            (Word::Variable(variable), length)
        }
        '"' | '`' | '\'' => text(source, at, rest, first)?,
        _ if first.is_ascii_digit() || matches!(first, '-' | '+' | '.') => {
            number(source, at, rest)?
        }
        _ if first.is_alphabetic() || first == '_' => {
            let name: String = name(rest);
            let length = name.len();
            (Word::Name(name), length)
        }
        _ => {
            return Err(error_at(source, at, format!("unexpected {first:?} in command")));
        }
    })
}

fn text(source: &str, at: usize, rest: &str, quote: char) -> Result<(Word, usize), TemplateError> {
    let unclosed = || error_at(source, at, "unterminated quoted string");
    let mut out = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((index, c)) = characters.next() {
        if c == quote {
            if quote == '\'' {
                let character = out.chars().next().map_or(0, |c| i64::from(u32::from(c)));
                return Ok((Word::Integer(character), index + 1));
            }
            return Ok((Word::Text(out), index + 1));
        }
        if c != '\\' || quote == '`' {
            if c == '\n' && quote != '`' {
                return Err(unclosed());
            }
            out.push(c);
            continue;
        }
        let (_, escaped) = characters.next().ok_or_else(unclosed)?;
        match escaped {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'v' => out.push('\u{b}'),
            '\\' | '"' | '\'' => out.push(escaped),
            'x' | 'u' | 'U' => {
                let digits = match escaped {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let code: String = characters.by_ref().take(digits).map(|(_, c)| c).collect();
                let character = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                let bad = || error_at(source, at, format!("invalid escape \\{escaped}{code}"));
                out.push(character.ok_or_else(bad)?);
            }
            other => return Err(error_at(source, at, format!("invalid escape \\{other}"))),
        }
    }
    Err(unclosed())
}

fn number(source: &str, at: usize, rest: &str) -> Result<(Word, usize), TemplateError> {
    let signed = |c: char| matches!(c, '-' | '+');
    let mut length = 0;
    let mut before = ' ';
    for c in rest.chars() {
        let exponent_sign = signed(c) && matches!(before, 'e' | 'E');
        if c.is_ascii_alphanumeric()
            || c == '.'
            || c == '_'
            || (length == 0 && signed(c))
            || exponent_sign
        {
            length += 1;
            before = c;
        } else {
            break;
        }
    }
    let text = rest[..length].replace('_', "");
    let bad = || error_at(source, at, format!("bad number syntax: {text:?}"));
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(&text)),
    };
    let radix = |prefix: &str, radix| {
        let digits = digits.strip_prefix(prefix)?;
        i64::from_str_radix(digits, radix).ok()
    };
    if let Some(value) = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)) {
        return Ok((Word::Integer(sign * value), length));
    }
    if let Ok(value) = text.parse::<i64>() {
        return Ok((Word::Integer(value), length));
    }
    let value = text.parse::<f64>().map_err(|_| bad())?;
    Ok((Word::Float(value), length))
}
