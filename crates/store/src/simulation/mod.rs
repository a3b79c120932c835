//! The real store on a disk that fails, driven by a seed, and checked against what it promises.

mod chaos;
mod flip_tests;
mod history;
mod liar;
mod mutant_tests;
mod world;
mod world_tests;
