//! Paths: `/api/v1/...` and `/apis/<group>/<version>/...`, as Kubernetes lays them out.

/// A resource's place in a path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Namespace; empty for none, or all.
    pub namespace: String,
    /// Resource.
    pub plural: String,
    /// Object; empty for all.
    pub name: String,
    /// Below the object; empty for itself.
    pub subresource: String,
    /// What follows it (`proxy/a/b`): the path with its first `/`. Who serves the resource says whether
    /// there may be such a thing; it is never a reason to take the path for something else.
    pub rest: String,
    /// The old way to watch: `/api/v1/watch/pods`.
    pub is_watch: bool,
}

impl Place {
    /// Of a path, percent-decoded segment by segment; `None` if it names no resource.
    pub fn parse(path: &str) -> Option<Self> {
        let mut place = Self::of(path)?;
        // Whoever is behind a proxy is asked for exactly what was asked for.
        if place.subresource == "proxy" {
            place.rest.push_str(&path[path.trim_end_matches('/').len()..]);
        }
        Some(place)
    }

    fn of(path: &str) -> Option<Self> {
        let mut segments = path.trim_start_matches('/').trim_end_matches('/').split('/');
        let mut place = Self::default();
        match segments.next()? {
            "api" => place.version = decode(segments.next()?)?,
            "apis" => {
                place.group = decode(segments.next()?)?;
                place.version = decode(segments.next()?)?;
            }
            _ => return None,
        }
        let mut segments = segments.peekable();
        if segments.peek() == Some(&"watch") {
            segments.next();
            place.is_watch = true;
        }
        let first = decode(segments.next()?)?;
        if first != "namespaces" {
            place.plural = first;
            return place.object(segments);
        }
        // `namespaces/x` is the object, `namespaces/x/pods` what is in it.
        let Some(namespace) = segments.next() else {
            place.plural = first;
            return Some(place);
        };
        let namespace = decode(namespace)?;
        match segments.peek() {
            None | Some(&("status" | "finalize")) => {
                place.plural = first;
                place.name = namespace;
                place.subresource = decode(segments.next().unwrap_or_default())?;
                place.follow(segments);
                Some(place)
            }
            Some(_) => {
                place.namespace = namespace;
                place.plural = decode(segments.next()?)?;
                place.object(segments)
            }
        }
    }

    fn object<'a>(mut self, mut segments: impl Iterator<Item = &'a str>) -> Option<Self> {
        self.name = decode(segments.next().unwrap_or_default())?;
        self.subresource = decode(segments.next().unwrap_or_default())?;
        self.follow(&mut segments);
        (!self.plural.is_empty()).then_some(self)
    }

    fn follow<'a>(&mut self, segments: impl Iterator<Item = &'a str>) {
        for segment in segments {
            self.rest.push('/');
            self.rest.push_str(segment);
        }
    }
}

/// `%2F` and the like; `None` for what is no text.
pub fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn paths() {
        let check = |path: &str, wanted: Option<[&str; 6]>| {
            let found = Place::parse(path);
            let found = found.as_ref().map(|place| {
                [
                    &*place.group,
                    &place.version,
                    &place.namespace,
                    &place.plural,
                    &place.name,
                    &place.subresource,
                ]
            });
            assert_eq!(found, wanted, "{path}");
        };
        check("/api/v1/pods", Some(["", "v1", "", "pods", "", ""]));
        check("/api/v1/namespaces/a/pods/x/log", Some(["", "v1", "a", "pods", "x", "log"]));
        check(
            "/apis/apps/v1/namespaces/a/deployments",
            Some(["apps", "v1", "a", "deployments", "", ""]),
        );
        check("/api/v1/namespaces", Some(["", "v1", "", "namespaces", "", ""]));
        check("/api/v1/namespaces/a", Some(["", "v1", "", "namespaces", "a", ""]));
        check("/api/v1/namespaces/a/finalize", Some(["", "v1", "", "namespaces", "a", "finalize"]));
        check("/api/v1/nodes/n/proxy/a/b", Some(["", "v1", "", "nodes", "n", "proxy"]));
        check("/api/v1/nodes/n/status/b", Some(["", "v1", "", "nodes", "n", "status"]));
        let finalize = "/api/v1/namespaces/a/finalize/b";
        check(finalize, Some(["", "v1", "", "namespaces", "a", "finalize"]));
        check("/apis/a/v1//pods", None);
        let rest = |path: &str| Place::parse(path).map(|place| place.rest);
        let pod = "/api/v1/namespaces/a/pods/http:x:80/proxy";
        for after in ["", "/", "/a", "/a/", "//a%2Fb/../c//"] {
            assert_eq!(rest(&format!("{pod}{after}")).as_deref(), Some(after));
        }
        assert_eq!(rest(finalize).as_deref(), Some("/b"));
        check("/api/v1", None);
        check("/healthz", None);
        check("/api/v1/namespaces/a/roles/a%3Ab", Some(["", "v1", "a", "roles", "a:b", ""]));
        assert!(
            Place::parse("/api/v1/watch/namespaces/a/pods").is_some_and(|place| place.is_watch)
        );
    }
}
