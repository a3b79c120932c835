//! The grammar of jq 1.6. It is narrower than its successors': `if` needs `else`, and the values of
//! an object need brackets around all but pipes and signs.

use std::sync::Arc;

use super::lex::{Piece, Token, Word, words};
use super::syntax::{Definition, Expression, Operator, Parameter, Pattern, PatternKey};
use super::value::Value;
use super::{QueryError, json};
use crate::limits::QUERY_NESTING_MAX;

type Parsed<T> = Result<T, QueryError>;

/// How tightly operators bind, from loose to tight.
const LEVEL_PIPE: u8 = 0;
const LEVEL_COMMA: u8 = 1;
const LEVEL_ALTERNATIVE: u8 = 2;
const LEVEL_ASSIGN: u8 = 3;
const LEVEL_OR: u8 = 4;
const LEVEL_AND: u8 = 5;
const LEVEL_COMPARE: u8 = 6;
const LEVEL_ADD: u8 = 7;
const LEVEL_MULTIPLY: u8 = 8;

/// Reads a query.
///
/// # Errors
/// If jq 1.6 does not take it for one.
pub(super) fn parse(text: &str) -> Parsed<Expression> {
    let mut parser = Parser { text, words: words(text)?, next: 0, nesting: 0 };
    let program = parser.program()?;
    parser.expect_end()?;
    Ok(program)
}

/// Reads definitions only.
pub(super) fn parse_definitions(text: &str) -> Parsed<Vec<Definition>> {
    let mut parser = Parser { text, words: words(text)?, next: 0, nesting: 0 };
    let mut definitions = Vec::new();
    while parser.take_keyword("def") {
        definitions.push(parser.definition()?);
    }
    parser.expect_end()?;
    Ok(definitions)
}

