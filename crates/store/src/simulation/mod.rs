//! The real store on a disk that fails, driven by a seed, and checked against what it promises.

mod history;
mod world;
mod world_tests;
