//! levada
fn main() {}
