//! One field of a document, with its place and its path for messages.

use teu_compose::node::{Node, Place, Value};

/// What is wrong with a field.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{place}: {path}: {problem}")]
pub struct FieldError {
    /// File, line, column.
    pub place: Place,
    /// `spec.containers[0].image`
    pub path: String,
    /// In words.
    pub problem: String,
}

/// Result of reading.
pub type Result<T> = std::result::Result<T, FieldError>;

/// A value and how it was reached.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    node: &'a Node,
    path: String,
}

impl<'a> Field<'a> {
    /// A document.
    pub fn document(node: &'a Node) -> Self {
        Self { node, path: String::new() }
    }

    /// The value itself.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// An error about it.
    pub fn error(&self, problem: impl Into<String>) -> FieldError {
        let path = if self.path.is_empty() { "document" } else { &self.path };
        FieldError { place: self.node.at.clone(), path: path.to_owned(), problem: problem.into() }
    }

    fn must_be(&self, what: &str) -> FieldError {
        self.error(format!("must be {what}, not {}", self.node.kind()))
    }

    fn child(&self, node: &'a Node, name: &str) -> Self {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        Self { node, path }
    }

    /// A field of a mapping; `null` is as good as absent.
    pub fn get(&self, name: &str) -> Option<Self> {
        let node = self.node.get(name).filter(|node| !node.is_null())?;
        Some(self.child(node, name))
    }

    /// One that has to be there.
    pub fn need(&self, name: &str) -> Result<Self> {
        self.get(name).ok_or_else(|| self.error(format!("{name} is missing")))
    }

    /// Refuses fields that nobody knows; those in `passed_over` have no meaning here.
    pub fn only(&self, known: &[&str], passed_over: &[&str]) -> Result<()> {
        let map = self.node.as_map().ok_or_else(|| self.must_be("a mapping"))?;
        for (name, node) in map {
            if !known.contains(&name.as_str()) && !passed_over.contains(&name.as_str()) {
                return Err(self.child(node, name).error("there is no such field"));
            }
        }
        Ok(())
    }

    /// A text.
    pub fn text(&self) -> Result<&'a str> {
        self.node.as_text().ok_or_else(|| self.must_be("a string (put it in quotes)"))
    }

    /// A whole number.
    pub fn integer(&self) -> Result<i64> {
        match self.node.value {
            Value::Int(number) => Ok(number),
            _ => Err(self.must_be("a whole number")),
        }
    }

    /// A whole number within bounds.
    pub fn number<T: TryFrom<i64>>(&self, least: i64) -> Result<T> {
        let number = self.integer()?;
        let fits = T::try_from(number).ok().filter(|_| number >= least);
        fits.ok_or_else(|| self.error(format!("{number} is out of range")))
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Result<bool> {
        match self.node.value {
            Value::Bool(value) => Ok(value),
            _ => Err(self.must_be("true or false")),
        }
    }

    /// A list's members.
    pub fn list(&self) -> Result<Vec<Self>> {
        let list = self.node.as_list().ok_or_else(|| self.must_be("a list"))?;
        let member = |(index, node)| Self { node, path: format!("{}[{index}]", self.path) };
        Ok(list.iter().enumerate().map(member).collect())
    }

    /// A mapping's members.
    pub fn entries(&self) -> Result<Vec<(&'a str, Self)>> {
        let map = self.node.as_map().ok_or_else(|| self.must_be("a mapping"))?;
        Ok(map.iter().map(|(name, node)| (name.as_str(), self.child(node, name))).collect())
    }

    // === fields of a mapping ===

    /// A text, or `None`.
    pub fn get_text(&self, name: &str) -> Result<Option<String>> {
        self.get(name).map(|field| field.text().map(str::to_owned)).transpose()
    }

    /// A switch; off when absent.
    pub fn get_switch(&self, name: &str) -> Result<bool> {
        self.get(name).map_or(Ok(false), |field| field.boolean())
    }

    /// A list's members; none when absent.
    pub fn get_list(&self, name: &str) -> Result<Vec<Self>> {
        self.get(name).map_or(Ok(Vec::new()), |field| field.list())
    }

    /// Texts of a list.
    pub fn get_texts(&self, name: &str) -> Result<Vec<String>> {
        self.get_list(name)?.iter().map(|field| field.text().map(str::to_owned)).collect()
    }

    /// Texts of a mapping.
    pub fn get_strings(&self, name: &str) -> Result<Vec<(String, String)>> {
        let Some(field) = self.get(name) else { return Ok(Vec::new()) };
        let entries = field.entries()?;
        entries.into_iter().map(|(name, f)| Ok((name.to_owned(), f.text()?.to_owned()))).collect()
    }
}
