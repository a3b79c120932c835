//! A query whose names are looked up: what the machine runs.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::QueryError;
use super::natives::{Native, native};
use super::parse::{parse, parse_definitions};
use super::regex::RegexCache;
use super::syntax::{Definition, Expression, Operator, Parameter, Pattern, PatternKey};
use super::value::Value;
use crate::limits::QUERY_NESTING_MAX;

/// What jq itself writes in its own language: everything that is more than one step.
static DEFINITIONS: LazyLock<HashMap<(Arc<str>, usize), Definition>> = LazyLock::new(|| {
    let definitions = parse_definitions(include_str!("builtins.jq")).expect("definitions");
    let keyed = |definition: Definition| {
        ((definition.name.clone(), definition.parameters.len()), definition)
    };
    definitions.into_iter().map(keyed).collect()
});

const ENVIRONMENT: &str = "a record's keys must not depend on the server's environment";
const ONE_RECORD: &str = "a query sees one record";
const UNREAD: &str = "nobody reads what it prints";
const HALT: &str = "it would end the server";
const MODULES: &str = "there are no modules";
const DIGITS: &str = "its last digits differ between platforms";

/// Names that there is no answer to, or none that would be jq's own: each with its reason.
pub(super) const REFUSED: [(&str, usize, &str); 32] = [
    ("env", 0, ENVIRONMENT),
    ("input", 0, ONE_RECORD),
    ("inputs", 0, ONE_RECORD),
    ("input_filename", 0, ONE_RECORD),
    ("input_line_number", 0, ONE_RECORD),
    ("debug", 0, UNREAD),
    ("stderr", 0, UNREAD),
    ("halt", 0, HALT),
    ("halt_error", 0, HALT),
    ("halt_error", 1, HALT),
    ("modulemeta", 0, MODULES),
    ("get_search_list", 0, MODULES),
    ("get_prog_origin", 0, MODULES),
    ("get_jq_origin", 0, MODULES),
    ("builtins", 0, "its order is that of a hash table"),
    ("acosh", 0, DIGITS),
    ("asinh", 0, DIGITS),
    ("atanh", 0, DIGITS),
    ("cbrt", 0, DIGITS),
    ("exp10", 0, DIGITS),
    ("gamma", 0, DIGITS),
    ("lgamma", 0, DIGITS),
    ("lgamma_r", 0, DIGITS),
    ("tgamma", 0, DIGITS),
    ("erf", 0, DIGITS),
    ("erfc", 0, DIGITS),
    ("j0", 0, DIGITS),
    ("j1", 0, DIGITS),
    ("jn", 2, DIGITS),
    ("y0", 0, DIGITS),
    ("y1", 0, DIGITS),
    ("yn", 2, DIGITS),
];

/// A program.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) main: Node,
    pub(super) functions: Vec<Node>,
    pub(super) regexes: RegexCache,
}

/// An expression, ready to run.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Whether it has exactly one result, or an error, and catches none: then no continuation is
    /// needed to run it.
    pub(super) is_single: bool,
}

