//! The engine over a real store in memory, with a clock of its own and a world that fails on purpose.

mod conversion;
mod crashes;
mod delivering;
mod fixture;
mod kinesis;
mod staging;
mod world;
