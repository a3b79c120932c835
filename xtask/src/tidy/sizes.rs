//! How long things may be.

use super::rust;
use super::tree::{Tree, Violation};
use crate::Failure;

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that people write, by their ending.
const WRITTEN: &[&str] = &[".rs", ".py", ".mjs", ".md", ".toml"];

/// No file is too long to be read in one sitting.
pub(super) fn files(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let written = tree.files.iter().filter(|source| {
        WRITTEN.iter().any(|ending| source.path.ends_with(ending)) && !source.is_generated()
    });
    let mut found = Vec::new();
    for source in written {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            let advice = format!("{lines} lines; split by idea below {FILE_LINES_MAX}");
            found.push(Violation::new(&source.path, FILE_LINES_MAX, advice));
        }
    }
    Ok(found)
}

/// No function is too long to be seen at once.
pub(super) fn functions(tree: &Tree) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for source in tree.rust() {
        for function in rust::functions(&rust::blank(&source.text)) {
            if function.lines > FUNCTION_LINES_MAX {
                let advice = format!(
                    "`{}` has {} lines; name its parts, at most {FUNCTION_LINES_MAX}",
                    function.name, function.lines
                );
                found.push(Violation::new(&source.path, function.line, advice));
            }
        }
    }
    Ok(found)
}
