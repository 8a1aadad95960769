//! The gate every request passes: who asks, and may they?
//!
//! Refusals are the protocol's: 401 with a challenge where showing a name (or another token) could
//! help, 403 where the name is known and has no right.

use super::token::LIFE_SECONDS;
use super::{Access, Claim, Mode, Right, Tokens, Users, UsersError};
use crate::link::Query;
use crate::name::Name;
use crate::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde_json::json;
use std::sync::Arc;
use teu_web::{Response, Workers, respond};

/// Passwords that are checked at a time: bcrypt takes a whole processor.
const CHECKS: usize = 2;
/// Scopes of one request for a token.
const SCOPES: usize = 16;

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// The name, if there is one.
    pub user: Option<String>,
    /// What the token allows, where one was shown.
    claims: Option<Vec<Claim>>,
}

/// The gate.
#[derive(Debug, Default)]
pub struct Gate(Option<Guard>);

#[derive(Debug)]
struct Guard {
    access: Access,
    users: Arc<Users>,
    tokens: Arc<Tokens>,
    checks: Workers,
}

/// How a request came, as far as challenges say it.
pub(crate) struct Door<'a> {
    pub(crate) authorization: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) is_tls: bool,
}

impl Gate {
    /// For everybody and everything.
    pub fn open() -> Self {
        Self(None)
    }

    /// For those in a file.
    pub fn guarded(access: Access) -> Result<Self, UsersError> {
        let users = Arc::new(Users::open(&access.htpasswd)?);
        let (tokens, checks) = (Arc::new(Tokens::new()), Workers::new(CHECKS));
        Ok(Self(Some(Guard { access, users, tokens, checks })))
    }

    /// Finds out who asks; wrong passwords and old tokens are refused here.
    pub(crate) async fn identify(&self, door: &Door<'_>, now: u64) -> Result<Who, Problem> {
        let Some(guard) = &self.0 else { return Ok(Who::default()) };
        let Some(shown) = door.authorization else { return Ok(Who::default()) };
        let (scheme, value) = shown.split_once(' ').unwrap_or((shown, ""));
        if scheme.eq_ignore_ascii_case("bearer") && guard.access.mode == Mode::Token {
            let known = guard.tokens.verify(value.trim(), now);
            let (user, claims) =
                known.ok_or_else(|| guard.challenge(door, None, "invalid_token"))?;
            return Ok(Who { user, claims: Some(claims) });
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let user = guard.check_password(value.trim()).await?;
            let user = user.ok_or_else(|| guard.challenge(door, None, ""))?;
            return Ok(Who { user: Some(user), claims: None });
        }
        Err(guard.challenge(door, None, ""))
    }

    /// Says whether one may do something in a repository.
    pub(crate) fn may(&self, who: &Who, repository: &Name, right: Right) -> bool {
        let Some(guard) = &self.0 else { return true };
        match &who.claims {
            Some(claims) => claims.iter().any(|claim| claim.allows(repository.as_str(), right)),
            None if guard.access.mode == Mode::Token && who.user.is_none() => false,
            None => guard.access.rights.of(who.user.as_deref(), repository).contains(&right),
        }
    }

    /// For lists of repositories: what one could pull if one asked for it.
    pub(crate) fn may_see(&self, who: &Who, repository: &Name) -> bool {
        let Some(guard) = &self.0 else { return true };
        guard.access.rights.of(who.user.as_deref(), repository).contains(&Right::Pull)
    }

    /// Lets pass, or says why not.
    pub(crate) fn demand(
        &self,
        who: &Who,
        door: &Door<'_>,
        (repository, right): (&Name, Right),
    ) -> Result<(), Problem> {
        let Some(guard) = &self.0 else { return Ok(()) };
        if self.may(who, repository, right) {
            return Ok(());
        }
        let has_name = who.user.is_some();
        if guard.access.mode == Mode::Token && (who.claims.is_some() || !has_name) {
            let error = if who.claims.is_some() { "insufficient_scope" } else { "" };
            return Err(guard.challenge(door, Some((repository, right)), error));
        }
        if !has_name {
            return Err(guard.challenge(door, None, ""));
        }
        let message = format!("you may not {} in {repository}", right.as_str());
        Err(Problem::new(StatusCode::FORBIDDEN, "DENIED", message))
    }

    /// For what belongs to no repository: one must have shown something, where there are users.
    pub(crate) fn demand_any(&self, who: &Who, door: &Door<'_>) -> Result<(), Problem> {
        match &self.0 {
            Some(guard) if who.user.is_none() && who.claims.is_none() => {
                Err(guard.challenge(door, None, ""))
            }
            _ => Ok(()),
        }
    }

