//! A query's parameters.

use super::path::decode;
use teu_api::Status;

/// Parameters of one request; those that came twice are kept twice.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

/// Parameters that are looked at; more are refused.
const MAX_PARAMETERS: usize = 256;

impl Query {
    /// Takes a query apart.
    pub fn parse(text: &str) -> Result<Self, Status> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MAX_PARAMETERS {
                return Err(Status::bad_request("the query has too many parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = |text: &str| decode(&text.replace('+', " "));
            let bad = || Status::bad_request(format!("invalid URL escape in {pair:?}"));
            pairs.push((plain(name).ok_or_else(bad)?, plain(value).ok_or_else(bad)?));
        }
        Ok(Self(pairs))
    }

    /// A parameter; empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// A parameter, if it is there.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Whether it is there and not denied (`watch`, `watch=1`, `watch=true`).
    pub fn switch(&self, name: &str) -> Result<bool, Status> {
        match self.find(name) {
            None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(false),
            Some("" | "1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(true),
            Some(other) => Err(invalid(name, other, "ParseBool")),
        }
    }

    /// A number, if it is there.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Status> {
        match self.find(name) {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| invalid(name, text, "ParseInt")),
        }
    }
}

fn invalid(name: &str, value: &str, function: &str) -> Status {
    Status::bad_request(format!(
        "invalid value for {name}: strconv.{function}: parsing {value:?}: invalid syntax"
    ))
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn parameters() {
        let query =
            Query::parse("watch=1&labelSelector=a%3Db%2Cc&limit=5&x+y=1&pretty").expect("a query");
        assert_eq!(query.switch("watch"), Ok(true));
        assert_eq!(query.text("labelSelector"), "a=b,c");
        assert_eq!(query.number("limit"), Ok(Some(5)));
        assert_eq!(query.text("x y"), "1");
        assert_eq!(query.switch("pretty"), Ok(true));
        assert!(Query::parse("a=%zz").is_err());
        assert!(Query::parse("limit=x").expect("a query").number("limit").is_err());
    }
}
