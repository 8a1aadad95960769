//! The tree of a template.

use super::lexer::{Piece, Word, pieces};
use super::{TemplateError, error_at, functions};

/// Deepest nesting of blocks and parentheses.
const DEPTH_LIMIT: usize = 64;

#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Print(Pipe),
    If { condition: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    With { value: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    Range { over: Pipe, body: Vec<Node>, otherwise: Vec<Node> },
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) at: usize,
    /// Variables that take the value.
    pub(super) variables: Vec<String>,
    /// They exist already.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) at: usize,
    pub(super) operands: Vec<Operand>,
}

#[derive(Debug)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) base: Base,
    pub(super) fields: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Base {
    Dot,
    Nil,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Variable(String),
    Function(String),
    Pipe(Box<Pipe>),
}

pub(super) fn parse(source: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser {
        source,
        pieces: pieces(source)?.into_iter(),
        variables: vec![String::new()],
        depth: 0,
        loops: 0,
    };
    let (nodes, end) = parser.block()?;
    match end {
        End::Source => Ok(nodes),
        End::Closed(at) => Err(error_at(source, at, "unexpected {{end}}")),
        End::Else(at, _) => Err(error_at(source, at, "unexpected {{else}}")),
    }
}

/// What ended a block.
enum End {
    Source,
    Closed(usize),
    Else(usize, Vec<(usize, Word)>),
}

struct Parser<'a> {
    source: &'a str,
    pieces: std::vec::IntoIter<Piece>,
    variables: Vec<String>,
    depth: usize,
    loops: usize,
}

