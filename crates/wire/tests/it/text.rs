//! Lengths and patterns.

use wire::constraint::is_text_length;
use wire::pattern::{Pattern, Step};

#[test]
fn lengths_are_javas() {
    // Bytes, characters and UTF-16 units differ; units count.
    for (text, units) in [("", 0), ("a", 1), ("é", 1), ("語", 1), ("🌊", 2), ("a🌊語", 4)] {
        for min in 0..6 {
            for max in 0..6 {
                let expected = (min..=max).contains(&units);
                assert_eq!(is_text_length(text, min, max), expected, "{text} {min} {max}");
            }
        }
    }
}

/// `a(b|cd)*`
static BRANCHES: Pattern = Pattern {
    source: "a(b|cd)*",
    unless: &[],
    program: &[
        Step::Set(&[('a', 'a')], false),
        Step::Split(2, 7),
        Step::Split(3, 5),
        Step::Set(&[('b', 'b')], false),
        Step::Jump(1),
        Step::Set(&[('c', 'c')], false),
        Step::Set(&[('d', 'd')], false),
        Step::Accept,
    ],
};

#[test]
fn a_step_that_falls_off_its_branch_accepts_only_at_the_end() {
    for (text, expected) in [
        ("a", true),
        ("ab", true),
        ("abb", true),
        ("acd", true),
        ("ac", false),
        ("", false),
        ("b", false),
    ] {
        assert_eq!(BRANCHES.matches(text), expected, "{text}");
    }
}

/// `(a*)*`, as the compiler writes it: it can loop without taking a character.
static LOOPS: Pattern = Pattern {
    source: "(a*)*",
    unless: &[],
    program: &[
        Step::Split(1, 5),
        Step::Split(2, 4),
        Step::Set(&[('a', 'a')], false),
        Step::Jump(1),
        Step::Jump(0),
        Step::Accept,
    ],
};

#[test]
fn empty_loops_end() {
    assert!(LOOPS.matches(""));
    assert!(LOOPS.matches(&"a".repeat(10_000)));
    assert!(!LOOPS.matches("aab"));
}

/// `[a-z]+`
static NAME: Pattern = Pattern {
    source: "[a-z]+",
    unless: &[],
    program: &[Step::Set(&[('a', 'z')], false), Step::Split(0, 2), Step::Accept],
};

#[test]
fn the_short_way_agrees() {
    for (text, expected) in [("", false), ("a", true), ("az", true), ("aZ", false), ("é", false)] {
        assert_eq!(NAME.matches(text), expected, "{text}");
    }
}
