//! Unit files as systemd reads them, and words as it splits them. systemd.syntax(7).

use std::fmt::Write as _;

/// Longest file, in bytes.
pub(super) const FILE_LIMIT_BYTES: usize = 1 << 20;

/// A file: sections in order, keys in order, keys perhaps several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    sections: Vec<(String, Vec<(String, String)>)>,
}

impl Unit {
    /// `Err` has the line and what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut unit = Self::default();
        let mut continued: Option<(String, String)> = None;
        for (index, line) in text.lines().enumerate() {
            let at = |problem: &str| (index + 1, problem.to_owned());
            let trimmed = line.trim();
            if let Some((key, value)) = continued.take() {
                // Comments within a value that goes on are passed over.
                if trimmed.starts_with(['#', ';']) {
                    continued = Some((key, value));
                    continue;
                }
                continued = unit.value(key, format!("{value} {trimmed}"));
                continue;
            }
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = trimmed.strip_prefix('[') {
                let name = name.strip_suffix(']').ok_or_else(|| at("a section ends with ']'"))?;
                unit.section(name);
                continue;
            }
            let (key, value) = trimmed.split_once('=').ok_or_else(|| at("expected KEY=VALUE"))?;
            if unit.sections.is_empty() {
                return Err(at("stands before the first section"));
            }
            continued = unit.value(key.trim().to_owned(), value.trim().to_owned());
        }
        if let Some((key, value)) = continued {
            unit.push(key, value);
        }
        Ok(unit)
    }

    fn section(&mut self, name: &str) {
        self.sections.push((name.to_owned(), Vec::new()));
    }

    fn value(&mut self, key: String, value: String) -> Option<(String, String)> {
        if let Some(more) = value.strip_suffix('\\') {
            return Some((key, more.trim_end().to_owned()));
        }
        self.push(key, value);
        None
    }

    fn push(&mut self, key: String, value: String) {
        if let Some((_, keys)) = self.sections.last_mut() {
            keys.push((key, value));
        }
    }

    /// All keys of a section.
    pub(super) fn keys(&self, section: &str) -> Vec<(&str, &str)> {
        let of = |(name, _): &&(String, Vec<(String, String)>)| name == section;
        let all = self.sections.iter().filter(of).flat_map(|(_, keys)| keys);
        all.map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    /// The last value of a key.
    pub(super) fn last(&self, section: &str, key: &str) -> Option<&str> {
        let found = self.keys(section).into_iter().rfind(|(other, _)| *other == key);
        found.map(|(_, value)| value)
    }

    /// Adds a key to a section.
    pub(super) fn add(&mut self, section: &str, key: &str, value: impl Into<String>) {
        if !self.sections.iter().any(|(name, _)| name == section) {
            self.section(section);
        }
        if let Some((_, keys)) = self.sections.iter_mut().find(|(name, _)| name == section) {
            keys.push((key.to_owned(), value.into()));
        }
    }

    /// Takes a section over from another file.
    pub(super) fn take(&mut self, from: &Self, section: &str) {
        for (key, value) in from.keys(section) {
            self.add(section, key, value);
        }
    }

    /// The file.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for (index, (name, keys)) in self.sections.iter().enumerate() {
            let _ = writeln!(out, "{}[{name}]", if index > 0 { "\n" } else { "" });
            for (key, value) in keys {
                let _ = writeln!(out, "{key}={value}");
            }
        }
        out
    }
}

/// Words of a value: blanks between, quotes around, backslashes before what stands for itself.
pub(super) fn words(value: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut inside) = (Vec::new(), String::new(), None, false);
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (_, '\\') => {
                inside = true;
                match characters.next() {
                    Some('n') => word.push('\n'),
                    Some('t') => word.push('\t'),
                    Some(other) => word.push(other),
                    None => word.push('\\'),
                }
            }
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => (quote, inside) = (Some(character), true),
            (None, _) if character.is_whitespace() => {
                if inside {
                    words.push(std::mem::take(&mut word));
                }
                inside = false;
            }
            _ => {
                inside = true;
                word.push(character);
            }
        }
    }
    if inside {
        words.push(word);
    }
    words
}

/// A command line as systemd takes it: what would be split, or stand for something else, is quoted.
/// Specifiers (`%n`) stay what they are, as in the file they came from.
pub(super) fn line(words: &[String]) -> String {
    let quoted = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%,+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            return word.clone();
        }
        let mut out = String::from('"');
        for character in word.chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                '\n' => out.push_str("\\n"),
                // A dollar would be a variable of systemd's.
                '$' => out.push_str("$$"),
                other => out.push(other),
            }
        }
        out + "\""
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_on_and_comments_do_not() {
        let text = "# c\n[A]\nk = one \\\n# within\n  two\nk=x\n; c\n[B]\n";
        let unit = Unit::parse(text).unwrap();
        assert_eq!(unit.keys("A"), [("k", "one two"), ("k", "x")]);
        assert_eq!(unit.last("A", "k"), Some("x"));
        assert_eq!(Unit::parse("k=v").unwrap_err().0, 1);
        assert_eq!(Unit::parse("[A]\nnonsense\n").unwrap_err().0, 2);
    }

    #[test]
    fn words_are_split_and_joined() {
        let cases = [
            ("a b", vec!["a", "b"]),
            ("\"a b\" 'c\"d'", vec!["a b", "c\"d"]),
            (r"a\ b", vec!["a b"]),
            ("A=\"x y\"", vec!["A=x y"]),
            ("''", vec![""]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text}");
        }
        let line = line(&["sh".to_owned(), "-c".to_owned(), "echo $HOME \"x\"".to_owned()]);
        assert_eq!(line, r#"sh -c "echo $$HOME \"x\"""#);
    }
}
