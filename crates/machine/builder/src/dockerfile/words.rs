//! The shell lexer: quotes, escapes and `$` in an instruction's words, as BuildKit reads them.
//!
//! `'…'` is literal; `"…"` expands; the escape character (the Dockerfile's, `\` or `` ` ``) takes
//! the next character literally. Modifiers: `${x:-w} ${x-w} ${x:+w} ${x+w} ${x:?w} ${x?w}`,
//! `${x#p} ${x##p} ${x%p} ${x%%p}`, `${x/p/r} ${x//p/r}`, where `p` has `*`, `?` and `\`.
//! Bounded: a word's expansion ([`WORD_LIMIT_BYTES`]) and the nesting of `${` ([`DEPTH_LIMIT`]).

pub mod pattern;

/// Bytes that a word may become.
pub const WORD_LIMIT_BYTES: usize = 1 << 20;
/// `${` within `${`.
pub const DEPTH_LIMIT: u32 = 32;

/// What is wrong with a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum WordProblem {
    #[error("unexpected end of statement while looking for matching {0}-quote")]
    Quote(&'static str),
    #[error("syntax error: missing '}}'")]
    Brace,
    #[error("syntax error: bad substitution")]
    Substitution,
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    #[error("{0}: {1}")]
    Required(String, String),
    #[error("missing / in ${{}}")]
    Slash,
    #[error("longer than 1 MiB after expansion")]
    TooLong,
    #[error("${{ nested more than 32 times")]
    TooDeep,
}

/// What becomes of quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// Taken away: the result is the meaning.
    Remove,
    /// Left where they are: the result is for a shell (heredocs).
    Keep,
}

/// A variable's value; unset is `None`.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Expands a word into one string.
pub fn expand_word(word: &str, escape: char, lookup: &Lookup<'_>) -> Result<String, WordProblem> {
    let mut lexer = Lexer::new(word, escape, Quotes::Remove, lookup);
    let (text, _) = lexer.until(None, Escapes::Interpret)?;
    Ok(text)
}

/// Expands a text and splits it into words at unquoted white space, that of values included.
pub fn expand_words(
    text: &str,
    escape: char,
    quotes: Quotes,
    lookup: &Lookup<'_>,
) -> Result<Vec<String>, WordProblem> {
    let mut lexer = Lexer::new(text, escape, quotes, lookup);
    let (_, words) = lexer.until(None, Escapes::Interpret)?;
    Ok(words.finish())
}

/// Expands variables in the body of a heredoc: quotes mean nothing there.
pub fn expand_body(body: &str, escape: char, lookup: &Lookup<'_>) -> Result<String, WordProblem> {
    let mut lexer = Lexer::new(body, escape, Quotes::Keep, lookup);
    lexer.ignore_quotes = true;
    let (text, _) = lexer.until(None, Escapes::Interpret)?;
    Ok(text)
}

/// Splits a line into words with quotes, escapes and variables left as they are. A line that a
/// shell would refuse has none.
pub fn raw_words(line: &str) -> Vec<String> {
    let lookup = |_: &str| None;
    let mut lexer = Lexer::new(line, '\\', Quotes::Keep, &lookup);
    lexer.keep_unset = true;
    lexer.until(None, Escapes::Keep).map(|(_, words)| words.finish()).unwrap_or_default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Interpret,
    Keep,
}

#[derive(Default)]
struct Words {
    words: Vec<String>,
    word: String,
    in_word: bool,
}

impl Words {
    fn character(&mut self, c: char) {
        if c.is_whitespace() {
            self.end();
        } else {
            self.raw(c);
        }
    }

    fn raw(&mut self, c: char) {
        self.word.push(c);
        self.in_word = true;
    }

    fn raw_text(&mut self, text: &str) {
        self.word.push_str(text);
        self.in_word = true;
    }

