//! Runs programs. Results are handed to a continuation, deepest first: what comes behind an
//! expression runs within it, as it does on jq's stack. So a `try` of jq 1.6 catches the errors of
//! what its results are piped into, as well, and this one does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::program::{Kind, Node, Program, Shape};
use super::value::{Object, Value};
use super::{Stop, json, operators, paths};
use crate::limits::{
    QUERY_BYTES_MAX, QUERY_DEPTH_MAX, QUERY_ENVIRONMENT_MAX, QUERY_STACK_BYTES_MAX,
    QUERY_STEPS_MAX, QUERY_VALUE_DEPTH_MAX,
};

pub(super) type Flow = Result<(), Stop>;
pub(super) type Out<'o> = &'o mut dyn FnMut(Item) -> Flow;

/// One run of a program, and what it may still use.
pub(super) struct Machine<'p> {
    pub(super) program: &'p Program,
    /// Seconds since 1970.
    pub(super) now: f64,
    steps: Cell<u64>,
    bytes: Cell<usize>,
    depth: Cell<u32>,
    /// Where the thread's stack was at the start.
    stack: usize,
    labels: Cell<u32>,
}

/// A result, and where it was found if somebody wants to know its path.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) track: Track,
}

pub(super) type Track = Option<Rc<Place>>;

/// The end of a path: the value that it leads to, and how.
pub(super) struct Place {
    parent: Track,
    key: Value,
    length: u32,
    value: Value,
}

impl Place {
    fn path(&self) -> Result<Value, Stop> {
        let mut keys = Vec::with_capacity(self.length as usize);
        let mut place = self;
        while let Some(parent) = &place.parent {
            keys.push(place.key.clone());
            place = parent;
        }
        keys.reverse();
        Value::array(keys)
    }

    fn step(from: &Rc<Place>, key: Value, value: Value) -> Result<Rc<Place>, Stop> {
        if from.length >= QUERY_VALUE_DEPTH_MAX {
            return Err(Stop::depth());
        }
        Ok(Rc::new(Place { parent: Some(from.clone()), key, length: from.length + 1, value }))
    }
}

/// What variables are bound to, innermost first.
pub(super) type Environment<'p> = Option<Rc<Binding<'p>>>;

pub(super) struct Binding<'p> {
    bound: Bound<'p>,
    outer: Environment<'p>,
    length: u32,
}

pub(super) enum Bound<'p> {
    Value(Value),
    Closure(&'p Node, Environment<'p>),
}

pub(super) fn bind<'p>(outer: Environment<'p>, bound: Bound<'p>) -> Result<Environment<'p>, Stop> {
    let captured = match &bound {
        Bound::Closure(_, Some(environment)) => environment.length,
        _ => 0,
    };
    let length = 1 + captured.max(outer.as_ref().map_or(0, |outer| outer.length));
    if length > QUERY_ENVIRONMENT_MAX {
        return Err(Stop::depth());
    }
    Ok(Some(Rc::new(Binding { bound, outer, length })))
}

fn outward<'e, 'p>(environment: &'e Environment<'p>, skip: usize) -> &'e Environment<'p> {
    let mut environment = environment;
    for _ in 0..skip {
        if let Some(binding) = environment {
            environment = &binding.outer;
        }
    }
    environment
}

pub(super) fn variable(environment: &Environment<'_>, index: usize) -> Value {
    match outward(environment, index).as_deref() {
        Some(Binding { bound: Bound::Value(value), .. }) => value.clone(),
        _ => Value::Null,
    }
}

/// A node that can be run without a continuation, perhaps through closures.
fn as_single<'p>(
    node: &'p Node,
    environment: &Environment<'p>,
) -> Option<(&'p Node, Environment<'p>)> {
    let (mut node, mut environment) = (node, environment);
    loop {
        match node.kind {
            _ if node.is_single => return Some((node, environment.clone())),
            Kind::Closure(index) => match outward(environment, index).as_deref() {
                Some(Binding { bound: Bound::Closure(body, within), .. }) => {
                    (node, environment) = (body, within);
                }
                _ => return None,
            },
            _ => return None,
        }
    }
}

