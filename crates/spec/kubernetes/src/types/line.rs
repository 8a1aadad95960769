//! A line of the table: `NAME NUMBERS SHAPE [FLAG…]`.

/// A field's facts, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// In JSON.
    pub(crate) name: &'static str,
    /// In protobuf: `0`, `4`, or `2.1` inside of a message that JSON leaves out.
    pub(crate) numbers: &'static str,
    /// What it holds.
    pub(crate) shape: Value,
    flags: &'static str,
}

/// A shape as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// `[]…`
    List(&'static str),
    /// `map:…`
    Map(&'static str),
    /// `@…`: a type of the table.
    Type(&'static str),
    /// `string`.
    Scalar(&'static str),
}

impl Value {
    pub(crate) fn parse(text: &'static str) -> Self {
        if let Some(item) = text.strip_prefix("[]") {
            Self::List(item)
        } else if let Some(value) = text.strip_prefix("map:") {
            Self::Map(value)
        } else if let Some(name) = text.strip_prefix('@') {
            Self::Type(name)
        } else {
            Self::Scalar(text)
        }
    }
}

impl Line {
    pub(crate) fn parse(text: &'static str) -> Option<Self> {
        let mut words = text.splitn(4, ' ');
        Some(Self {
            name: words.next()?,
            numbers: words.next()?,
            shape: Value::parse(words.next()?),
            flags: words.next().unwrap_or_default(),
        })
    }

    /// Whether it holds a type that documents refer to by name.
    pub(crate) fn is_reference(&self) -> bool {
        match self.shape {
            Value::Type(_) => true,
            Value::Scalar(name) => {
                matches!(name, "quantity" | "int-or-string" | "time" | "microtime" | "duration")
            }
            _ => false,
        }
    }

    /// Whether a word is among the flags.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.split(' ').any(|word| word == flag)
    }

    /// What follows `flag=`.
    pub(crate) fn value(&self, flag: &str) -> Option<&'static str> {
        self.flags.split(' ').find_map(|word| word.strip_prefix(flag)?.strip_prefix('='))
    }

    /// Numbers in protobuf from the outside in; empty for none.
    pub(crate) fn path(&self) -> impl DoubleEndedIterator<Item = u16> {
        self.numbers
            .split('.')
            .filter_map(|number| number.parse().ok())
            .filter(|number| *number > 0)
    }
}
