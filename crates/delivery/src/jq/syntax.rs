//! What a query says, before names are looked up.

use std::sync::Arc;

use super::value::Value;

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Identity,
    Constant(Value),
    /// `term[key]`, and `.name`.
    Index {
        term: Box<Expression>,
        key: Box<Expression>,
        optional: bool,
    },
    Slice {
        term: Box<Expression>,
        from: Option<Box<Expression>>,
        upto: Option<Box<Expression>>,
        optional: bool,
    },
    Iterate {
        term: Box<Expression>,
        optional: bool,
    },
    Pipe(Box<Expression>, Box<Expression>),
    Comma(Box<Expression>, Box<Expression>),
    Alternative(Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Negate(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// `path = value`.
    Assign(Box<Expression>, Box<Expression>),
    /// `path |= update`.
    Update(Box<Expression>, Box<Expression>),
    /// `path += value` and its sisters.
    UpdateBy(Operator, Box<Expression>, Box<Expression>),
    /// `path //= value`.
    UpdateAlternative(Box<Expression>, Box<Expression>),
    If {
        condition: Box<Expression>,
        then: Box<Expression>,
        otherwise: Box<Expression>,
    },
    Try {
        body: Box<Expression>,
        handler: Option<Box<Expression>>,
    },
    Reduce {
        source: Box<Expression>,
        patterns: Vec<Pattern>,
        start: Box<Expression>,
        update: Box<Expression>,
    },
    Foreach {
        source: Box<Expression>,
        patterns: Vec<Pattern>,
        start: Box<Expression>,
        update: Box<Expression>,
        extract: Option<Box<Expression>>,
    },
    Bind {
        source: Box<Expression>,
        patterns: Vec<Pattern>,
        body: Box<Expression>,
    },
    Label(Arc<str>, Box<Expression>),
    Break(Arc<str>),
    /// `[…]`.
    Collect(Box<Expression>),
    /// `{…}`; a key without a value is a field of the input.
    Construct(Vec<(Expression, Option<Expression>)>),
    Variable(Arc<str>),
    Call(Arc<str>, Vec<Expression>),
    /// `@name`.
    Format(Arc<str>, Box<Expression>),
    Define(Box<Definition>, Box<Expression>),
}

/// `def name(parameters): body;`
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) name: Arc<str>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Expression,
}

/// A parameter.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: Arc<str>,
    /// Whether it is `$name`: a variable as well.
    pub(super) is_variable: bool,
}

/// What a value is taken apart by.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Variable(Arc<str>),
    Array(Vec<Pattern>),
    Object(Vec<(PatternKey, Option<Pattern>)>),
}

/// A key of a pattern.
#[derive(Clone, Debug)]
pub(super) enum PatternKey {
    /// `$name`: the variable and the key.
    Variable(Arc<str>),
    Expression(Expression),
}

/// An operator on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Expression {
    pub(super) fn string(text: impl Into<Arc<str>>) -> Expression {
        Expression::Constant(Value::String(text.into()))
    }

    pub(super) fn call(name: &str) -> Expression {
        Expression::Call(name.into(), Vec::new())
    }
}
