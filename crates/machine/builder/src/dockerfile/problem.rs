//! What can be wrong with a Dockerfile, in BuildKit's words where it has them.

use super::source::{Lines, Source};
use std::sync::Arc;

/// A problem, and the lines it is about.
#[derive(Debug, thiserror::Error)]
#[error("{name}:{first}: {problem}", name = source_text.name, first = lines.first)]
pub struct ParseError {
    source_text: Arc<Source>,
    /// Where.
    pub lines: Lines,
    /// What.
    pub problem: Problem,
}

impl ParseError {
    /// Of these lines.
    pub fn new(source: &Arc<Source>, lines: Lines, problem: Problem) -> Self {
        Self { source_text: Arc::clone(source), lines, problem }
    }

    /// The whole text.
    pub fn source_text(&self) -> &Source {
        &self.source_text
    }

    /// The lines, marked, with those around them.
    pub fn excerpt(&self) -> String {
        self.source_text.excerpt(self.lines)
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Problem {
    #[error("file of {0} bytes is too large: a Dockerfile may have 1 MiB")]
    FileTooLarge(usize),
    #[error("more than 10000 instructions")]
    TooManyInstructions,
    #[error("more than 500 layers: overlayfs takes no more")]
    TooManyLayers,
    #[error("the image's configuration grows beyond 6 MiB")]
    ConfigTooLarge,
    #[error("more than 500 stages")]
    TooManyStages,
    #[error("more than 100 heredocs in one instruction")]
    TooManyHeredocs,
    #[error("file with no instructions")]
    Empty,
    #[error("no build stage: a Dockerfile needs a FROM")]
    NoStage,
    #[error("no build stage in current context: {0} before FROM")]
    NoStageYet(String),
    #[error("only one {0} parser directive can be used")]
    DirectiveTwice(String),
    #[error("invalid escape token {0:?} does not match ` or \\")]
    EscapeToken(String),
    #[error("unterminated heredoc {0:?}")]
    HeredocUnterminated(String),
    #[error("unknown instruction: {word}{}", near(suggestion))]
    UnknownInstruction { word: String, suggestion: Option<String> },
    #[error("unknown flag: --{flag} of {keyword}{}", near(&suggestion.as_ref().map(|s| format!("--{s}"))))]
    UnknownFlag { keyword: String, flag: String, suggestion: Option<String> },
    #[error("missing a value on flag: --{0}")]
    FlagValue(String),
    #[error("duplicate flag specified: --{0}")]
    FlagTwice(String),
    #[error("expecting boolean value for flag --{flag}, not: {value}")]
    FlagBool { flag: String, value: String },
    #[error("invalid value {value:?} for flag --{flag}: {expected}")]
    FlagInvalid { flag: String, value: String, expected: &'static str },
    #[error("{0} requires at least one argument")]
    AtLeastOne(String),
    #[error("{0} requires exactly one argument")]
    ExactlyOne(String),
    #[error(
        "{0} requires at least two arguments, but only one was provided: destination could not be determined"
    )]
    AtLeastTwo(String),
    #[error("{0} must have two arguments")]
    TwoArguments(String),
    #[error("{0} names can not be blank")]
    BlankName(String),
    #[error("syntax error: can't find = in {0:?}: must be of the form name=value")]
    NoEquals(String),
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    JsonStrings,
    #[error("{0} requires the arguments to be in JSON form, such as [\"/bin/sh\", \"-c\"]")]
    JsonNeeded(String),
    #[error("FROM requires either one or three arguments: FROM image [AS name]")]
    FromForm,
    #[error(
        "invalid name for build stage: {0:?}, name can't start with a number or contain symbols"
    )]
    StageName(String),
    #[error("base name ({0}) should not be blank")]
    BlankBase(String),
    #[error("chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    OnbuildChain,
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    OnbuildTrigger(String),
    #[error("VOLUME specified can not be an empty string")]
    BlankVolume,
    #[error("missing command after HEALTHCHECK CMD")]
    HealthcheckCommand,
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthcheckNone,
    #[error("unknown type {0:?} in HEALTHCHECK (try CMD)")]
    HealthcheckKind(String),
    #[error("invalid duration {value:?} for --{flag}: expected such as 30s or 1m30s, at least 1ms")]
    Duration { flag: String, value: String },
    #[error("invalid mount: {0}")]
    Mount(#[from] super::mount::MountProblem),
    #[error("ARG definition {0:?} has no name")]
    ArgName(String),
    #[error(
        "variable expansion is not supported for --from ({0}): define a new stage with FROM using ARG from global scope as a workaround"
    )]
    FromVariable(String),
    #[error("failed to process {word:?}: {problem}")]
    Expansion { word: String, problem: super::words::WordProblem },
    #[error("invalid signal {0:?}")]
    Signal(String),
    #[error("invalid port {0:?}: expected port[-port][/tcp|udp|sctp]")]
    Port(String),
    #[error("heredocs belong to RUN, COPY and ADD, not to {0} in its JSON form")]
    HeredocPlace(String),
    #[error("{what} {name:?} not found{}", near(suggestion))]
    NoSuchStage { what: &'static str, name: String, suggestion: Option<String> },
    #[error("invalid from flag value {0}: circular dependency on the current stage")]
    Circular(String),
    #[error("invalid platform {0:?}: expected os/architecture[/variant]")]
    Platform(String),
    #[error("{flag} is not allowed: {hint}")]
    NotAllowed { flag: String, hint: &'static str },
}

fn near(suggestion: &Option<String>) -> String {
    match suggestion {
        Some(word) => format!(" (did you mean {word}?)"),
        None => String::new(),
    }
}

/// The candidate that `word` is most likely a slip of, if any is near.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word = word.to_ascii_lowercase();
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit)
        .map(|candidate| (distance(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| (1..=limit).contains(distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Damerau-Levenshtein distance (adjacent transpositions count one), of short words only.
fn distance(a: &str, b: &str) -> usize {
    const LIMIT: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > LIMIT || b.len() > LIMIT {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best =
                (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}