struct Parser<'a> {
    text: &'a str,
    words: Vec<Word>,
    next: usize,
    nesting: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.words[self.next].token
    }

    fn take(&mut self) -> Token {
        let token = self.words[self.next].token.clone();
        self.next = (self.next + 1).min(self.words.len() - 1);
        token
    }

    fn unexpected<T>(&self) -> Parsed<T> {
        let found = match self.peek() {
            Token::Sign(word) | Token::Keyword(word) => format!("unexpected '{word}'"),
            Token::Identifier(name) => format!("unexpected '{name}'"),
            Token::Field(name) => format!("unexpected '.{name}'"),
            Token::Number(_) => "unexpected number".to_owned(),
            Token::Format(name) => format!("unexpected '@{name}'"),
            Token::String(_) => "unexpected string".to_owned(),
            Token::End => "unexpected end".to_owned(),
        };
        self.fail(&found)
    }

    fn fail<T>(&self, message: &str) -> Parsed<T> {
        Err(QueryError::syntax(self.text, self.words[self.next].at, message))
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(found) if *found == sign);
        if found {
            self.take();
        }
        found
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Token::Keyword(found) if *found == keyword);
        if found {
            self.take();
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.take_sign(sign) { Ok(()) } else { self.unexpected() }
    }

    fn expect_keyword(&mut self, keyword: &str) -> Parsed<()> {
        if self.take_keyword(keyword) { Ok(()) } else { self.unexpected() }
    }

    fn expect_end(&mut self) -> Parsed<()> {
        if *self.peek() == Token::End { Ok(()) } else { self.unexpected() }
    }

    fn identifier(&mut self) -> Parsed<Arc<str>> {
        match self.peek().clone() {
            Token::Identifier(name) => {
                self.take();
                Ok(name)
            }
            _ => self.unexpected(),
        }
    }

    /// Everything that may stand within itself goes through here.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.nesting += 1;
        if self.nesting > QUERY_NESTING_MAX {
            return Err(QueryError::TooComplex);
        }
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    /// A whole query; without an expression behind its definitions, it is `.`.
    fn program(&mut self) -> Parsed<Expression> {
        if let Token::Keyword(word @ ("module" | "import" | "include")) = self.peek() {
            return Err(QueryError::Refused {
                name: (*word).to_owned(),
                why: "there are no modules",
            });
        }
        let mut definitions = Vec::new();
        while self.take_keyword("def") {
            definitions.push(self.definition()?);
        }
        let body = match self.peek() {
            Token::End => Expression::Identity,
            _ => self.pipe()?,
        };
        let define = |body, definition| Expression::Define(Box::new(definition), Box::new(body));
        Ok(definitions.into_iter().rev().fold(body, define))
    }

    /// Behind `def`.
    fn definition(&mut self) -> Parsed<Definition> {
        self.nested(|parser| {
            let name = parser.identifier()?;
            let mut parameters = Vec::new();
            if parser.take_sign("(") {
                loop {
                    let is_variable = parser.take_sign("$");
                    parameters.push(Parameter { name: parser.identifier()?, is_variable });
                    if !parser.take_sign(";") {
                        break;
                    }
                }
                parser.expect(")")?;
            }
            parser.expect(":")?;
            let body = parser.pipe()?;
            parser.expect(";")?;
            Ok(Definition { name, parameters, body })
        })
    }

    fn pipe(&mut self) -> Parsed<Expression> {
        self.nested(|parser| {
            let mut stages = vec![parser.binary(LEVEL_COMMA)?];
            while parser.take_sign("|") {
                stages.push(parser.binary(LEVEL_COMMA)?);
            }
            Ok(join_stages(stages))
        })
    }

    /// An expression whose operators bind at least as tightly as `least`.
    fn binary(&mut self, least: u8) -> Parsed<Expression> {
        let mut left = self.operand()?;
        let mut closed = u8::MAX;
        while let Some((level, sign)) = self.operator() {
            if level < least {
                break;
            }
            // `1 < 2 < 3` is none, nor is `.a = .b = 1`.
            if level == closed {
                return self.unexpected();
            }
            self.take();
            // `//` groups to the right, all others to the left.
            let tighter = if level == LEVEL_ALTERNATIVE { level } else { level + 1 };
            let right = self.nested(|parser| parser.binary(tighter))?;
            left = self.combine(sign, left, right)?;
            closed = if matches!(level, LEVEL_COMPARE | LEVEL_ASSIGN) { level } else { u8::MAX };
        }
        Ok(left)
    }

    fn operator(&self) -> Option<(u8, &'static str)> {
        let word = match self.peek() {
            Token::Sign(word) | Token::Keyword(word) => *word,
            _ => return None,
        };
        let level = match word {
            "|" => LEVEL_PIPE,
            "," => LEVEL_COMMA,
            "//" => LEVEL_ALTERNATIVE,
            "=" | "|=" | "+=" | "-=" | "*=" | "/=" | "%=" | "//=" => LEVEL_ASSIGN,
            "or" => LEVEL_OR,
            "and" => LEVEL_AND,
            "==" | "!=" | "<" | "<=" | ">" | ">=" => LEVEL_COMPARE,
            "+" | "-" => LEVEL_ADD,
            "*" | "/" | "%" => LEVEL_MULTIPLY,
            _ => return None,
        };
        Some((level, word))
    }

    fn combine(&self, sign: &str, left: Expression, right: Expression) -> Parsed<Expression> {
        let combined = fold(sign, &left, &right);
        if let Some(Expression::Constant(Value::Number(number))) = &combined
            && matches!(sign, "/" | "%")
            && number.is_infinite()
        {
            return self.fail("division by zero");
        }
        if let Some(constant) = combined {
            return Ok(constant);
        }
        let (left, right) = (Box::new(left), Box::new(right));
        Ok(match sign {
            "," => Expression::Comma(left, right),
            "//" => Expression::Alternative(left, right),
            "or" => Expression::Or(left, right),
            "and" => Expression::And(left, right),
            "=" => Expression::Assign(left, right),
            "|=" => Expression::Update(left, right),
            "//=" => Expression::UpdateAlternative(left, right),
            _ => match (sign.strip_suffix('='), operator_of(sign)) {
                (_, Some(operator)) => Expression::Binary(operator, left, right),
                (Some(sign), None) => match operator_of(sign) {
                    Some(operator) => Expression::UpdateBy(operator, left, right),
                    None => return self.unexpected(),
                },
                (None, None) => return self.unexpected(),
            },
        })
    }

    /// What operators stand between, with its question marks.
    fn operand(&mut self) -> Parsed<Expression> {
        let mut expression = self.operand_without_mark()?;
        while self.take_sign("?") {
            expression = Expression::Try { body: Box::new(expression), handler: None };
        }
        Ok(expression)
    }

    fn operand_without_mark(&mut self) -> Parsed<Expression> {
        let keyword = match self.peek() {
            Token::Keyword(keyword) => *keyword,
            Token::Sign("-") => {
                self.take();
                let operand = self.nested(|parser| parser.binary(LEVEL_MULTIPLY))?;
                return Ok(Expression::Negate(Box::new(operand)));
            }
            _ => "",
        };
        match keyword {
            "def" => {
                self.take();
                let definition = self.definition()?;
                let body = self.pipe()?;
                Ok(Expression::Define(Box::new(definition), Box::new(body)))
            }
            "if" => {
                self.take();
                self.nested(Self::condition)
            }
            "try" => {
                self.take();
                self.nested(|parser| {
                    let body = Box::new(parser.operand_without_mark()?);
                    let handler = match parser.take_keyword("catch") {
                        true => Some(Box::new(parser.operand_without_mark()?)),
                        false => None,
                    };
                    Ok(Expression::Try { body, handler })
                })
            }
            "reduce" | "foreach" => {
                self.take();
                self.fold_loop(keyword == "foreach")
            }
            "label" => {
                self.take();
                self.expect("$")?;
                let name = self.identifier()?;
                self.expect("|")?;
                Ok(Expression::Label(name, Box::new(self.pipe()?)))
            }
            _ => {
                let term = self.term()?;
                if !self.take_keyword("as") {
                    return Ok(term);
                }
                let patterns = self.patterns()?;
                self.expect("|")?;
                let body = Box::new(self.pipe()?);
                Ok(Expression::Bind { source: Box::new(term), patterns, body })
            }
        }
    }

    /// Behind `if` or `elif`.
    fn condition(&mut self) -> Parsed<Expression> {
        let condition = Box::new(self.pipe()?);
        self.expect_keyword("then")?;
        let then = Box::new(self.pipe()?);
        let otherwise = if self.take_keyword("elif") {
            self.nested(Self::condition)?
        } else {
            self.expect_keyword("else")?;
            let otherwise = self.pipe()?;
            self.expect_keyword("end")?;
            otherwise
        };
        Ok(Expression::If { condition, then, otherwise: Box::new(otherwise) })
    }

    /// Behind `reduce` or `foreach`.
    fn fold_loop(&mut self, is_foreach: bool) -> Parsed<Expression> {
        let source = Box::new(self.term()?);
        self.expect_keyword("as")?;
        let patterns = self.patterns()?;
        self.expect("(")?;
        let start = Box::new(self.pipe()?);
        self.expect(";")?;
        let update = Box::new(self.pipe()?);
        let folded = if is_foreach {
            let extract = match self.take_sign(";") {
                true => Some(Box::new(self.pipe()?)),
                false => None,
            };
            Expression::Foreach { source, patterns, start, update, extract }
        } else {
            Expression::Reduce { source, patterns, start, update }
        };
        self.expect(")")?;
        Ok(folded)
    }

    fn term(&mut self) -> Parsed<Expression> {
        let mut term = self.nested(Self::plain_term)?;
        loop {
            term = match self.peek().clone() {
                Token::Field(name) => {
                    self.take();
                    self.index(term, Expression::string(name))
                }
                Token::Sign("[") => {
                    self.take();
                    self.nested(|parser| parser.brackets(term))?
                }
                Token::Sign(".") => {
                    self.take();
                    let key = self.nested(Self::string)?;
                    self.index(term, key)
                }
                _ => return Ok(term),
            };
        }
    }

    fn index(&mut self, term: Expression, key: Expression) -> Expression {
        let optional = self.take_sign("?");
        Expression::Index { term: Box::new(term), key: Box::new(key), optional }
    }

    /// Behind `term[`.
    fn brackets(&mut self, term: Expression) -> Parsed<Expression> {
        let term = Box::new(term);
        if self.take_sign("]") {
            return Ok(Expression::Iterate { term, optional: self.take_sign("?") });
        }
        if self.take_sign(":") {
            let upto = Some(Box::new(self.pipe()?));
            self.expect("]")?;
            return Ok(Expression::Slice { term, from: None, upto, optional: self.take_sign("?") });
        }
        let key = self.pipe()?;
        if !self.take_sign(":") {
            self.expect("]")?;
            return Ok(self.index(*term, key));
        }
        let from = Some(Box::new(key));
        let upto = match self.peek() {
            Token::Sign("]") => None,
            _ => Some(Box::new(self.pipe()?)),
        };
        self.expect("]")?;
        Ok(Expression::Slice { term, from, upto, optional: self.take_sign("?") })
    }

    fn plain_term(&mut self) -> Parsed<Expression> {
        match self.peek().clone() {
            Token::Number(number) => {
                self.take();
                Ok(Expression::Constant(Value::Number(number)))
            }
            Token::String(_) => self.string(),
            Token::Format(name) => match self.words[self.next + 1].token {
                Token::String(_) => self.string(),
                _ => {
                    self.take();
                    Ok(Expression::Format(name, Box::new(Expression::Identity)))
                }
            },
            Token::Field(name) => {
                self.take();
                Ok(self.index(Expression::Identity, Expression::string(name)))
            }
            Token::Identifier(name) => {
                self.take();
                self.call(name)
            }
            Token::Keyword("break") => {
                self.take();
                self.expect("$")?;
                Ok(Expression::Break(self.identifier()?))
            }
            Token::Sign(sign) => self.signed_term(sign),
            _ => self.unexpected(),
        }
    }

    fn signed_term(&mut self, sign: &str) -> Parsed<Expression> {
        match sign {
            "." => {
                self.take();
                match self.peek() {
                    Token::String(_) | Token::Format(_) => {
                        let key = self.string()?;
                        Ok(self.index(Expression::Identity, key))
                    }
                    Token::Identifier(_) => self.unexpected(),
                    _ => Ok(Expression::Identity),
                }
            }
            ".." => {
                self.take();
                Ok(Expression::call("recurse"))
            }
            "(" => {
                self.take();
                let inner = self.pipe()?;
                self.expect(")")?;
                Ok(inner)
            }
            "[" => {
                self.take();
                if self.take_sign("]") {
                    return Ok(Expression::Constant(Value::empty_array()));
                }
                let items = self.pipe()?;
                self.expect("]")?;
                Ok(Expression::Collect(Box::new(items)))
            }
            "{" => {
                self.take();
                self.object()
            }
            "$" => {
                let line = self.words[self.next].line;
                self.take();
                if self.take_keyword("__loc__") {
                    return Ok(Expression::Constant(location(line)));
                }
                Ok(Expression::Variable(self.identifier()?))
            }
            _ => self.unexpected(),
        }
    }

    fn call(&mut self, name: Arc<str>) -> Parsed<Expression> {
        match &*name {
            "true" => return Ok(Expression::Constant(Value::Bool(true))),
            "false" => return Ok(Expression::Constant(Value::Bool(false))),
            "null" => return Ok(Expression::Constant(Value::Null)),
            _ => {}
        }
        let mut arguments = Vec::new();
        if self.take_sign("(") {
            loop {
                arguments.push(self.pipe()?);
                if !self.take_sign(";") {
                    break;
                }
            }
            self.expect(")")?;
        }
        Ok(Expression::Call(name, arguments))
    }

    /// A string, whose interpolations go through the format before it.
    fn string(&mut self) -> Parsed<Expression> {
        let format = match self.peek().clone() {
            Token::Format(name) => {
                self.take();
                name
            }
            _ => Arc::from("text"),
        };
        let Token::String(pieces) = self.peek().clone() else {
            return self.unexpected();
        };
        self.take();
        let mut string = Expression::string("");
        for piece in pieces {
            let piece = match piece {
                Piece::Text(text) => Expression::string(text),
                Piece::Interpolation(words) => {
                    let text = self.text;
                    let mut inner = Parser { text, words, next: 0, nesting: self.nesting };
                    let value = inner.pipe()?;
                    inner.expect_end()?;
                    Expression::Format(format.clone(), Box::new(value))
                }
            };
            string = self.combine("+", string, piece)?;
        }
        Ok(string)
    }

    /// Behind `{`. A comma may end it.
    fn object(&mut self) -> Parsed<Expression> {
        let mut entries = Vec::new();
        while !self.take_sign("}") {
            entries.push(self.entry()?);
            if !self.take_sign(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Expression::Construct(entries))
    }

    fn entry(&mut self) -> Parsed<(Expression, Option<Expression>)> {
        let (key, may_stand_alone) = match self.peek().clone() {
            Token::Identifier(name) => {
                self.take();
                (Expression::string(name), true)
            }
            Token::Keyword(keyword) => {
                self.take();
                (Expression::string(keyword), false)
            }
            Token::String(_) | Token::Format(_) => (self.string()?, true),
            Token::Sign("$") => {
                self.take();
                let name = self.identifier()?;
                return Ok((Expression::string(name.clone()), Some(Expression::Variable(name))));
            }
            Token::Sign("(") => {
                self.take();
                let key = self.pipe()?;
                self.expect(")")?;
                self.check_key(&key)?;
                (key, false)
            }
            _ => return self.unexpected(),
        };
        if self.take_sign(":") {
            return Ok((key, Some(self.entry_value()?)));
        }
        if may_stand_alone { Ok((key, None)) } else { self.unexpected() }
    }

    /// Terms, signs and pipes only.
    fn entry_value(&mut self) -> Parsed<Expression> {
        let mut stages = Vec::new();
        loop {
            let mut signs = 0;
            while self.take_sign("-") {
                signs += 1;
            }
            if signs > QUERY_NESTING_MAX {
                return Err(QueryError::TooComplex);
            }
            let term = self.term()?;
            let negate = |term, _| Expression::Negate(Box::new(term));
            stages.push((0..signs).fold(term, negate));
            if !self.take_sign("|") {
                return Ok(join_stages(stages));
            }
        }
    }

    /// A key that is known to be no string is refused at once.
    fn check_key(&self, key: &Expression) -> Parsed<()> {
        match key {
            Expression::Constant(value) if !matches!(value, Value::String(_)) => {
                self.fail(&format!(
                    "cannot use {} ({}) as object key",
                    value.kind(),
                    json::excerpt(value, 15)
                ))
            }
            _ => Ok(()),
        }
    }

    fn patterns(&mut self) -> Parsed<Vec<Pattern>> {
        let mut patterns = vec![self.pattern()?];
        while self.take_sign("?//") {
            patterns.push(self.pattern()?);
        }
        Ok(patterns)
    }

    fn pattern(&mut self) -> Parsed<Pattern> {
        self.nested(|parser| {
            if parser.take_sign("$") {
                return Ok(Pattern::Variable(parser.identifier()?));
            }
            if parser.take_sign("[") {
                let mut items = vec![parser.pattern()?];
                while parser.take_sign(",") {
                    items.push(parser.pattern()?);
                }
                parser.expect("]")?;
                return Ok(Pattern::Array(items));
            }
            parser.expect("{")?;
            let mut entries = vec![parser.pattern_entry()?];
            while parser.take_sign(",") {
                entries.push(parser.pattern_entry()?);
            }
            parser.expect("}")?;
            Ok(Pattern::Object(entries))
        })
    }

    fn pattern_entry(&mut self) -> Parsed<(PatternKey, Option<Pattern>)> {
        let key = match self.peek().clone() {
            Token::Sign("$") => {
                self.take();
                let key = PatternKey::Variable(self.identifier()?);
                let pattern = match self.take_sign(":") {
                    true => Some(self.pattern()?),
                    false => None,
                };
                return Ok((key, pattern));
            }
            Token::Identifier(name) => {
                self.take();
                Expression::string(name)
            }
            Token::Keyword(keyword) => {
                self.take();
                Expression::string(keyword)
            }
            Token::String(_) | Token::Format(_) => self.string()?,
            Token::Sign("(") => {
                self.take();
                let key = self.pipe()?;
                self.expect(")")?;
                self.check_key(&key)?;
                key
            }
            _ => return self.unexpected(),
        };
        self.expect(":")?;
        Ok((PatternKey::Expression(key), Some(self.pattern()?)))
    }
}

