//! `printf`: flags, width, precision and verbs over JSON values.

use super::{kind_of, print};
use serde_json::Value;

/// Widest field, so that a template cannot ask for gigabytes.
const WIDTH_LIMIT: usize = 4096;

#[derive(Default)]
struct Verb {
    left: bool,
    zero: bool,
    plus: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

/// Formats as Go does; what does not fit is shown as `%!d(string=x)`.
pub(super) fn format(pattern: &str, arguments: &[Value]) -> String {
    let mut out = String::new();
    let mut next = arguments.iter();
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut verb = Verb::default();
        while let Some(flag) = characters.peek() {
            match flag {
                '-' => verb.left = true,
                '0' => verb.zero = true,
                '+' => verb.plus = true,
                '#' => verb.sharp = true,
                ' ' => {}
                _ => break,
            }
            characters.next();
        }
        let mut number = |next: &mut std::slice::Iter<'_, Value>| {
            if characters.peek() == Some(&'*') {
                characters.next();
                let width = next.next().and_then(Value::as_u64).unwrap_or(0);
                return Some(usize::try_from(width).unwrap_or(0).min(WIDTH_LIMIT));
            }
            let mut value = None;
            while let Some(digit) = characters.peek().and_then(|c| c.to_digit(10)) {
                characters.next();
                value = Some((value.unwrap_or(0) * 10 + digit as usize).min(WIDTH_LIMIT));
            }
            value
        };
        verb.width = number(&mut next).unwrap_or(0);
        let precise = characters.peek() == Some(&'.');
        if precise {
            characters.next();
            let mut value = 0usize;
            while let Some(digit) = characters.peek().and_then(|c| c.to_digit(10)) {
                characters.next();
                value = (value * 10 + digit as usize).min(WIDTH_LIMIT);
            }
            verb.precision = Some(value);
        }
        match characters.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(letter) => match next.next() {
                None => out.push_str(&format!("%!{letter}(MISSING)")),
                Some(value) => out.push_str(&padded(&verb, letter, value)),
            },
        }
    }
    let extra: Vec<String> = next
        .map(|value| format!("{}={}", kind_of(value).replace("type ", ""), print(value)))
        .collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

fn padded(verb: &Verb, letter: char, value: &Value) -> String {
    let text = shown(verb, letter, value);
    let missing = verb.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if verb.left {
        return format!("{text}{}", " ".repeat(missing));
    }
    if verb.zero && matches!(letter, 'd' | 'x' | 'X' | 'o' | 'b' | 'f' | 'e' | 'g') {
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => (&text[..1], digits),
            None => ("", text.as_str()),
        };
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    format!("{}{text}", " ".repeat(missing))
}

fn shown(verb: &Verb, letter: char, value: &Value) -> String {
    let wrong = || format!("%!{letter}({}={})", kind_of(value).replace("type ", ""), print(value));
    let cut = |text: String| match verb.precision {
        Some(limit) => text.chars().take(limit).collect(),
        None => text,
    };
    match (letter, value) {
        ('v' | 's', Value::Number(_)) if letter == 'v' && verb.plus => format!("+{}", print(value)),
        ('v' | 's', _) => cut(print(value)),
        ('q', Value::Number(_)) => wrong(),
        ('q', _) => format!("{:?}", print(value)),
        ('t', Value::Bool(value)) => value.to_string(),
        ('T', _) => kind_of(value).replace("type ", ""),
        ('d' | 'x' | 'X' | 'o' | 'b' | 'c', Value::Number(number)) => match number.as_i64() {
            Some(whole) => integer(verb, letter, whole),
            None => wrong(),
        },
        ('x' | 'X', Value::String(text)) => {
            let digits = text.bytes().map(|byte| match letter {
                'x' => format!("{byte:02x}"),
                _ => format!("{byte:02X}"),
            });
            digits.collect()
        }
        ('f' | 'F' | 'e' | 'g', Value::Number(number)) => {
            let real = number.as_f64().unwrap_or(0.0);
            let sign = if verb.plus && real >= 0.0 { "+" } else { "" };
            match letter {
                'g' => format!("{sign}{real}"),
                'e' => format!("{sign}{real:.*e}", verb.precision.unwrap_or(6)),
                _ => format!("{sign}{real:.*}", verb.precision.unwrap_or(6)),
            }
        }
        _ => wrong(),
    }
}

fn integer(verb: &Verb, letter: char, whole: i64) -> String {
    let sign = match whole {
        ..0 => "-",
        _ if verb.plus => "+",
        _ => "",
    };
    let size = whole.unsigned_abs();
    let (prefix, digits) = match letter {
        'x' => ("0x", format!("{size:x}")),
        'X' => ("0X", format!("{size:X}")),
        'o' => ("0", format!("{size:o}")),
        'b' => ("0b", format!("{size:b}")),
        'c' => {
            let character = u32::try_from(size).ok().and_then(char::from_u32);
            return character.unwrap_or(char::REPLACEMENT_CHARACTER).to_string();
        }
        _ => ("", size.to_string()),
    };
    format!("{sign}{}{digits}", if verb.sharp { prefix } else { "" })
}
