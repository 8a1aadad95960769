//! Text from strangers (names, labels, commands, logs' headers) made fit for a terminal.

use std::borrow::Cow;

/// Replaces control characters, so that no image or container can drive the terminal of whoever
/// lists it (escape sequences, carriage returns, bidirectional overrides). Tabs and newlines too:
/// a table's cell is one line.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_hostile(c) { '\u{fffd}' } else { c }).collect())
}

/// Likewise for several lines: newlines and tabs stay.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    let hostile = |c: char| is_hostile(c) && c != '\n' && c != '\t';
    if !text.chars().any(hostile) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if hostile(c) { '\u{fffd}' } else { c }).collect())
}

/// What a container once wrote, made fit for a terminal: colours stay (`ESC [ … m`), every other
/// control byte than newline, tab and carriage return becomes `?`. Bytes that are no UTF-8 stay.
pub fn tame(bytes: &[u8]) -> Cow<'_, [u8]> {
    let plain = |byte: u8| matches!(byte, b'\n' | b'\t' | b'\r') || (byte >= 0x20 && byte != 0x7f);
    // U+0080 to U+009F, the other set of control characters, is 0xc2 0x80 to 0xc2 0x9f.
    let second_set = |pair: &[u8]| pair[0] == 0xc2 && (0x80..0xa0).contains(&pair[1]);
    if bytes.iter().copied().all(plain) && !bytes.windows(2).any(second_set) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        if let Some(parameters) = rest.strip_prefix(b"\x1b[") {
            let length =
                parameters.iter().take_while(|b| b.is_ascii_digit() || **b == b';').count();
            if parameters.get(length) == Some(&b'm') {
                out.extend_from_slice(&rest[..length + 3]);
                rest = &parameters[length + 1..];
                continue;
            }
        }
        if rest.len() > 1 && second_set(&rest[..2]) {
            out.push(b'?');
            rest = &rest[2..];
            continue;
        }
        out.push(if plain(byte) { byte } else { b'?' });
        rest = tail;
    }
    Cow::Owned(out)
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first characters, the last of them `…` when something is missing.
pub fn ellipsis(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// An id as people are shown it: without algorithm, twelve digits.
pub fn short_id(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}

/// How many columns a text takes; wide East Asian characters and emoji take two.
pub fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

fn width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// Docker quotes a command as Go's `%q`.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_hostile(c) => match u32::from(c) {
                code @ ..0x100 => out.push_str(&format!("\\x{code:02x}")),
                code => out.push_str(&format!("\\u{code:04x}")),
            },
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
