//! The real engine on the real store on a disk that fails, driven by a seed, and checked against what
//! it promises its clients.

mod history;
mod mutant_tests;
mod regression_tests;
mod world;
mod world_tests;
