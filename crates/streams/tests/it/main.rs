//! The engine over a real store in memory, with a clock of its own.

mod fixture;
mod lifecycle;
mod reading;
mod resharding;
mod subscribing;