    /// For people: a browser asks them for name and password.
    pub(crate) fn demand_name(&self, who: &Who) -> Result<(), Problem> {
        if self.0.is_none() || who.user.is_some() {
            return Ok(());
        }
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "who are you?");
        Err(problem.header(WWW_AUTHENTICATE, "Basic realm=\"teu registry\""))
    }

    /// Gives a token for what is asked and allowed: `GET /token`. `meant` gives the repository that a
    /// client means by a name.
    pub(crate) async fn token(
        &self,
        door: &Door<'_>,
        (query, meant): (&Query, &(dyn Fn(Name) -> Option<Name> + Sync)),
        now: u64,
    ) -> Option<Result<Response, Problem>> {
        let guard = self.0.as_ref().filter(|guard| guard.access.mode == Mode::Token)?;
        let refused = || {
            let message = "name or password is wrong";
            Problem::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
                .header(WWW_AUTHENTICATE, "Basic realm=\"teu registry\"")
        };
        let user = match door.authorization.and_then(|shown| shown.split_once(' ')) {
            Some((scheme, value)) if scheme.eq_ignore_ascii_case("basic") => {
                match guard.check_password(value.trim()).await {
                    Ok(Some(user)) => Some(user),
                    Ok(None) => return Some(Err(refused())),
                    Err(problem) => return Some(Err(problem)),
                }
            }
            _ if guard.access.rights.welcomes_anonymous() => None,
            _ => return Some(Err(refused())),
        };
        let scopes = query.all("scope").flat_map(|scopes| scopes.split(' ')).take(SCOPES);
        let claims =
            scopes.filter_map(|scope| guard.granted(user.as_deref(), scope, meant)).collect();
        let token = guard.tokens.issue(user.as_deref(), claims, now);
        let document = json!({ "token": token, "access_token": token, "expires_in": LIFE_SECONDS });
        Some(Ok(respond::json(StatusCode::OK, &document)))
    }
}

impl Guard {
    /// The user of `Basic` credentials, if the password is right.
    async fn check_password(&self, credentials: &str) -> Result<Option<String>, Problem> {
        let decoded = STANDARD.decode(credentials).ok().and_then(|b| String::from_utf8(b).ok());
        let Some((user, password)) = decoded.as_deref().and_then(|text| text.split_once(':'))
        else {
            return Ok(None);
        };
        let (user, password) = (user.to_owned(), password.to_owned());
        let (users, tokens) = (self.users.clone(), self.tokens.clone());
        let check = move || users.verify(&user, &password, &tokens).map(|r| r.then_some(user));
        self.checks.run(check).await.map_err(|error| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.to_string())
        })
    }

    /// What of `repository:NAME:ACTIONS` a user gets; nothing is said of what he does not.
    fn granted(
        &self,
        user: Option<&str>,
        scope: &str,
        meant: &dyn Fn(Name) -> Option<Name>,
    ) -> Option<Claim> {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let name = Name::parse(name).filter(|_| kind == "repository").and_then(meant)?;
        let wanted: Vec<&str> = actions.split(',').collect();
        let rights = self.access.rights.of(user, &name).into_iter();
        let granted: Vec<Right> = rights
            .filter(|right| wanted.contains(&right.as_str()) || wanted.contains(&"*"))
            .collect();
        (!granted.is_empty()).then(|| Claim::of(name.as_str(), granted))
    }

    fn challenge(&self, door: &Door<'_>, wanted: Option<(&Name, Right)>, error: &str) -> Problem {
        let message = "who are you? log in, or ask for what you may";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
        if self.access.mode == Mode::Basic {
            return problem.header(WWW_AUTHENTICATE, "Basic realm=\"teu registry\"");
        }
        // A host that could end the quotes is nobody's.
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
        let host = door.host.filter(|host| host.chars().all(is_host)).unwrap_or("localhost");
        let scheme = if door.is_tls { "https" } else { "http" };
        let mut value = format!("Bearer realm=\"{scheme}://{host}/token\",service=\"{host}\"");
        if let Some((name, right)) = wanted {
            // Who pushes looks first: clients expect to be told both.
            let actions = match right {
                Right::Pull => "pull",
                Right::Push => "pull,push",
                Right::Delete => "delete",
            };
            value.push_str(&format!(",scope=\"repository:{name}:{actions}\""));
        }
        if !error.is_empty() {
            value.push_str(&format!(",error=\"{error}\""));
        }
        problem.header(WWW_AUTHENTICATE, &value)
    }
}