/// Variables, closures and labels are counted from the innermost.
#[derive(Debug)]
pub(super) enum Kind {
    Identity,
    Constant(Value),
    Index {
        term: Box<Node>,
        key: Box<Node>,
        optional: bool,
    },
    Slice {
        term: Box<Node>,
        from: Option<Box<Node>>,
        upto: Option<Box<Node>>,
        optional: bool,
    },
    Iterate {
        term: Box<Node>,
        optional: bool,
    },
    Pipe(Box<Node>, Box<Node>),
    Comma(Box<Node>, Box<Node>),
    Alternative(Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    If {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    Try {
        body: Box<Node>,
        handler: Option<Box<Node>>,
    },
    Reduce {
        source: Box<Node>,
        patterns: Patterns,
        start: Box<Node>,
        update: Box<Node>,
    },
    Foreach {
        source: Box<Node>,
        patterns: Patterns,
        start: Box<Node>,
        update: Box<Node>,
        extract: Option<Box<Node>>,
    },
    Bind {
        source: Box<Node>,
        patterns: Patterns,
        body: Box<Node>,
    },
    Label(Box<Node>),
    Break(usize),
    Collect(Box<Node>),
    Construct(Vec<(Node, Option<Node>)>),
    Variable(usize),
    Closure(usize),
    Call {
        function: usize,
        arguments: Vec<Node>,
        skip: usize,
    },
    Native(&'static Native, Vec<Node>),
    Path(Box<Node>),
    GetPath(Box<Node>),
    Range(Box<Node>, Box<Node>),
    Error(Box<Node>),
    Empty,
}

/// Patterns, the first that fits is taken.
#[derive(Debug)]
pub(super) struct Patterns {
    pub(super) alternatives: Vec<Shape>,
    /// How many variables they have together.
    pub(super) variables: usize,
}

/// A pattern; variables are counted from the first.
#[derive(Debug)]
pub(super) enum Shape {
    Variable(usize),
    Array(Vec<Shape>),
    Object(Vec<ShapeEntry>),
}

#[derive(Debug)]
pub(super) struct ShapeEntry {
    pub(super) key: Node,
    /// For `$name`: the variable that gets the whole of it.
    pub(super) variable: Option<usize>,
    pub(super) shape: Option<Shape>,
}

impl Program {
    /// Reads a query and looks its names up.
    ///
    /// # Errors
    /// As [`super::Query::compile`].
    pub(super) fn compile(text: &str) -> Result<Program, QueryError> {
        let expression = parse(text)?;
        let mut resolver = Resolver::default();
        let main = resolver.node(&expression)?;
        let functions = resolver.functions.into_iter().flatten().collect();
        Ok(Program { main, functions, regexes: RegexCache::default() })
    }
}

#[derive(Clone, Debug)]
enum Name {
    Variable(Arc<str>),
    Closure(Arc<str>),
    Label(Arc<str>),
    /// A definition, where it was made. It takes no place in the environment.
    Function {
        name: Arc<str>,
        arity: usize,
        function: usize,
        environment: usize,
    },
}

#[derive(Default)]
struct Resolver {
    functions: Vec<Option<Node>>,
    builtins: HashMap<(Arc<str>, usize), usize>,
    scope: Vec<Name>,
    environment: usize,
    depth: usize,
}

type Resolved = Result<Node, QueryError>;

impl Resolver {
    fn node(&mut self, expression: &Expression) -> Resolved {
        self.depth += 1;
        // Chains of operators nest without brackets.
        if self.depth > 4 * QUERY_NESTING_MAX {
            return Err(QueryError::TooComplex);
        }
        let kind = self.kind(expression)?;
        self.depth -= 1;
        Ok(self.finish(kind))
    }

    fn finish(&self, kind: Kind) -> Node {
        let is_single = self.is_single(&kind);
        Node { kind, is_single }
    }

    fn boxed(&mut self, expression: &Expression) -> Result<Box<Node>, QueryError> {
        self.node(expression).map(Box::new)
    }

    fn optional(
        &mut self,
        expression: &Option<Box<Expression>>,
    ) -> Result<Option<Box<Node>>, QueryError> {
        expression.as_ref().map(|expression| self.boxed(expression)).transpose()
    }

    fn kind(&mut self, expression: &Expression) -> Result<Kind, QueryError> {
        Ok(match expression {
            Expression::Identity => Kind::Identity,
            Expression::Constant(value) => Kind::Constant(value.clone()),
            Expression::Index { term, key, optional } => {
                Kind::Index { key: self.boxed(key)?, term: self.boxed(term)?, optional: *optional }
            }
            Expression::Slice { term, from, upto, optional } => Kind::Slice {
                from: self.optional(from)?,
                upto: self.optional(upto)?,
                term: self.boxed(term)?,
                optional: *optional,
            },
            Expression::Iterate { term, optional } => {
                Kind::Iterate { term: self.boxed(term)?, optional: *optional }
            }
            Expression::Pipe(a, b) => Kind::Pipe(self.boxed(a)?, self.boxed(b)?),
            Expression::Comma(a, b) => Kind::Comma(self.boxed(a)?, self.boxed(b)?),
            Expression::Alternative(a, b) => Kind::Alternative(self.boxed(a)?, self.boxed(b)?),
            Expression::And(a, b) => Kind::And(self.boxed(a)?, self.boxed(b)?),
            Expression::Or(a, b) => Kind::Or(self.boxed(a)?, self.boxed(b)?),
            Expression::Negate(operand) => {
                let operand = self.boxed(operand)?;
                let negate = self.native("_negate", Vec::new())?;
                Kind::Pipe(operand, Box::new(negate))
            }
            Expression::Binary(operator, a, b) => {
                Kind::Binary(*operator, self.boxed(a)?, self.boxed(b)?)
            }
            Expression::If { condition, then, otherwise } => Kind::If {
                condition: self.boxed(condition)?,
                then: self.boxed(then)?,
                otherwise: self.boxed(otherwise)?,
            },
            Expression::Try { body, handler } => {
                Kind::Try { body: self.boxed(body)?, handler: self.optional(handler)? }
            }
            Expression::Collect(items) => Kind::Collect(self.boxed(items)?),
            Expression::Construct(entries) => self.construct(entries)?,
            Expression::Format(name, value) => {
                let value = self.boxed(value)?;
                let name = Kind::Constant(Value::String(name.clone()));
                let name = self.finish(name);
                Kind::Pipe(value, Box::new(self.native("format", vec![name])?))
            }
            Expression::Variable(name) => self.variable(name)?,
            Expression::Call(name, arguments) => self.call(name, arguments)?,
            _ => return self.binding_kind(expression),
        })
    }

    /// What binds names, and what is written in terms of other functions.
    fn binding_kind(&mut self, expression: &Expression) -> Result<Kind, QueryError> {
        match expression {
            Expression::Reduce { source, patterns, start, update } => {
                let (source, start) = (self.boxed(source)?, self.boxed(start)?);
                let (patterns, update) = self.patterns(patterns, |all| all.boxed(update))?;
                Ok(Kind::Reduce { source, patterns, start, update })
            }
            Expression::Foreach { source, patterns, start, update, extract } => {
                let (source, start) = (self.boxed(source)?, self.boxed(start)?);
                let (patterns, (update, extract)) = self
                    .patterns(patterns, |all| Ok((all.boxed(update)?, all.optional(extract)?)))?;
                Ok(Kind::Foreach { source, patterns, start, update, extract })
            }
            Expression::Bind { source, patterns, body } => {
                let source = self.boxed(source)?;
                let (patterns, body) = self.patterns(patterns, |all| all.boxed(body))?;
                Ok(Kind::Bind { source, patterns, body })
            }
            Expression::Label(name, body) => {
                let names = vec![Name::Label(name.clone())];
                Ok(Kind::Label(self.within(names, |all| all.boxed(body))?))
            }
            Expression::Break(name) => {
                let label = |found: &Name| matches!(found, Name::Label(label) if label == name);
                match self.position(label) {
                    Some(index) => Ok(Kind::Break(index)),
                    None => Err(QueryError::Undefined(format!("$*label-{name}"))),
                }
            }
            Expression::Define(definition, body) => {
                let mark = self.scope.len();
                self.define(definition)?;
                let body = self.kind(body)?;
                self.scope.truncate(mark);
                Ok(body)
            }
            Expression::Assign(path, value) => self.builtin("_assign", &[path, value]),
            Expression::Update(path, update) => self.builtin("_modify", &[path, update]),
            Expression::UpdateBy(operator, path, value) => {
                self.update_by(path, value, |old, new| Kind::Binary(*operator, old, new))
            }
            Expression::UpdateAlternative(path, value) => {
                self.update_by(path, value, Kind::Alternative)
            }
            _ => Err(QueryError::TooComplex),
        }
    }

    /// `value as $new | _modify(path; combine(.; $new))`
    fn update_by(
        &mut self,
        path: &Expression,
        value: &Expression,
        combine: impl FnOnce(Box<Node>, Box<Node>) -> Kind,
    ) -> Result<Kind, QueryError> {
        let source = self.boxed(value)?;
        // The path must not see the name; no query can spell this one.
        let names = vec![Name::Variable("*new".into())];
        let body = self.within(names, |all| {
            let path = all.node(path)?;
            let (old, new) = (all.finish(Kind::Identity), all.finish(Kind::Variable(0)));
            let update = all.finish(combine(Box::new(old), Box::new(new)));
            let function = all.builtin_function("_modify", 2)?;
            let skip = all.environment;
            Ok(all.finish(Kind::Call { function, arguments: vec![path, update], skip }))
        })?;
        let patterns = Patterns { alternatives: vec![Shape::Variable(0)], variables: 1 };
        Ok(Kind::Bind { source, patterns, body: Box::new(body) })
    }

    fn construct(
        &mut self,
        entries: &[(Expression, Option<Expression>)],
    ) -> Result<Kind, QueryError> {
        let mut nodes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let value = value.as_ref().map(|value| self.node(value)).transpose()?;
            nodes.push((self.node(key)?, value));
        }
        Ok(Kind::Construct(nodes))
    }

    fn variable(&mut self, name: &Arc<str>) -> Result<Kind, QueryError> {
        let variable = |found: &Name| matches!(found, Name::Variable(bound) if bound == name);
        match self.position(variable) {
            Some(index) => Ok(Kind::Variable(index)),
            None if **name == *"ENV" => Err(refused("$ENV", ENVIRONMENT)),
            None => Err(QueryError::Undefined(format!("${name}"))),
        }
    }

    /// Where in the environment the innermost such name is.
    fn position(&self, is_it: impl Fn(&Name) -> bool) -> Option<usize> {
        let places = self.scope.iter().rev();
        let places = places.filter(|name| !matches!(name, Name::Function { .. }));
        places.enumerate().find(|(_, name)| is_it(name)).map(|(index, _)| index)
    }

    fn call(&mut self, name: &Arc<str>, arguments: &[Expression]) -> Result<Kind, QueryError> {
        let mut place = 0;
        let found = self.scope.iter().rev().find_map(|known| match known {
            Name::Closure(bound) if bound == name && arguments.is_empty() => {
                Some(Kind::Closure(place))
            }
            Name::Function { name: bound, arity, function, environment }
                if bound == name && *arity == arguments.len() =>
            {
                let skip = self.environment - environment;
                Some(Kind::Call { function: *function, arguments: Vec::new(), skip })
            }
            Name::Function { .. } => None,
            _ => {
                place += 1;
                None
            }
        });
        match found {
            Some(Kind::Call { function, skip, .. }) => {
                let nodes = arguments.iter().map(|argument| self.node(argument));
                let arguments = nodes.collect::<Result<_, _>>()?;
                Ok(Kind::Call { function, arguments, skip })
            }
            Some(kind) => Ok(kind),
            None => {
                let arguments: Vec<_> = arguments.iter().collect();
                self.builtin(name, &arguments)
            }
        }
    }

    fn builtin(&mut self, name: &str, arguments: &[&Expression]) -> Result<Kind, QueryError> {
        let mut nodes = Vec::with_capacity(arguments.len());
        for argument in arguments {
            nodes.push(self.node(argument)?);
        }
        let arity = nodes.len();
        let mut next = nodes.into_iter();
        let mut argument = || next.next().map(Box::new).ok_or(QueryError::TooComplex);
        match (name, arity) {
            ("empty", 0) => return Ok(Kind::Empty),
            ("path", 1) => return Ok(Kind::Path(argument()?)),
            ("getpath", 1) => return Ok(Kind::GetPath(argument()?)),
            ("range", 2) => return Ok(Kind::Range(argument()?, argument()?)),
            ("error", 1) => return Ok(Kind::Error(argument()?)),
            _ => {}
        }
        let known = REFUSED.iter().find(|(refused, of, _)| (*refused, *of) == (name, arity));
        if let Some((.., why)) = known {
            return Err(refused(name, why));
        }
        if native(name, arity).is_some() {
            return Ok(self.native(name, next.collect())?.kind);
        }
        let function = self.builtin_function(name, arity)?;
        let skip = self.environment;
        Ok(Kind::Call { function, arguments: next.collect(), skip })
    }

    fn native(&mut self, name: &str, arguments: Vec<Node>) -> Resolved {
        match native(name, arguments.len()) {
            Some(native) => Ok(self.finish(Kind::Native(native, arguments))),
            None => Err(QueryError::Undefined(format!("{name}/{}", arguments.len()))),
        }
    }

    /// A definition of our own, resolved where it is first needed.
    fn builtin_function(&mut self, name: &str, arity: usize) -> Result<usize, QueryError> {
        let key = (Arc::from(name), arity);
        if let Some(function) = self.builtins.get(&key) {
            return Ok(*function);
        }
        let Some(definition) = DEFINITIONS.get(&key) else {
            return Err(QueryError::Undefined(format!("{name}/{arity}")));
        };
        let function = self.reserve();
        self.builtins.insert(key, function);
        let outer = (std::mem::take(&mut self.scope), self.environment, self.depth);
        (self.environment, self.depth) = (0, 0);
        let body = self.function_body(definition);
        (self.scope, self.environment, self.depth) = outer;
        self.functions[function] = Some(body?);
        Ok(function)
    }

    fn reserve(&mut self) -> usize {
        self.functions.push(None);
        self.functions.len() - 1
    }

    /// Makes a definition known to what follows, and to itself.
    fn define(&mut self, definition: &Definition) -> Result<(), QueryError> {
        let function = self.reserve();
        let (name, arity) = (definition.name.clone(), definition.parameters.len());
        let environment = self.environment;
        self.scope.push(Name::Function { name, arity, function, environment });
        let body = self.function_body(definition)?;
        self.functions[function] = Some(body);
        Ok(())
    }

    /// The body sees its parameters as closures, and those with a `$` as variables, too.
    fn function_body(&mut self, definition: &Definition) -> Resolved {
        let closure = |parameter: &Parameter| Name::Closure(parameter.name.clone());
        let closures = definition.parameters.iter().map(closure).collect();
        let variables: Vec<_> = definition.parameters.iter().filter(|p| p.is_variable).collect();
        let mut body = definition.body.clone();
        for parameter in variables.iter().rev() {
            let source = Box::new(Expression::Call(parameter.name.clone(), Vec::new()));
            let patterns = vec![Pattern::Variable(parameter.name.clone())];
            body = Expression::Bind { source, patterns, body: Box::new(body) };
        }
        self.within(closures, |all| all.node(&body))
    }

    fn within<T>(
        &mut self,
        names: Vec<Name>,
        resolve: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let (mark, count) = (self.scope.len(), names.len());
        self.scope.extend(names);
        self.environment += count;
        let resolved = resolve(self)?;
        self.scope.truncate(mark);
        self.environment -= count;
        Ok(resolved)
    }

    fn patterns<T>(
        &mut self,
        patterns: &[Pattern],
        resolve: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<(Patterns, T), QueryError> {
        let mut names = Vec::new();
        let shapes = patterns.iter().map(|pattern| self.shape(pattern, &mut names));
        let alternatives = shapes.collect::<Result<Vec<_>, _>>()?;
        let patterns = Patterns { alternatives, variables: names.len() };
        let resolved = self.within(names.into_iter().map(Name::Variable).collect(), resolve)?;
        Ok((patterns, resolved))
    }

    fn shape(&mut self, pattern: &Pattern, names: &mut Vec<Arc<str>>) -> Result<Shape, QueryError> {
        Ok(match pattern {
            Pattern::Variable(name) => Shape::Variable(slot(name, names)),
            Pattern::Array(items) => {
                let shapes = items.iter().map(|item| self.shape(item, names));
                Shape::Array(shapes.collect::<Result<_, _>>()?)
            }
            Pattern::Object(entries) => {
                let mut shapes = Vec::with_capacity(entries.len());
                for (key, pattern) in entries {
                    let (key, variable) = match key {
                        PatternKey::Variable(name) => {
                            let key = self.node(&Expression::string(name.clone()))?;
                            (key, Some(slot(name, names)))
                        }
                        PatternKey::Expression(key) => (self.node(key)?, None),
                    };
                    let shape = pattern.as_ref().map(|pattern| self.shape(pattern, names));
                    shapes.push(ShapeEntry { key, variable, shape: shape.transpose()? });
                }
                Shape::Object(shapes)
            }
        })
    }

    fn is_single(&self, kind: &Kind) -> bool {
        let all = |nodes: &[&Node]| nodes.iter().all(|node| node.is_single);
        match kind {
            Kind::Identity | Kind::Constant(_) | Kind::Variable(_) | Kind::Collect(_) => true,
            Kind::Index { term, key, optional } => !optional && all(&[term, key]),
            Kind::Slice { term, from, upto, optional } => {
                let bounds = from.iter().chain(upto);
                !optional && term.is_single && bounds.into_iter().all(|bound| bound.is_single)
            }
            Kind::Pipe(a, b)
            | Kind::Alternative(a, b)
            | Kind::And(a, b)
            | Kind::Or(a, b)
            | Kind::Binary(_, a, b) => all(&[a, b]),
            Kind::If { condition, then, otherwise } => all(&[condition, then, otherwise]),
            Kind::Construct(entries) => entries.iter().all(|(key, value)| {
                key.is_single && value.as_ref().is_none_or(|value| value.is_single)
            }),
            Kind::Native(_, arguments) => arguments.iter().all(|argument| argument.is_single),
            Kind::GetPath(path) => path.is_single,
            Kind::Reduce { start, .. } => start.is_single,
            Kind::Bind { source, patterns, body } => {
                let plain = matches!(patterns.alternatives[..], [Shape::Variable(_)]);
                plain && all(&[source, body])
            }
            // While a function is being resolved, it is unknown to itself: recursion needs
            // continuations.
            Kind::Call { function, .. } => {
                self.functions[*function].as_ref().is_some_and(|body| body.is_single)
            }
            _ => false,
        }
    }
}

fn slot(name: &Arc<str>, names: &mut Vec<Arc<str>>) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.clone());
        names.len() - 1
    })
}

fn refused(name: &str, why: &'static str) -> QueryError {
    QueryError::Refused { name: name.to_owned(), why }
}