/// `a | b | c` is `a | (b | c)`.
fn join_stages(stages: Vec<Expression>) -> Expression {
    let join = |right, left| Expression::Pipe(Box::new(left), Box::new(right));
    stages.into_iter().rev().reduce(join).unwrap_or(Expression::Identity)
}

fn operator_of(sign: &str) -> Option<Operator> {
    Some(match sign {
        "+" => Operator::Add,
        "-" => Operator::Subtract,
        "*" => Operator::Multiply,
        "/" => Operator::Divide,
        "%" => Operator::Modulo,
        "==" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        _ => return None,
    })
}

/// What jq computes while it compiles. It can be told: `0 / 0` is a NaN then, and no error.
fn fold(sign: &str, left: &Expression, right: &Expression) -> Option<Expression> {
    let (Expression::Constant(left), Expression::Constant(right)) = (left, right) else {
        return None;
    };
    let folded = match (sign, left, right) {
        ("+", Value::Null, other) | ("+", other, Value::Null) => other.clone(),
        ("+", Value::String(a), Value::String(b)) => Value::from(format!("{a}{b}")),
        (_, Value::Number(a), Value::Number(b)) => match sign {
            "+" => Value::Number(a + b),
            "-" => Value::Number(a - b),
            "*" => Value::Number(a * b),
            "/" => Value::Number(a / b),
            "==" => Value::Bool(a == b),
            "!=" => Value::Bool(a != b),
            "<" => Value::Bool(a < b),
            ">" => Value::Bool(a > b),
            "<=" => Value::Bool(a <= b),
            ">=" => Value::Bool(a >= b),
            _ => return None,
        },
        _ => return None,
    };
    Some(Expression::Constant(folded))
}

/// What `$__loc__` is.
fn location(line: usize) -> Value {
    let entries = [("file", Value::from("<top-level>")), ("line", Value::from(line))];
    Value::object(entries).unwrap_or(Value::Null)
}
