//! The short way: expressions that have one result are computed without continuations.

use super::machine::{Bound, Environment, Item, Machine, bind, insert, slice_key, variable};
use super::natives::Run;
use super::program::{Kind, Node};
use super::value::{Object, Value};
use super::{Stop, operators, paths};

impl<'p> Machine<'p> {
    /// The result of a node that [is single](Node::is_single).
    pub(super) fn one(
        &self,
        node: &'p Node,
        environment: &Environment<'p>,
        value: Value,
    ) -> Result<Value, Stop> {
        // The common ones need no depth of their own.
        match &node.kind {
            Kind::Identity => return Ok(value),
            Kind::Constant(constant) => return Ok(constant.clone()),
            Kind::Variable(index) => return Ok(variable(environment, *index)),
            _ => {}
        }
        self.charge(1)?;
        self.deeper(|| self.compute(node, environment, value))
    }

    fn compute(
        &self,
        node: &'p Node,
        environment: &Environment<'p>,
        value: Value,
    ) -> Result<Value, Stop> {
        match &node.kind {
            Kind::Index { term, key, .. } => match &key.kind {
                Kind::Constant(key) => {
                    let found = self.one(term, environment, value)?;
                    paths::index(self, &found, key)
                }
                _ => {
                    let key = self.one(key, environment, value.clone())?;
                    let found = self.one(term, environment, value)?;
                    paths::index(self, &found, &key)
                }
            },
            Kind::Slice { term, from, upto, .. } => {
                let bound = |bound: &'p Option<Box<Node>>| match bound {
                    Some(bound) => self.one(bound, environment, value.clone()),
                    None => Ok(Value::Null),
                };
                let key = slice_key(bound(from)?, bound(upto)?)?;
                let found = self.one(term, environment, value)?;
                paths::index(self, &found, &key)
            }
            Kind::Pipe(first, second) => {
                let value = self.one(first, environment, value)?;
                self.one(second, environment, value)
            }
            Kind::Alternative(first, second) => {
                let found = self.one(first, environment, value.clone())?;
                if found.is_truthy() { Ok(found) } else { self.one(second, environment, value) }
            }
            Kind::And(first, second) => self.decide(false, first, second, environment, value),
            Kind::Or(first, second) => self.decide(true, first, second, environment, value),
            Kind::Binary(operator, left, right) => {
                let right = self.one(right, environment, value.clone())?;
                let left = self.one(left, environment, value)?;
                operators::apply(self, *operator, left, right)
            }
            Kind::If { condition, then, otherwise } => {
                let chosen = self.one(condition, environment, value.clone())?;
                let branch = if chosen.is_truthy() { then } else { otherwise };
                self.one(branch, environment, value)
            }
            Kind::Collect(items) => self.collect(items, environment, value),
            Kind::Construct(entries) => self.construct_one(entries, environment, &value),
            Kind::GetPath(path) => {
                let path = self.one(path, environment, value.clone())?;
                paths::get_path(self, &value, &path)
            }
            Kind::Native(native, arguments) => {
                self.call_one(&native.run, arguments, environment, value)
            }
            Kind::Bind { source, body, .. } => {
                let bound = self.one(source, environment, value.clone())?;
                self.one(body, &bind(environment.clone(), Bound::Value(bound))?, value)
            }
            Kind::Call { function, arguments, skip } => {
                let within = self.enter(arguments, *skip, environment)?;
                self.one(&self.program.functions[*function], &within, value)
            }
            _ => self.run_for_one(node, environment, value),
        }
    }

    /// What has one result, but runs others within.
    fn run_for_one(
        &self,
        node: &'p Node,
        environment: &Environment<'p>,
        value: Value,
    ) -> Result<Value, Stop> {
        let mut result = Value::Null;
        self.run_control(node, environment, Item::new(value), &mut |item| {
            result = item.value;
            Ok(())
        })?;
        Ok(result)
    }

    fn decide(
        &self,
        decides: bool,
        first: &'p Node,
        second: &'p Node,
        environment: &Environment<'p>,
        value: Value,
    ) -> Result<Value, Stop> {
        let found = self.one(first, environment, value.clone())?;
        if found.is_truthy() == decides {
            return Ok(Value::Bool(decides));
        }
        Ok(Value::Bool(self.one(second, environment, value)?.is_truthy()))
    }

    fn construct_one(
        &self,
        entries: &'p [(Node, Option<Node>)],
        environment: &Environment<'p>,
        value: &Value,
    ) -> Result<Value, Stop> {
        let mut object = Object::with_capacity(entries.len());
        for (key, field) in entries {
            let key = self.one(key, environment, value.clone())?;
            let field = match field {
                Some(field) => self.one(field, environment, value.clone())?,
                None => paths::index(self, value, &key)?,
            };
            insert(&mut object, &key, field)?;
        }
        Ok(object.into())
    }

    /// The last argument is the first to be computed.
    fn call_one(
        &self,
        run: &Run,
        arguments: &'p [Node],
        environment: &Environment<'p>,
        value: Value,
    ) -> Result<Value, Stop> {
        let argument = |index: usize| self.one(&arguments[index], environment, value.clone());
        match run {
            Run::Zero(run) => run(self, value),
            Run::One(run) => {
                let first = argument(0)?;
                run(self, value, first)
            }
            Run::Two(run) => {
                let second = argument(1)?;
                let first = argument(0)?;
                run(self, value, first, second)
            }
            Run::Three(run) => {
                let third = argument(2)?;
                let second = argument(1)?;
                let first = argument(0)?;
                run(self, value, first, second, third)
            }
        }
    }
}