impl Item {
    pub(super) fn new(value: Value) -> Item {
        Item { value, track: None }
    }

    /// Another value at the same place of the search, which is what jq checks paths by.
    fn with(&self, value: Value) -> Item {
        Item { value, track: self.track.clone() }
    }
}

impl<'p> Machine<'p> {
    pub(super) fn new(program: &'p Program, now: f64) -> Self {
        Machine {
            program,
            now,
            steps: Cell::new(QUERY_STEPS_MAX),
            bytes: Cell::new(QUERY_BYTES_MAX),
            depth: Cell::new(0),
            stack: stack_address(),
            labels: Cell::new(0),
        }
    }

    /// Runs the program on one value.
    pub(super) fn start(&self, input: Value, out: Out<'_>) -> Flow {
        self.run(&self.program.main, &None, Item::new(input), out)
    }

    /// Pays for work.
    pub(super) fn charge(&self, steps: u64) -> Flow {
        let left = self.steps.get().checked_sub(steps);
        self.steps.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(Stop::steps)
    }

    /// Pays for memory, and the work of filling it.
    pub(super) fn allocate(&self, bytes: usize) -> Flow {
        let left = self.bytes.get().checked_sub(bytes).ok_or_else(Stop::memory)?;
        self.bytes.set(left);
        self.charge(bytes as u64 / 64)
    }

    /// Pays for walking through all of a value.
    pub(super) fn walk(&self, value: &Value) -> Flow {
        self.charge(value.weight().nodes)
    }

    pub(super) fn deeper<T>(&self, run: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
        let depth = self.depth.get() + 1;
        if depth > QUERY_DEPTH_MAX || self.stack.abs_diff(stack_address()) > QUERY_STACK_BYTES_MAX {
            return Err(Stop::depth());
        }
        self.depth.set(depth);
        let result = run();
        self.depth.set(depth - 1);
        result
    }

    /// Runs a node on an item, and `out` on each result.
    pub(super) fn run(
        &self,
        node: &'p Node,
        environment: &Environment<'p>,
        item: Item,
        out: Out<'_>,
    ) -> Flow {
        self.deeper(|| self.run_loop(node, environment.clone(), item, out))
    }

    /// What ends in another node goes on with it here, so that loops written as recursion need no
    /// stack.
    fn run_loop(
        &self,
        mut node: &'p Node,
        mut environment: Environment<'p>,
        mut item: Item,
        out: Out<'_>,
    ) -> Flow {
        loop {
            self.charge(1)?;
            if node.is_single && item.track.is_none() {
                let value = self.one(node, &environment, item.value)?;
                return out(Item::new(value));
            }
            match &node.kind {
                Kind::Pipe(first, second) => {
                    if item.track.is_none()
                        && let Some((first, within)) = as_single(first, &environment)
                    {
                        item.value = self.one(first, &within, item.value)?;
                        node = second;
                        continue;
                    }
                    let environment = &environment;
                    return self.run(first, environment, item, &mut |item| {
                        self.run(second, environment, item, out)
                    });
                }
                Kind::Comma(first, second) => {
                    self.run(first, &environment, item.clone(), out)?;
                    node = second;
                }
                Kind::Alternative(first, second) => {
                    if self.truths(first, &environment, item.clone(), out)? {
                        return Ok(());
                    }
                    node = second;
                }
                Kind::If { condition, then, otherwise } => {
                    let Some((condition, within)) = as_single(condition, &environment) else {
                        return self.run_other(node, &environment, item, out);
                    };
                    let value = self.one(condition, &within, item.value.clone())?;
                    node = if value.is_truthy() { then } else { otherwise };
                }
                Kind::Call { function, arguments, skip } => {
                    environment = self.enter(arguments, *skip, &environment)?;
                    node = &self.program.functions[*function];
                }
                Kind::Closure(index) => match outward(&environment, *index).as_deref() {
                    Some(Binding { bound: Bound::Closure(body, within), .. }) => {
                        (node, environment) = (body, within.clone());
                    }
                    _ => return Ok(()),
                },
                Kind::Bind { source, patterns, body }
                    if source.is_single
                        && matches!(patterns.alternatives[..], [Shape::Variable(_)]) =>
                {
                    let value = self.one(source, &environment, item.value.clone())?;
                    environment = bind(environment, Bound::Value(value))?;
                    node = body;
                }
                _ => return self.run_other(node, &environment, item, out),
            }
        }
    }

