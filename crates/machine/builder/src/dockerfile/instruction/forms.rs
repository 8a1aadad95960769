//! The forms that arguments come in: JSON arrays, `name=value`, words.

use super::CommandLine;
use crate::dockerfile::lines::is_blank;
use crate::dockerfile::problem::Problem;

/// A JSON array of strings, if it is one. Anything that does not parse is the shell form; an array
/// that parses and holds something else is an error, as in BuildKit.
pub fn json(rest: &str) -> Result<Option<Vec<String>>, Problem> {
    let rest = rest.trim();
    if !rest.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(rest) else { return Ok(None) };
    let strings = values.into_iter().map(|value| match value {
        serde_json::Value::String(text) => Ok(text),
        _ => Err(Problem::JsonStrings),
    });
    strings.collect::<Result<_, _>>().map(Some)
}

/// JSON, or the whole line.
pub fn command(rest: &str) -> Result<CommandLine, Problem> {
    Ok(match json(rest)? {
        Some(words) => CommandLine { words, exec: true },
        None if rest.is_empty() => CommandLine::default(),
        None => CommandLine { words: vec![rest.to_owned()], exec: false },
    })
}

/// JSON, or words between white space.
pub fn list(rest: &str) -> Result<Vec<String>, Problem> {
    Ok(json(rest)?.unwrap_or_else(|| words(rest)))
}

/// Words between white space; quotes mean nothing.
pub fn words(rest: &str) -> Vec<String> {
    rest.split(is_blank).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Words, quotes and escapes kept but respected.
pub fn quoted_words(rest: &str, escape: char) -> Vec<String> {
    let (mut words, mut word, mut quote, mut in_word) = (Vec::new(), String::new(), None, false);
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            if in_word {
                words.push(std::mem::take(&mut word));
            }
            in_word = false;
            continue;
        }
        in_word = true;
        word.push(c);
        match quote {
            None if matches!(c, '\'' | '"') => quote = Some(c),
            Some(open) if c == open => quote = None,
            Some('\'') => {}
            _ if c == escape => word.extend(chars.next()),
            _ => {}
        }
    }
    if in_word {
        words.push(word);
    }
    words
}

/// `name=value …`, or the old `name value with spaces`.
pub fn pairs(keyword: &str, rest: &str, escape: char) -> Result<Vec<(String, String)>, Problem> {
    let words = quoted_words(rest, escape);
    let Some(first) = words.first() else { return Err(Problem::AtLeastOne(keyword.to_owned())) };
    if !first.contains('=') {
        let (name, value) =
            rest.split_once(is_blank).ok_or_else(|| Problem::TwoArguments(keyword.to_owned()))?;
        return Ok(vec![(name.to_owned(), value.trim_start_matches(is_blank).to_owned())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        None => Err(Problem::NoEquals(word.clone())),
        Some(("", _)) => Err(Problem::BlankName(keyword.to_owned())),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
    };
    words.iter().map(pair).collect()
}

/// Says whether `ENV` or `LABEL` is in its old form.
pub fn is_legacy_pair(rest: &str, escape: char) -> bool {
    quoted_words(rest, escape).first().is_some_and(|first| !first.contains('='))
}
