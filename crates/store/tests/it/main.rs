//! The store from outside: its promises, kept over restarts, kills and other processes.

mod basics;
mod folders;
mod kill;
mod support;
