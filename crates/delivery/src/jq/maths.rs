//! Functions of numbers, as the C library has them.

use super::machine::Machine;
use super::natives::{Computed, Native, Run};
use super::number::to_i32;
use super::operators::type_error;
use super::value::Value;

type Unary = fn(f64) -> f64;
type Binary = fn(f64, f64) -> f64;

macro_rules! unary {
    ($name:literal, $function:expr) => {
        Native { name: $name, run: Run::Zero(|_, input| apply(&input, $function)) }
    };
}

macro_rules! binary {
    ($name:literal, $function:expr) => {
        Native { name: $name, run: Run::Two(|_, _, a, b| apply_two(&a, &b, $function)) }
    };
}

pub(super) static NATIVES: &[Native] = &[
    unary!("floor", f64::floor),
    unary!("ceil", f64::ceil),
    unary!("round", f64::round),
    unary!("trunc", f64::trunc),
    unary!("rint", f64::round_ties_even),
    unary!("nearbyint", f64::round_ties_even),
    unary!("fabs", f64::abs),
    unary!("sqrt", f64::sqrt),
    unary!("exp", f64::exp),
    unary!("exp2", f64::exp2),
    unary!("expm1", f64::exp_m1),
    unary!("log", f64::ln),
    unary!("log2", f64::log2),
    unary!("log10", f64::log10),
    unary!("log1p", f64::ln_1p),
    unary!("logb", logb),
    unary!("significand", significand),
    unary!("sin", f64::sin),
    unary!("cos", f64::cos),
    unary!("tan", f64::tan),
    unary!("asin", f64::asin),
    unary!("acos", f64::acos),
    unary!("atan", f64::atan),
    unary!("sinh", f64::sinh),
    unary!("cosh", f64::cosh),
    unary!("tanh", f64::tanh),
    binary!("pow", f64::powf),
    binary!("atan2", f64::atan2),
    binary!("hypot", f64::hypot),
    binary!("copysign", f64::copysign),
    binary!("fmod", |a, b| a % b),
    binary!("remainder", libm::remainder),
    binary!("drem", libm::remainder),
    binary!("fdim", libm::fdim),
    binary!("fmax", f64::max),
    binary!("fmin", f64::min),
    binary!("nextafter", libm::nextafter),
    binary!("nexttoward", libm::nextafter),
    binary!("scalb", scalb),
    binary!("scalbln", |number, exponent| libm::ldexp(number, to_i32(exponent))),
    binary!("ldexp", |number, exponent| libm::ldexp(number, to_i32(exponent))),
    Native { name: "fma", run: Run::Three(|_, _, a, b, c| multiply_add(&a, &b, &c)) },
    Native { name: "frexp", run: Run::Zero(|_, input| frexp(&input)) },
    Native { name: "modf", run: Run::Zero(|_, input| modf(&input)) },
    Native { name: "infinite", run: Run::Zero(|_, _| Ok(f64::INFINITY.into())) },
    Native { name: "nan", run: Run::Zero(|_, _| Ok(f64::NAN.into())) },
    Native { name: "isinfinite", run: Run::Zero(|_, input| is(&input, f64::is_infinite)) },
    Native { name: "isnan", run: Run::Zero(|_, input| is(&input, f64::is_nan)) },
    Native { name: "isnormal", run: Run::Zero(|_, input| is(&input, f64::is_normal)) },
    Native {
        name: "isfinite",
        run: Run::Zero(|_: &Machine<'_>, input| is(&input, |number| !number.is_infinite())),
    },
];

fn number(value: &Value) -> Result<f64, super::Stop> {
    match value {
        Value::Number(number) => Ok(*number),
        _ => Err(type_error(value, "number required")),
    }
}

fn apply(input: &Value, function: Unary) -> Computed {
    Ok(function(number(input)?).into())
}

fn apply_two(a: &Value, b: &Value, function: Binary) -> Computed {
    Ok(function(number(a)?, number(b)?).into())
}

fn multiply_add(a: &Value, b: &Value, c: &Value) -> Computed {
    let (a, b, c) = (number(a)?, number(b)?, number(c)?);
    Ok(a.mul_add(b, c).into())
}

fn is(input: &Value, is_so: fn(f64) -> bool) -> Computed {
    Ok(matches!(input, Value::Number(number) if is_so(*number)).into())
}

/// The exponent of two, of the largest power that is not larger.
fn logb(number: f64) -> f64 {
    match number {
        _ if number == 0.0 => f64::NEG_INFINITY,
        _ if number.is_infinite() => f64::INFINITY,
        _ if number.is_nan() => number,
        _ => f64::from(libm::ilogb(number)),
    }
}

fn significand(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    libm::ldexp(number, -libm::ilogb(number))
}

/// Beyond this many powers of two either way, every number is nothing or infinite.
const SCALE_MAX: f64 = 65_000.0;

fn scalb(number: f64, exponent: f64) -> f64 {
    if exponent.is_infinite() {
        return if exponent > 0.0 { number * exponent } else { number / -exponent };
    }
    if exponent.fract() != 0.0 || exponent.is_nan() {
        return f64::NAN;
    }
    libm::ldexp(number, exponent.clamp(-SCALE_MAX, SCALE_MAX) as i32)
}

fn frexp(input: &Value) -> Computed {
    let number = number(input)?;
    let (fraction, exponent) = if number.is_finite() { libm::frexp(number) } else { (number, 0) };
    Value::array(vec![fraction.into(), f64::from(exponent).into()])
}

fn modf(input: &Value) -> Computed {
    let number = number(input)?;
    let whole = number.trunc();
    let fraction = if number.is_infinite() { 0.0 } else { number - whole };
    Value::array(vec![fraction.copysign(number).into(), whole.into()])
}
