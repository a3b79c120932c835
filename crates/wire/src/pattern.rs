//! A model's regular expressions, compiled by the code generator into programs.
//!
//! A program runs as a set of places at once, so its time is linear in the text: AWS's ARN
//! patterns (`arn:aws.*:kinesis:.*:…`) would cost a backtracking matcher seconds for a hostile
//! text of 2048 characters.

/// A compiled expression. Like Java's `matches`, it is about the whole text.
#[derive(Debug)]
pub struct Pattern {
    /// As the model writes it, and AWS quotes it.
    pub source: &'static str,
    /// Its program.
    pub program: &'static [Step],
    /// The program of what must not match as well: the look-ahead that it starts with. Usually none.
    pub unless: &'static [Step],
}

/// One step of a program.
#[derive(Debug)]
pub enum Step {
    /// Takes a character within the ranges, which are in order, or outside them if negated.
    Set(&'static [(char, char)], bool),
    /// Goes on at both.
    Split(u16, u16),
    /// Goes on there.
    Jump(u16),
    /// The text may end here.
    Accept,
}

impl Pattern {
    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        // `[a-z]+` is what nearly every name asks for.
        if let [Step::Set(ranges, negated), Step::Split(0, 2), Step::Accept] = self.program
            && self.unless.is_empty()
        {
            return !text.is_empty() && text.chars().all(|letter| has(ranges, letter) != *negated);
        }
        accepts(self.program, text) && (self.unless.is_empty() || !accepts(self.unless, text))
    }
}

fn accepts(program: &'static [Step], text: &str) -> bool {
    let mut run = Run::of(program);
    let mut places = Vec::new();
    let mut next = Vec::new();
    run.begin_round();
    run.enter(0, &mut places);
    for letter in text.chars() {
        run.begin_round();
        next.clear();
        for &place in &places {
            if let Step::Set(ranges, negated) = program[usize::from(place)]
                && has(ranges, letter) != negated
            {
                run.enter(place + 1, &mut next);
            }
        }
        std::mem::swap(&mut places, &mut next);
        if places.is_empty() {
            return false;
        }
    }
    places.iter().any(|&place| matches!(program[usize::from(place)], Step::Accept))
}

fn has(ranges: &[(char, char)], letter: char) -> bool {
    let after = ranges.partition_point(|&(low, _)| low <= letter);
    after > 0 && letter <= ranges[after - 1].1
}

struct Run {
    program: &'static [Step],
    marks: Vec<u32>,
    round: u32,
    pending: Vec<u16>,
}

impl Run {
    fn of(program: &'static [Step]) -> Self {
        Run { program, marks: vec![0; program.len()], round: 0, pending: Vec::new() }
    }

    fn begin_round(&mut self) {
        self.round += 1;
    }

    /// Adds the places that are reached from `start` without taking a character.
    fn enter(&mut self, start: u16, places: &mut Vec<u16>) {
        self.pending.push(start);
        while let Some(place) = self.pending.pop() {
            let mark = &mut self.marks[usize::from(place)];
            if *mark == self.round {
                continue;
            }
            *mark = self.round;
            match self.program[usize::from(place)] {
                Step::Split(first, second) => self.pending.extend([second, first]),
                Step::Jump(target) => self.pending.push(target),
                Step::Set(..) | Step::Accept => places.push(place),
            }
        }
    }
}
