//! Path patterns: Go's `filepath.Match`, and the same with `**` as `.dockerignore` has it.
//!
//! `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` are classes, `\` takes the next character
//! literally. With `**`: `**/` is any number of directories (none included), `**` at the end is
//! everything. Matching keeps the set of reachable positions, so its cost is bounded by pattern
//! times path.

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Star,
    /// `**/`: nothing, or what the `Eaten` that always follows takes.
    Directories,
    /// Anything that ends in a slash.
    Eaten,
    /// `**` at the end.
    Everything,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// A pattern that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// `[` without its end, an empty or backward range, a lone `\`.
    #[error("syntax error in pattern {0:?}")]
    Syntax(String),
    /// Longer than [`PATTERN_LIMIT_CHARS`].
    #[error("pattern is longer than 4096 characters")]
    TooLong,
}

/// Characters of a pattern.
pub const PATTERN_LIMIT_CHARS: usize = 4096;

/// What `**` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubleStar {
    /// Two stars, as in Go.
    Plain,
    /// Any number of directories.
    Recursive,
}

impl Glob {
    /// Reads a pattern.
    pub fn new(pattern: &str, double: DoubleStar) -> Result<Self, BadPattern> {
        let bad = || BadPattern::Syntax(pattern.chars().take(200).collect());
        let chars: Vec<char> = pattern.chars().collect();
        if chars.len() > PATTERN_LIMIT_CHARS {
            return Err(BadPattern::TooLong);
        }
        let (mut tokens, mut at) = (Vec::new(), 0);
        while let Some(&c) = chars.get(at) {
            at += 1;
            match c {
                '*' if double == DoubleStar::Recursive && chars.get(at) == Some(&'*') => {
                    at += 1;
                    while chars.get(at) == Some(&'*') {
                        at += 1;
                    }
                    if at == chars.len() {
                        tokens.push(Token::Everything);
                    } else {
                        at += usize::from(chars[at] == '/');
                        tokens.extend([Token::Directories, Token::Eaten]);
                    }
                }
                '*' => tokens.push(Token::Star),
                '?' => tokens.push(Token::One),
                '\\' => {
                    tokens.push(Token::Literal(*chars.get(at).ok_or_else(bad)?));
                    at += 1;
                }
                '[' => tokens.push(class(&chars, &mut at).ok_or_else(bad)?),
                other => tokens.push(Token::Literal(other)),
            }
        }
        Ok(Self { tokens })
    }

    /// Says whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.literal().map_or_else(|| self.run(text), |literal| literal.eq(text.chars()))
    }

    /// The characters of a pattern without wildcards.
    fn literal(&self) -> Option<impl Iterator<Item = char>> {
        let plain = |token: &Token| match token {
            Token::Literal(c) => Some(*c),
            _ => None,
        };
        self.tokens
            .iter()
            .all(|token| plain(token).is_some())
            .then(|| self.tokens.iter().filter_map(plain))
    }

    fn run(&self, text: &str) -> bool {
        let length = self.tokens.len();
        let mut reached = vec![false; length + 1];
        reached[0] = true;
        self.close(&mut reached);
        for c in text.chars() {
            let mut next = vec![false; length + 1];
            for (index, token) in self.tokens.iter().enumerate().filter(|(i, _)| reached[*i]) {
                let (stay, advance) = token.step(c);
                next[index] |= stay;
                next[index + 1] |= advance;
            }
            self.close(&mut next);
            if !next.contains(&true) {
                return false;
            }
            reached = next;
        }
        reached[length]
    }

    /// What may match nothing is passed for free.
    fn close(&self, reached: &mut [bool]) {
        for (index, token) in self.tokens.iter().enumerate().filter(|(_, t)| t.may_be_empty()) {
            if reached[index] {
                reached[index + 1] = true;
                if *token == Token::Directories {
                    reached[index + 2] = true;
                }
            }
        }
    }
}

impl Token {
    fn may_be_empty(&self) -> bool {
        matches!(self, Self::Star | Self::Everything | Self::Directories)
    }

    /// After `c`: does the pattern stay here, does it go on?
    fn step(&self, c: char) -> (bool, bool) {
        match self {
            Self::Literal(literal) => (false, *literal == c),
            Self::One => (false, c != '/'),
            Self::Star => (c != '/', false),
            Self::Everything => (true, false),
            Self::Directories => (false, false),
            Self::Eaten => (true, c == '/'),
            Self::Class { negated, ranges } => {
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                (false, c != '/' && inside != *negated)
            }
        }
    }
}

fn class(chars: &[char], at: &mut usize) -> Option<Token> {
    let negated = matches!(chars.get(*at), Some('^' | '!'));
    *at += usize::from(negated);
    let mut ranges = Vec::new();
    loop {
        if chars.get(*at) == Some(&']') && !ranges.is_empty() {
            *at += 1;
            return Some(Token::Class { negated, ranges });
        }
        let low = class_char(chars, at)?;
        let high = if chars.get(*at) == Some(&'-') {
            *at += 1;
            class_char(chars, at)?
        } else {
            low
        };
        if low > high {
            return None;
        }
        ranges.push((low, high));
    }
}

fn class_char(chars: &[char], at: &mut usize) -> Option<char> {
    let mut c = *chars.get(*at)?;
    if matches!(c, '-' | ']') {
        return None;
    }
    *at += 1;
    if c == '\\' {
        c = *chars.get(*at)?;
        *at += 1;
    }
    Some(c)
}

/// Says whether a path has a character that makes it a pattern.
pub fn has_wildcards(path: &str) -> bool {
    path.contains(['*', '?', '[', '\\'])
}

/// Go's `filepath.Clean` for slashes: no empty, `.` or inner `..` components; `.` for nothing.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests;