impl Parser<'_> {
    fn block(&mut self) -> Result<(Vec<Node>, End), TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(error_at(self.source, 0, "nested too deeply"));
        }
        let scope = self.variables.len();
        let mut nodes = Vec::new();
        let end = loop {
            match self.pieces.next() {
                None => break End::Source,
                Some(Piece::Text(text)) => nodes.push(Node::Text(text)),
                Some(Piece::Action { at, mut words }) => {
                    let keyword = match words.first() {
                        Some((_, Word::Name(name))) => name.clone(),
                        _ => String::new(),
                    };
                    match keyword.as_str() {
                        "end" => break End::Closed(at),
                        "else" => break End::Else(at, words.split_off(1)),
                        _ => nodes.push(self.node(at, &keyword, words)?),
                    }
                }
            }
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok((nodes, end))
    }

    fn node(
        &mut self,
        at: usize,
        keyword: &str,
        mut words: Vec<(usize, Word)>,
    ) -> Result<Node, TemplateError> {
        let scope = self.variables.len();
        let node = match keyword {
            "if" | "with" => {
                let condition = self.pipe(at, &words.split_off(1))?;
                let (then, otherwise) = self.branches(at, keyword)?;
                if keyword == "if" {
                    Node::If { condition, then, otherwise }
                } else {
                    Node::With { value: condition, then, otherwise }
                }
            }
            "range" => {
                let over = self.pipe(at, &words.split_off(1))?;
                self.loops += 1;
                let (body, otherwise) = self.branches(at, keyword)?;
                self.loops -= 1;
                Node::Range { over, body, otherwise }
            }
            "break" | "continue" if words.len() == 1 => {
                if self.loops == 0 {
                    let message = format!("{{{{{keyword}}}}} outside {{{{range}}}}");
                    return Err(error_at(self.source, at, message));
                }
                return Ok(if keyword == "break" { Node::Break } else { Node::Continue });
            }
            "define" | "template" | "block" => {
                let message = format!("{{{{{keyword}}}}} is not supported in --format");
                return Err(error_at(self.source, at, message));
            }
            // Variables declared here live to the end of the block.
            _ => return Ok(Node::Print(self.pipe(at, &words)?)),
        };
        self.variables.truncate(scope);
        Ok(node)
    }

    fn branches(
        &mut self,
        at: usize,
        keyword: &str,
    ) -> Result<(Vec<Node>, Vec<Node>), TemplateError> {
        let (then, end) = self.block()?;
        let otherwise = match end {
            End::Closed(_) => Vec::new(),
            End::Source => {
                let message = format!("unexpected EOF: {{{{{keyword}}}}} has no {{{{end}}}}");
                return Err(error_at(self.source, at, message));
            }
            End::Else(at, words) if words.is_empty() => match self.block()? {
                (nodes, End::Closed(_)) => nodes,
                (_, End::Else(at, _)) => {
                    return Err(error_at(self.source, at, "expected end; found {{else}}"));
                }
                (_, End::Source) => return Err(error_at(self.source, at, "unexpected EOF")),
            },
            // `{{else if …}}` shares our `{{end}}`.
            End::Else(at, words) => match words.first() {
                Some((_, Word::Name(name))) if name == "if" || name == "with" => {
                    let keyword = name.clone();
                    vec![self.node(at, &keyword, words)?]
                }
                _ => return Err(error_at(self.source, at, "unexpected text behind {{else}}")),
            },
        };
        Ok((then, otherwise))
    }

    fn pipe(&mut self, at: usize, words: &[(usize, Word)]) -> Result<Pipe, TemplateError> {
        let (variables, assigns, words) = self.declarations(words)?;
        let (commands, rest) = self.commands(at, words)?;
        if let Some((at, word)) = rest.first() {
            let message = format!("unexpected {word:?} in command");
            return Err(error_at(self.source, *at, message));
        }
        if !assigns {
            self.variables.extend(variables.iter().cloned());
        }
        let at = commands.first().map_or(at, |command| command.at);
        Ok(Pipe { at, variables, assigns, commands })
    }

    #[expect(clippy::type_complexity, reason = "three parts of one line")]
    fn declarations<'w>(
        &self,
        words: &'w [(usize, Word)],
    ) -> Result<(Vec<String>, bool, &'w [(usize, Word)]), TemplateError> {
        use Word::{Assign, Comma, Declare, Variable};
        let word = |index: usize| words.get(index).map(|(_, word)| word);
        let (names, sign) = match (word(0), word(1), word(2), word(3)) {
            (Some(Variable(a)), Some(Comma), Some(Variable(b)), Some(Declare | Assign)) => {
                (vec![a.clone(), b.clone()], 3)
            }
            (Some(Variable(a)), Some(Declare | Assign), _, _) => (vec![a.clone()], 1),
            _ => return Ok((Vec::new(), false, words)),
        };
        let assigns = words[sign].1 == Assign;
        if assigns && let Some(name) = names.iter().find(|name| !self.variables.contains(name)) {
            return Err(error_at(
                self.source,
                words[0].0,
                format!("undefined variable \"${name}\""),
            ));
        }
        Ok((names, assigns, &words[sign + 1..]))
    }

    /// Commands up to the end or an unmatched `)`.
    #[expect(clippy::type_complexity, reason = "what was read, and what is left")]
    fn commands<'w>(
        &mut self,
        at: usize,
        mut words: &'w [(usize, Word)],
    ) -> Result<(Vec<Command>, &'w [(usize, Word)]), TemplateError> {
        let mut commands: Vec<Command> = Vec::new();
        loop {
            let (command, rest) = self.command(words)?;
            if command.operands.is_empty() {
                return Err(error_at(self.source, at, "missing value for command"));
            }
            if !commands.is_empty() && !callable(&command) {
                let message = "non executable command in pipeline";
                return Err(error_at(self.source, command.at, message));
            }
            commands.push(command);
            match rest.first() {
                Some((_, Word::Pipe)) => words = &rest[1..],
                _ => return Ok((commands, rest)),
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "what was read, and what is left")]
    fn command<'w>(
        &mut self,
        mut words: &'w [(usize, Word)],
    ) -> Result<(Command, &'w [(usize, Word)]), TemplateError> {
        let mut command = Command { at: words.first().map_or(0, |w| w.0), operands: Vec::new() };
        while let Some((at, word)) = words.first() {
            if matches!(word, Word::Pipe | Word::Close) {
                break;
            }
            words = &words[1..];
            let mut fields = Vec::new();
            let base = match word {
                Word::Field { name, joined: true } if !command.operands.is_empty() => {
                    if let Some(last) = command.operands.last_mut() {
                        last.fields.push(name.clone());
                    }
                    continue;
                }
                Word::Field { name, .. } => {
                    fields.push(name.clone());
                    Base::Dot
                }
                Word::Open => {
                    self.depth += 1;
                    if self.depth > DEPTH_LIMIT {
                        return Err(error_at(self.source, *at, "nested too deeply"));
                    }
                    let (commands, rest) = self.commands(*at, words)?;
                    self.depth -= 1;
                    let Some((_, Word::Close)) = rest.first() else {
                        return Err(error_at(self.source, *at, "unclosed left paren"));
                    };
                    words = &rest[1..];
                    let (variables, assigns) = (Vec::new(), false);
                    Base::Pipe(Box::new(Pipe { at: *at, variables, assigns, commands }))
                }
                other => self.simple(*at, other)?,
            };
            command.operands.push(Operand { at: *at, base, fields });
        }
        Ok((command, words))
    }

    fn simple(&self, at: usize, word: &Word) -> Result<Base, TemplateError> {
        Ok(match word {
            Word::Dot => Base::Dot,
            Word::Text(text) => Base::Text(text.clone()),
            Word::Integer(number) => Base::Integer(*number),
            Word::Float(number) => Base::Float(*number),
            Word::Variable(name) if self.variables.contains(name) => Base::Variable(name.clone()),
            Word::Variable(name) => {
                return Err(error_at(self.source, at, format!("undefined variable \"${name}\"")));
            }
            Word::Name(name) => match name.as_str() {
                "true" => Base::Boolean(true),
                "false" => Base::Boolean(false),
                "nil" => Base::Nil,
                _ if functions::is_known(name) => Base::Function(name.clone()),
                _ => {
                    return Err(error_at(
                        self.source,
                        at,
                        format!("function {name:?} not defined"),
                    ));
                }
            },
            other => return Err(error_at(self.source, at, format!("unexpected {other:?}"))),
        })
    }
}

fn callable(command: &Command) -> bool {
    command
        .operands
        .first()
        .is_some_and(|first| matches!(first.base, Base::Function(_)) || !first.fields.is_empty())
}