    /// Hands on what is true, and says whether anything was.
    fn truths(
        &self,
        node: &'p Node,
        environment: &Environment<'p>,
        item: Item,
        out: Out<'_>,
    ) -> Result<bool, Stop> {
        let mut is_found = false;
        self.run(node, environment, item, &mut |item| {
            if !item.value.is_truthy() {
                return Ok(());
            }
            is_found = true;
            out(item)
        })?;
        Ok(is_found)
    }

    pub(super) fn enter(
        &self,
        arguments: &'p [Node],
        skip: usize,
        environment: &Environment<'p>,
    ) -> Result<Environment<'p>, Stop> {
        let mut within = outward(environment, skip).clone();
        for argument in arguments {
            within = bind(within, Bound::Closure(argument, environment.clone()))?;
        }
        Ok(within)
    }

    /// What neither is single nor goes on elsewhere.
    fn run_other(
        &self,
        node: &'p Node,
        environment: &Environment<'p>,
        item: Item,
        out: Out<'_>,
    ) -> Flow {
        match &node.kind {
            Kind::Identity => out(item),
            Kind::Constant(value) => out(item.with(value.clone())),
            Kind::Variable(index) => out(item.with(variable(environment, *index))),
            Kind::Empty => Ok(()),
            Kind::Index { term, key, optional } => self.each(key, environment, &item, &mut |key| {
                self.run(term, environment, item.clone(), &mut |found| {
                    self.index_item(&found, &key, *optional, out)
                })
            }),
            Kind::Slice { term, from, upto, optional } => {
                self.bounds(from, upto, environment, &item, &mut |key| {
                    self.run(term, environment, item.clone(), &mut |found| {
                        self.index_item(&found, &key, *optional, out)
                    })
                })
            }
            Kind::Iterate { term, optional } => {
                self.run(term, environment, item, &mut |item| self.iterate(&item, *optional, out))
            }
            Kind::And(first, second) => self.logic(false, first, second, environment, &item, out),
            Kind::Or(first, second) => self.logic(true, first, second, environment, &item, out),
            Kind::Binary(operator, left, right) => {
                self.each(right, environment, &item, &mut |right| {
                    self.each(left, environment, &item, &mut |left| {
                        let value = operators::apply(self, *operator, left, right.clone())?;
                        out(item.with(value))
                    })
                })
            }
            Kind::If { condition, then, otherwise } => {
                self.each(condition, environment, &item, &mut |value| {
                    let branch = if value.is_truthy() { then } else { otherwise };
                    self.run(branch, environment, item.clone(), out)
                })
            }
            Kind::Collect(items) => {
                let collected = self.collect(items, environment, item.value.clone())?;
                out(item.with(collected))
            }
            Kind::Construct(entries) => {
                self.construct(entries, environment, &item, Object::default(), out)
            }
            Kind::Native(native, arguments) => {
                self.arguments(arguments, environment, &item, Vec::new(), &mut |arguments| {
                    let value = native.call(self, item.value.clone(), arguments)?;
                    out(item.with(value))
                })
            }
            Kind::GetPath(path) => self
                .each(path, environment, &item, &mut |path| out(self.get_path_item(&item, &path)?)),
            Kind::Error(message) => {
                self.each(message, environment, &item, &mut |message| match message {
                    // An error without a message is none.
                    Value::Null => Ok(()),
                    message => Err(Stop::Error(message)),
                })
            }
            _ => self.run_control(node, environment, item, out),
        }
    }

    /// Loops, bindings and jumps.
    pub(super) fn run_control(
        &self,
        node: &'p Node,
        environment: &Environment<'p>,
        item: Item,
        out: Out<'_>,
    ) -> Flow {
        match &node.kind {
            Kind::Try { body, handler } => {
                match (self.run(body, environment, item.clone(), out), handler) {
                    (Err(Stop::Error(_)), None) => Ok(()),
                    // A break is an error like any other to jq 1.6.
                    (Err(Stop::Error(error)), Some(handler)) => {
                        self.run(handler, environment, item.with(error), out)
                    }
                    (flow, _) => flow,
                }
            }
            Kind::Reduce { start, .. } | Kind::Foreach { start, .. } => {
                // jq gives its input away for the first start: for any other, there is none.
                let input = RefCell::new(item.value.clone());
                self.run(start, environment, item, &mut |start| {
                    let value = input.replace(Value::Null);
                    self.fold(&node.kind, environment, value, start, out)
                })
            }
            Kind::Bind { source, patterns, body } => {
                self.each(source, environment, &item, &mut |value| {
                    let found = item.with(value);
                    self.take_apart(patterns, environment, found, &mut |within, track| {
                        let value = item.value.clone();
                        self.run(body, within, Item { value, track }, out)
                    })
                })
            }
            Kind::Label(body) => self.label(body, environment, item, out),
            Kind::Break(index) => Err(Stop::Error(variable(environment, *index))),
            Kind::Path(body) => self.path(body, environment, &item, out),
            Kind::Range(from, upto) => self.run(from, environment, item.clone(), &mut |from| {
                let input = Item { value: item.value.clone(), track: from.track };
                self.run(upto, environment, input, &mut |upto| self.range(&from.value, &upto, out))
            }),
            _ => Ok(()),
        }
    }

    /// `reduce` and `foreach`, from one start on.
    fn fold(
        &self,
        kind: &'p Kind,
        environment: &Environment<'p>,
        value: Value,
        start: Item,
        out: Out<'_>,
    ) -> Flow {
        let (Kind::Reduce { source, patterns, update, .. }
        | Kind::Foreach { source, patterns, update, .. }) = kind
        else {
            return Ok(());
        };
        let mut state = start.value;
        let source_item = Item { value, track: start.track.clone() };
        self.run(source, environment, source_item, &mut |found| {
            self.take_apart(patterns, environment, found, &mut |within, track| {
                // Without a result, there is no state any more.
                let value = std::mem::replace(&mut state, Value::Null);
                self.run(update, within, Item { value, track }, &mut |item| match kind {
                    Kind::Foreach { extract, .. } => {
                        state = item.value.clone();
                        match extract {
                            Some(extract) => self.run(extract, within, item, out),
                            None => out(item),
                        }
                    }
                    _ => {
                        state = item.value;
                        Ok(())
                    }
                })
            })
        })?;
        match kind {
            Kind::Reduce { .. } => out(Item { value: state, track: start.track }),
            _ => Ok(()),
        }
    }

    fn label(
        &self,
        body: &'p Node,
        environment: &Environment<'p>,
        item: Item,
        out: Out<'_>,
    ) -> Flow {
        let number = self.labels.get();
        self.labels.set(number + 1);
        let label = Value::object([("__jq", Value::from(number as usize))])?;
        let within = bind(environment.clone(), Bound::Value(label.clone()))?;
        match self.run(body, &within, item, out) {
            Err(Stop::Error(error)) if error.equals(&label) => Ok(()),
            flow => flow,
        }
    }

    fn path(
        &self,
        body: &'p Node,
        environment: &Environment<'p>,
        item: &Item,
        out: Out<'_>,
    ) -> Flow {
        let value = item.value.clone();
        let root = Place { parent: None, key: Value::Null, length: 0, value: value.clone() };
        let start = Item { value, track: Some(Rc::new(root)) };
        self.run(body, environment, start, &mut |found| {
            let place = found.track.as_ref().filter(|place| place.value.is(&found.value));
            let Some(place) = place else {
                let result = json::excerpt(&found.value, 30);
                return Err(Stop::error(format!("Invalid path expression with result {result}")));
            };
            self.charge(u64::from(place.length))?;
            out(item.with(place.path()?))
        })
    }

    fn range(&self, from: &Value, upto: &Item, out: Out<'_>) -> Flow {
        let (Value::Number(from), Value::Number(end)) = (from, &upto.value) else {
            return Err(Stop::error("Range bounds must be numeric".to_owned()));
        };
        let mut number = *from;
        while number < *end {
            self.charge(1)?;
            out(upto.with(Value::Number(number)))?;
            number += 1.0;
        }
        Ok(())
    }

    /// The results of an expression whose path is of no interest.
    pub(super) fn each(
        &self,
        node: &'p Node,
        environment: &Environment<'p>,
        item: &Item,
        out: &mut dyn FnMut(Value) -> Flow,
    ) -> Flow {
        if let Some((node, within)) = as_single(node, environment) {
            return out(self.one(node, &within, item.value.clone())?);
        }
        self.run(node, environment, Item::new(item.value.clone()), &mut |item| out(item.value))
    }

    /// The keys that slices are to jq. The beginning is the outer loop.
    fn bounds(
        &self,
        from: &'p Option<Box<Node>>,
        upto: &'p Option<Box<Node>>,
        environment: &Environment<'p>,
        item: &Item,
        out: &mut dyn FnMut(Value) -> Flow,
    ) -> Flow {
        let bound = |node: &'p Option<Box<Node>>, out: &mut dyn FnMut(Value) -> Flow| match node {
            Some(node) => self.each(node, environment, item, out),
            None => out(Value::Null),
        };
        bound(from, &mut |from| bound(upto, &mut |upto| out(slice_key(from.clone(), upto)?)))
    }

    fn logic(
        &self,
        decides: bool,
        first: &'p Node,
        second: &'p Node,
        environment: &Environment<'p>,
        item: &Item,
        out: Out<'_>,
    ) -> Flow {
        self.run(first, environment, item.clone(), &mut |found| {
            if found.value.is_truthy() == decides {
                return out(found.with(Value::Bool(decides)));
            }
            let input = Item { value: item.value.clone(), track: found.track };
            self.run(second, environment, input, &mut |found| {
                out(found.with(Value::Bool(found.value.is_truthy())))
            })
        })
    }

    pub(super) fn collect(
        &self,
        items: &'p Node,
        environment: &Environment<'p>,
        value: Value,
    ) -> Result<Value, Stop> {
        let mut collected = Vec::new();
        self.run(items, environment, Item::new(value), &mut |item| {
            self.allocate(size_of::<Value>())?;
            collected.push(item.value);
            Ok(())
        })?;
        Value::array(collected)
    }

    /// The first entry is the outermost loop.
    fn construct(
        &self,
        entries: &'p [(Node, Option<Node>)],
        environment: &Environment<'p>,
        item: &Item,
        object: Object,
        out: Out<'_>,
    ) -> Flow {
        let Some(((key, value), rest)) = entries.split_first() else {
            return out(item.with(object.into()));
        };
        self.each(key, environment, item, &mut |key| {
            let mut with_value = |value| {
                let mut object = object.clone();
                insert(&mut object, &key, value)?;
                self.construct(rest, environment, item, object, out)
            };
            match value {
                Some(value) => self.each(value, environment, item, &mut with_value),
                None => with_value(paths::index(self, &item.value, &key)?),
            }
        })
    }

    /// The last argument is the outermost loop.
    fn arguments(
        &self,
        nodes: &'p [Node],
        environment: &Environment<'p>,
        item: &Item,
        behind: Vec<Value>,
        out: &mut dyn FnMut(Vec<Value>) -> Flow,
    ) -> Flow {
        let Some((last, before)) = nodes.split_last() else {
            return out(behind.into_iter().rev().collect());
        };
        self.each(last, environment, item, &mut |value| {
            let mut behind = behind.clone();
            behind.push(value);
            self.arguments(before, environment, item, behind, out)
        })
    }

    pub(super) fn index_item(
        &self,
        item: &Item,
        key: &Value,
        optional: bool,
        out: Out<'_>,
    ) -> Flow {
        if let Some(place) = &item.track
            && !place.value.is(&item.value)
        {
            let (key, of) = (json::excerpt(key, 15), json::excerpt(&item.value, 30));
            return Err(Stop::error(format!(
                "Invalid path expression near attempt to access element {key} of {of}"
            )));
        }
        match paths::index(self, &item.value, key) {
            Ok(value) => {
                let track = item.track.as_ref();
                let track = track.map(|place| Place::step(place, key.clone(), value.clone()));
                out(Item { value, track: track.transpose()? })
            }
            Err(Stop::Error(_)) if optional => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    fn iterate(&self, item: &Item, optional: bool, out: Out<'_>) -> Flow {
        if let Some(place) = &item.track
            && !place.value.is(&item.value)
        {
            let container = json::excerpt(&item.value, 30);
            return Err(Stop::error(format!(
                "Invalid path expression near attempt to iterate through {container}"
            )));
        }
        let mut step = |key: &dyn Fn() -> Value, value: &Value| {
            self.charge(1)?;
            let track = item.track.as_ref();
            let track = track.map(|place| Place::step(place, key(), value.clone()));
            out(Item { value: value.clone(), track: track.transpose()? })
        };
        match &item.value {
            Value::Array(array) => {
                let mut items = array.items().iter().enumerate();
                items.try_for_each(|(index, value)| step(&|| Value::from(index), value))
            }
            Value::Object(object) => {
                let mut entries = object.iter();
                entries.try_for_each(|(key, value)| step(&|| Value::String(key.clone()), value))
            }
            _ if optional => Ok(()),
            value => Err(Stop::error(format!(
                "Cannot iterate over {} ({})",
                value.kind(),
                json::excerpt(value, 15)
            ))),
        }
    }

    fn get_path_item(&self, item: &Item, path: &Value) -> Result<Item, Stop> {
        let value = paths::get_path(self, &item.value, path)?;
        let mut track = item.track.clone();
        if let (Some(place), Value::Array(keys)) = (&item.track, path)
            && place.value.is(&item.value)
        {
            let mut place = place.clone();
            for key in keys.items() {
                place = Place::step(&place, key.clone(), value.clone())?;
            }
            if keys.items().is_empty() {
                place = Rc::new(Place {
                    parent: place.parent.clone(),
                    key: place.key.clone(),
                    length: place.length,
                    value: value.clone(),
                });
            }
            track = Some(place);
        }
        Ok(Item { value, track })
    }
}

/// About where the thread's stack ends now. Frames differ too much for a count of them to bound it.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0u8;
    std::hint::black_box(&raw const here) as usize
}

/// The key that `[from:upto]` is to jq.
pub(super) fn slice_key(from: Value, upto: Value) -> Result<Value, Stop> {
    Value::object([("start", from), ("end", upto)])
}

/// Puts an entry into an object that is being constructed.
pub(super) fn insert(object: &mut Object, key: &Value, value: Value) -> Flow {
    match key {
        Value::String(key) => object.insert(key.clone(), value),
        _ => Err(Stop::error(format!(
            "Cannot use {} ({}) as object key",
            key.kind(),
            json::excerpt(key, 15)
        ))),
    }
}
