use super::*;

#[test]
fn generated_files_are_fresh() {
    check(&root()).expect("run `cargo xtask codegen`");
}
