//! `$NAME`, `${NAME}` and its modifiers in the texts of a Compose file. Compose spec, "Interpolation".
//!
//! Pure: variables come from a lookup; which ones were missing is told, so that a person is warned.

/// Deepest nesting of `${A:-${B:-…}}`.
const DEPTH_LIMIT: usize = 64;

/// Why a text could not be filled in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InterpolateError {
    /// A `$` that begins nothing.
    #[error("invalid interpolation format: {0:?}. You may need to escape any $ with another $")]
    Format(String),
    /// `${NAME:?}` or `${NAME?}`.
    #[error("required variable {name} is missing a value: {message}")]
    Required {
        /// Which.
        name: String,
        /// What the file says about it.
        message: String,
    },
}

/// Where variables come from.
pub trait Variables {
    /// The value, if it is set.
    fn get(&self, name: &str) -> Option<String>;
    /// A variable was wanted and is not set.
    fn missing(&self, name: &str);
}

impl<F: Fn(&str) -> Option<String>> Variables for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name)
    }
    fn missing(&self, _: &str) {}
}

/// The text with everything filled in.
pub fn interpolate(text: &str, variables: &dyn Variables) -> Result<String, InterpolateError> {
    if !text.contains('$') {
        return Ok(text.to_owned());
    }
    expand(text, variables, 0)
}

fn expand(text: &str, variables: &dyn Variables, depth: usize) -> Result<String, InterpolateError> {
    let wrong = || InterpolateError::Format(text.to_owned());
    if depth > DEPTH_LIMIT {
        return Err(wrong());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let end = closing(inside).ok_or_else(wrong)?;
            let value = braced(&inside[..end], variables, depth);
            out.push_str(&value.map_err(|error| match error {
                InterpolateError::Format(_) => wrong(),
                other => other,
            })?);
            rest = &inside[end + 1..];
        } else {
            let end = name_end(rest);
            if end == 0 {
                return Err(wrong());
            }
            out.push_str(&value(&rest[..end], variables));
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the brace that was opened closes.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut open, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open += 1;
                at += 1;
            }
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

fn name_end(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

fn value(name: &str, variables: &dyn Variables) -> String {
    variables.get(name).unwrap_or_else(|| {
        variables.missing(name);
        String::new()
    })
}

/// `NAME`, `NAME:-default`, `NAME-default`, `NAME:?error`, `NAME?error`, `NAME:+other`, `NAME+other`.
fn braced(text: &str, variables: &dyn Variables, depth: usize) -> Result<String, InterpolateError> {
    let end = name_end(text);
    let (name, modifier) = text.split_at(end);
    if end == 0 {
        return Err(InterpolateError::Format(text.to_owned()));
    }
    if modifier.is_empty() {
        return Ok(value(name, variables));
    }
    let (empty_counts, modifier) = match modifier.strip_prefix(':') {
        Some(modifier) => (false, modifier),
        None => (true, modifier),
    };
    let set = variables.get(name).filter(|value| empty_counts || !value.is_empty());
    let word = |text: &str| expand(text, variables, depth + 1);
    match (modifier.split_at_checked(1), set) {
        (Some(("-", word_text)), None) => word(word_text),
        (Some(("-", _)), Some(value)) => Ok(value),
        (Some(("?", text)), None) => {
            Err(InterpolateError::Required { name: name.to_owned(), message: word(text)? })
        }
        (Some(("?", _)), Some(value)) => Ok(value),
        (Some(("+", text)), Some(_)) => word(text),
        (Some(("+", _)), None) => Ok(String::new()),
        _ => Err(InterpolateError::Format(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;