    fn end(&mut self) {
        if self.in_word {
            self.words.push(std::mem::take(&mut self.word));
            self.in_word = false;
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.end();
        self.words
    }
}

struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    escape: char,
    quotes: Quotes,
    ignore_quotes: bool,
    keep_unset: bool,
    lookup: &'a Lookup<'a>,
    depth: u32,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, escape: char, quotes: Quotes, lookup: &'a Lookup<'a>) -> Self {
        let rest = text.chars().peekable();
        Self { rest, escape, quotes, ignore_quotes: false, keep_unset: false, lookup, depth: 0 }
    }

    /// Reads up to `stop` (consumed), or to the end if there is none.
    fn until(
        &mut self,
        stop: Option<char>,
        escapes: Escapes,
    ) -> Result<(String, Words), WordProblem> {
        let (mut text, mut words) = (String::new(), Words::default());
        while let Some(&c) = self.rest.peek() {
            if text.len() > WORD_LIMIT_BYTES {
                return Err(WordProblem::TooLong);
            }
            if Some(c) == stop {
                self.rest.next();
                return Ok((text, words));
            }
            match c {
                '\'' | '"' if !self.ignore_quotes => {
                    let part =
                        if c == '"' { self.double_quoted(escapes)? } else { self.single_quoted()? };
                    text.push_str(&part);
                    words.raw_text(&part);
                }
                '$' => {
                    let part = self.dollar()?;
                    part.chars().for_each(|c| words.character(c));
                    text.push_str(&part);
                }
                _ => self.plain(escapes, &mut text, &mut words),
            }
        }
        match stop {
            Some(_) => Err(WordProblem::Brace),
            None => Ok((text, words)),
        }
    }

    fn plain(&mut self, escapes: Escapes, text: &mut String, words: &mut Words) {
        let Some(c) = self.rest.next() else { return };
        if c != self.escape {
            text.push(c);
            words.character(c);
            return;
        }
        let next = self.rest.peek().copied();
        let keep = self.quotes == Quotes::Keep || escapes == Escapes::Keep;
        // In a heredoc only what would mean something is escaped.
        let literal =
            self.ignore_quotes && !next.is_some_and(|next| next == '$' || next == self.escape);
        if keep && (!self.ignore_quotes || literal) {
            text.push(c);
            words.raw(c);
        }
        if literal {
            return;
        }
        if let Some(next) = self.rest.next() {
            text.push(next);
            words.raw(next);
        }
    }

    fn single_quoted(&mut self) -> Result<String, WordProblem> {
        let mut text = String::new();
        let quote = self.rest.next();
        self.push_quote(&mut text, quote);
        loop {
            match self.rest.next() {
                None => return Err(WordProblem::Quote("single")),
                Some('\'') => break,
                Some(c) => text.push(c),
            }
        }
        self.push_quote(&mut text, quote);
        Ok(text)
    }

    fn double_quoted(&mut self, escapes: Escapes) -> Result<String, WordProblem> {
        let mut text = String::new();
        let quote = self.rest.next();
        self.push_quote(&mut text, quote);
        loop {
            match self.rest.peek().copied() {
                None => return Err(WordProblem::Quote("double")),
                Some('"') => break,
                Some('$') => {
                    let part = self.dollar()?;
                    text.push_str(&part);
                }
                Some(c) if c == self.escape => {
                    self.rest.next();
                    let next = self.rest.next();
                    let special = |n: char| matches!(n, '"' | '$') || n == self.escape;
                    let keep = self.quotes == Quotes::Keep || escapes == Escapes::Keep;
                    if keep || !next.is_some_and(special) {
                        text.push(c);
                    }
                    text.extend(next);
                }
                Some(c) => {
                    self.rest.next();
                    text.push(c);
                }
            }
            if text.len() > WORD_LIMIT_BYTES {
                return Err(WordProblem::TooLong);
            }
        }
        self.rest.next();
        self.push_quote(&mut text, quote);
        Ok(text)
    }

    fn push_quote(&self, text: &mut String, quote: Option<char>) {
        if self.quotes == Quotes::Keep {
            text.extend(quote);
        }
    }

    fn dollar(&mut self) -> Result<String, WordProblem> {
        self.rest.next();
        if self.rest.peek() != Some(&'{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(match (self.lookup)(&name) {
                Some(value) => value,
                None if self.keep_unset => format!("${name}"),
                None => String::new(),
            });
        }
        self.rest.next();
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(WordProblem::TooDeep);
        }
        let value = self.braced();
        self.depth -= 1;
        value
    }

    fn braced(&mut self) -> Result<String, WordProblem> {
        match self.rest.peek() {
            None => return Err(WordProblem::Brace),
            Some('{' | '}' | ':') => return Err(WordProblem::Substitution),
            Some(_) => {}
        }
        let name = self.name();
        if name.is_empty() {
            return Err(WordProblem::Substitution);
        }
        let value = (self.lookup)(&name);
        let mut modifier = self.rest.next().ok_or(WordProblem::Brace)?;
        let empty_is_unset = modifier == ':';
        if empty_is_unset {
            modifier = self.rest.next().ok_or(WordProblem::Brace)?;
        }
        match modifier {
            '}' if !empty_is_unset => Ok(match value {
                Some(value) => value,
                None if self.keep_unset => format!("${{{name}}}"),
                None => String::new(),
            }),
            '+' | '-' | '?' => {
                let (word, _) = self.until(Some('}'), Escapes::Interpret)?;
                let set = value.filter(|value| !(empty_is_unset && value.is_empty()));
                choose(&name, modifier, set, word, empty_is_unset)
            }
            '#' | '%' if !empty_is_unset => {
                let (word, _) = self.until(Some('}'), Escapes::Keep)?;
                Ok(strip(&value.unwrap_or_default(), modifier, &word))
            }
            '/' if !empty_is_unset => self.replace(&value.unwrap_or_default()),
            other => {
                let colon = if empty_is_unset { ":" } else { "" };
                Err(WordProblem::Modifier(format!("{colon}{other}")))
            }
        }
    }

    fn replace(&mut self, value: &str) -> Result<String, WordProblem> {
        let all = self.rest.next_if_eq(&'/').is_some();
        let (pattern, _) =
            self.until(Some('/'), Escapes::Keep).map_err(|problem| match problem {
                WordProblem::Brace => WordProblem::Slash,
                other => other,
            })?;
        let (replacement, _) = self.until(Some('}'), Escapes::Interpret)?;
        let replaced = pattern::Pattern::new(&pattern).replace(value, &replacement, all);
        if replaced.len() > WORD_LIMIT_BYTES { Err(WordProblem::TooLong) } else { Ok(replaced) }
    }

    /// `name`, `1` or one of the shell's special characters.
    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(&c) = self.rest.peek() {
            let fits = match name.chars().next() {
                None => c.is_ascii_alphanumeric() || c == '_' || is_special(c),
                Some(first) if first.is_ascii_digit() => c.is_ascii_digit(),
                Some(first) if is_special(first) => false,
                Some(_) => c.is_ascii_alphanumeric() || c == '_',
            };
            if !fits {
                break;
            }
            name.push(c);
            self.rest.next();
        }
        name
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!')
}

fn choose(
    name: &str,
    modifier: char,
    set: Option<String>,
    word: String,
    empty_is_unset: bool,
) -> Result<String, WordProblem> {
    match (modifier, set) {
        ('-', None) => Ok(word),
        ('+', None) => Ok(String::new()),
        ('+', Some(_)) => Ok(word),
        ('?', None) => {
            let fallback = if empty_is_unset {
                "is not allowed to be empty"
            } else {
                "is not allowed to be unset"
            };
            let message = if word.is_empty() { fallback.to_owned() } else { word };
            Err(WordProblem::Required(name.to_owned(), message))
        }
        (_, Some(value)) => Ok(value),
        (_, None) => Ok(String::new()),
    }
}

/// `${x#p}` and its like; a doubled modifier takes the longest match.
fn strip(value: &str, modifier: char, word: &str) -> String {
    let (longest, word) = match word.strip_prefix(modifier) {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let pattern = pattern::Pattern::new(word);
    if modifier == '#' {
        pattern.strip_prefix(value, longest).to_owned()
    } else {
        pattern.strip_suffix(value, longest).to_owned()
    }
}

#[cfg(test)]
mod tests;
