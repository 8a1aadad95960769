//! The shell's patterns within `${…}`: `*`, `?`, and `\` before a literal character.
//!
//! Matching keeps the set of positions a pattern can have reached (no backtracking), so that its
//! cost is bounded by pattern times text whatever a Dockerfile says.

/// A parsed pattern.
#[derive(Debug)]
pub struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Literal(char),
}

/// Characters of a pattern; the rest is cut off.
const PATTERN_LIMIT_CHARS: usize = 4096;

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            tokens.push(match c {
                '*' => Token::Any,
                '?' => Token::One,
                '\\' => Token::Literal(rest.next().unwrap_or('\\')),
                other => Token::Literal(other),
            });
        }
        tokens.truncate(PATTERN_LIMIT_CHARS);
        Self(tokens)
    }

    /// Ends (byte offsets) of matches that begin at the beginning of `text`: shortest or longest.
    fn match_at(&self, text: &str, longest: bool) -> Option<usize> {
        let length = self.0.len();
        let mut reached = vec![false; length + 1];
        reached[0] = true;
        self.close(&mut reached);
        let mut found = reached[length].then_some(0);
        for (offset, c) in text.char_indices() {
            if found.is_some() && !longest {
                break;
            }
            let mut next = vec![false; length + 1];
            for (index, token) in self.0.iter().enumerate().filter(|(index, _)| reached[*index]) {
                match token {
                    Token::Any => next[index] = true,
                    Token::One => next[index + 1] = true,
                    Token::Literal(literal) if *literal == c => next[index + 1] = true,
                    Token::Literal(_) => {}
                }
            }
            self.close(&mut next);
            if !next.contains(&true) {
                break;
            }
            if next[length] {
                found = Some(offset + c.len_utf8());
            }
            reached = next;
        }
        found
    }

    /// `*` may match nothing.
    fn close(&self, reached: &mut [bool]) {
        for (index, token) in self.0.iter().enumerate() {
            if reached[index] && *token == Token::Any {
                reached[index + 1] = true;
            }
        }
    }

    /// `text` without the match at its beginning.
    pub fn strip_prefix<'a>(&self, text: &'a str, longest: bool) -> &'a str {
        self.match_at(text, longest).map_or(text, |end| &text[end..])
    }

    /// `text` without the match at its end.
    pub fn strip_suffix<'a>(&self, text: &'a str, longest: bool) -> &'a str {
        let reversed: String = text.chars().rev().collect();
        let pattern = Self(self.0.iter().rev().copied().collect());
        pattern.match_at(&reversed, longest).map_or(text, |cut| &text[..text.len() - cut])
    }

    /// `text` with the first match (or all of them) replaced; matches are the longest.
    pub fn replace(&self, text: &str, replacement: &str, all: bool) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            match self.match_at(rest, true) {
                Some(end) if end > 0 => {
                    out.push_str(replacement);
                    rest = &rest[end..];
                    if !all {
                        break;
                    }
                }
                _ => {
                    out.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
            if out.len() > super::WORD_LIMIT_BYTES {
                break;
            }
        }
        out.push_str(rest);
        out
    }
}
