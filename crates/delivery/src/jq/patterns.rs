//! Taking values apart: `as [$a, {b: $c}]`.

use super::Stop;
use super::machine::{Bound, Environment, Flow, Item, Machine, Track, bind};
use super::program::{Patterns, Shape, ShapeEntry};
use super::value::Value;

/// What has been bound so far. jq's paths know of the steps that lead there.
#[derive(Clone)]
struct Fitted {
    values: Vec<Option<Value>>,
    track: Track,
    /// Whether the last of several values of one variable counts, or the first.
    last_counts: bool,
}

impl Fitted {
    fn assign(&mut self, variable: usize, value: Value) {
        if self.last_counts || self.values[variable].is_none() {
            self.values[variable] = Some(value);
        }
    }
}

type Next<'o> = &'o mut dyn FnMut(Fitted) -> Flow;

impl<'p> Machine<'p> {
    /// Binds the variables of the first pattern that fits, and goes on.
    pub(super) fn take_apart(
        &self,
        patterns: &'p Patterns,
        environment: &Environment<'p>,
        item: Item,
        out: &mut dyn FnMut(&Environment<'p>, Track) -> Flow,
    ) -> Flow {
        if let [Shape::Variable(_)] = patterns.alternatives[..] {
            return out(&bind(environment.clone(), Bound::Value(item.value))?, item.track);
        }
        let last = patterns.alternatives.len() - 1;
        for (index, shape) in patterns.alternatives.iter().enumerate() {
            let values = vec![None; patterns.variables];
            let fitted = Fitted { values, track: item.track.clone(), last_counts: last > 0 };
            let flow = self.fit(shape, &item.value, environment, fitted, &mut |fitted| {
                let mut within = environment.clone();
                for value in fitted.values {
                    within = bind(within, Bound::Value(value.unwrap_or(Value::Null)))?;
                }
                out(&within, fitted.track)
            });
            match flow {
                // Whatever fails behind a pattern that is not the last makes it the wrong one.
                Err(Stop::Error(_)) if index < last => {}
                flow => return flow,
            }
        }
        Ok(())
    }

    fn fit(
        &self,
        shape: &'p Shape,
        value: &Value,
        environment: &Environment<'p>,
        mut fitted: Fitted,
        next: Next<'_>,
    ) -> Flow {
        match shape {
            Shape::Variable(variable) => {
                fitted.assign(*variable, value.clone());
                next(fitted)
            }
            Shape::Array(items) => self.fit_items(items, value, environment, fitted, next),
            Shape::Object(entries) => self.fit_entries(entries, value, environment, fitted, next),
        }
    }

    /// The last item comes first.
    fn fit_items(
        &self,
        items: &'p [Shape],
        value: &Value,
        environment: &Environment<'p>,
        fitted: Fitted,
        next: Next<'_>,
    ) -> Flow {
        let Some((last, before)) = items.split_last() else {
            return next(fitted);
        };
        let key = Value::from(before.len());
        self.fit_at(&key, value, &fitted, &mut |item, fitted| {
            self.fit(last, item, environment, fitted, &mut |fitted| {
                self.fit_items(before, value, environment, fitted, next)
            })
        })
    }

    fn fit_entries(
        &self,
        entries: &'p [ShapeEntry],
        value: &Value,
        environment: &Environment<'p>,
        fitted: Fitted,
        next: Next<'_>,
    ) -> Flow {
        let Some((entry, rest)) = entries.split_first() else {
            return next(fitted);
        };
        let input = Item::new(value.clone());
        self.each(&entry.key, environment, &input, &mut |key| {
            self.fit_at(&key, value, &fitted, &mut |item, mut fitted| {
                if let Some(variable) = entry.variable {
                    fitted.assign(variable, item.clone());
                }
                let mut fit_rest =
                    |fitted| self.fit_entries(rest, value, environment, fitted, next);
                match &entry.shape {
                    Some(shape) => self.fit(shape, item, environment, fitted, &mut fit_rest),
                    None => fit_rest(fitted),
                }
            })
        })
    }

    fn fit_at(
        &self,
        key: &Value,
        value: &Value,
        fitted: &Fitted,
        next: &mut dyn FnMut(&Value, Fitted) -> Flow,
    ) -> Flow {
        let item = Item { value: value.clone(), track: fitted.track.clone() };
        self.index_item(&item, key, false, &mut |found| {
            next(&found.value, Fitted { track: found.track, ..fitted.clone() })
        })
    }
}
