//! Compiles a model's regular expressions into programs for `wire::pattern`, so that the server
//! parses no expression, and a construct that it could not run fails here.

use regex_syntax::hir::{Class, HirKind};

use crate::Failure;

/// One parsed expression.
enum Node {
    Set(Vec<(char, char)>, bool),
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, usize, Option<usize>),
}

/// One step, as `wire::pattern::Step`.
enum Step {
    Set(Vec<(char, char)>, bool),
    Split(usize, usize),
    Jump(usize),
    Accept,
}

const DIGITS: &[(char, char)] = &[('0', '9')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
const SPACE: &[(char, char)] = &[('\t', '\r'), (' ', ' ')];
/// What Java's dot does not match.
const LINE_ENDS: &[(char, char)] =
    &[('\n', '\n'), ('\r', '\r'), ('\u{85}', '\u{85}'), ('\u{2028}', '\u{2029}')];

/// What look-around says in the models, and the same without: labels of a host name, and a path
/// without white space.
const REWRITTEN: &[(&str, &str)] = &[
    ("(?!-)[A-Za-z0-9-]{1,63}(?<!-)", "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"),
    ("(?=^\\$)(?=^\\S+$).*", "\\$[^\\s\\u0085\\u2028\\u2029]*"),
];

/// Sets with more ranges than this are written once, by name: Unicode's categories have hundreds.
const INLINE_RANGES_MAX: usize = 32;

/// The statics of the expressions written so far.
#[derive(Default)]
pub(super) struct Library {
    sets: Vec<Vec<(char, char)>>,
}

impl Library {
    /// The Rust expression of the `wire::pattern::Pattern` that `source` compiles to. A look-ahead
    /// is served where it begins the expression: what must not match then is a program of its own.
    pub(super) fn pattern(&mut self, source: &str) -> Result<String, Failure> {
        let mut expression = source.to_owned();
        for (from, to) in REWRITTEN {
            expression = expression.replace(from, to);
        }
        let (unless, expression) = match expression.strip_prefix("^(?!") {
            None => ("&[]".to_owned(), expression.as_str()),
            Some(rest) => {
                let (refused, rest) = rest.split_once(')').ok_or("an open group")?;
                let refused = match refused.strip_suffix('$') {
                    Some(whole) => whole.to_owned(),
                    None => format!("{refused}[\\s\\S]*"),
                };
                (self.program(&refused)?, rest)
            }
        };
        let program = self.program(expression)?;
        Ok(format!("Pattern {{ source: r#\"{source}\"#, program: {program}, unless: {unless} }}"))
    }

    /// The Rust expression of the program that an expression compiles to.
    pub(super) fn program(&mut self, expression: &str) -> Result<String, Failure> {
        let mut parser = Parser { letters: expression.chars().collect(), at: 0, depth: 0 };
        let node = parser.either().map_err(|e| format!("pattern {expression}: {e}"))?;
        if parser.peek().is_some() {
            return Err(format!("pattern {expression}: does not end at {}", parser.at).into());
        }
        let mut steps = Vec::new();
        compile(&node, &mut steps);
        steps.push(Step::Accept);
        if steps.len() > usize::from(u16::MAX) {
            return Err(format!("pattern {expression}: too large").into());
        }
        let steps: Vec<_> = steps.iter().map(|step| self.write(step)).collect();
        Ok(format!("&[{}]", steps.join(", ")))
    }

    /// The statics that the patterns refer to.
    pub(super) fn statics(&self) -> String {
        let sets = self.sets.iter().enumerate().map(|(index, ranges)| {
            format!(
                "#[rustfmt::skip]\nstatic SET_{index}: &[(char, char)] = {};\n",
                write_ranges(ranges)
            )
        });
        sets.collect()
    }

    fn write(&mut self, step: &Step) -> String {
        match step {
            Step::Set(ranges, negated) => {
                let set = if ranges.len() <= INLINE_RANGES_MAX {
                    write_ranges(ranges)
                } else {
                    let known = self.sets.iter().position(|set| set == ranges);
                    let index = known.unwrap_or_else(|| {
                        self.sets.push(ranges.clone());
                        self.sets.len() - 1
                    });
                    format!("SET_{index}")
                };
                format!("Step::Set({set}, {negated})")
            }
            Step::Split(first, second) => format!("Step::Split({first}, {second})"),
            Step::Jump(target) => format!("Step::Jump({target})"),
            Step::Accept => "Step::Accept".to_string(),
        }
    }
}

fn write_ranges(ranges: &[(char, char)]) -> String {
    let ranges: Vec<String> =
        ranges.iter().map(|(low, high)| format!("({low:?}, {high:?})")).collect();
    format!("&[{}]", ranges.join(", "))
}
struct Parser {
    letters: Vec<char>,
    at: usize,
    /// How many groups are open.
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn take(&mut self, letter: char) -> bool {
        let found = self.peek() == Some(letter);
        self.at += usize::from(found);
        found
    }

    fn next(&mut self) -> Result<char, String> {
        let letter = self.peek().ok_or("ends early")?;
        self.at += 1;
        Ok(letter)
    }

    fn either(&mut self) -> Result<Node, String> {
        let mut branches = vec![self.sequence()?];
        while self.take('|') {
            branches.push(self.sequence()?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Either(branches) })
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut parts = Vec::new();
        // The whole text must match, so anchors at the ends of a branch say nothing more.
        if self.depth == 0 {
            self.take('^');
        }
        while let Some(letter) = self.peek() {
            if letter == '|' || letter == ')' {
                break;
            }
            let next = self.letters.get(self.at + 1);
            if letter == '$' && self.depth == 0 && matches!(next, None | Some('|')) {
                self.at += 1;
                break;
            }
            let atom = self.atom()?;
            parts.push(self.repeated(atom)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Node::Sequence(parts) })
    }

    fn atom(&mut self) -> Result<Node, String> {
        match self.next()? {
            '(' => {
                if self.take('?') && !self.take(':') {
                    return Err("look-around is not supported".to_string());
                }
                self.depth += 1;
                let inner = self.either()?;
                self.depth -= 1;
                if !self.take(')') {
                    return Err("an open group".to_string());
                }
                Ok(inner)
            }
            '[' => self.class(),
            '.' => Ok(Node::Set(LINE_ENDS.to_vec(), true)),
            '\\' => {
                let (ranges, negated) = self.escape()?;
                Ok(Node::Set(ranges, negated))
            }
            letter @ ('^' | '$' | '*' | '+' | '?' | '{') => Err(format!("a bare {letter}")),
            letter => Ok(Node::Set(vec![(letter, letter)], false)),
        }
    }

    fn class(&mut self) -> Result<Node, String> {
        let negated = self.take('^');
        let mut ranges = Vec::new();
        loop {
            let low = match self.next()? {
                ']' => break,
                '\\' => match self.escape()? {
                    (single, false) if single.len() == 1 && single[0].0 == single[0].1 => {
                        single[0].0
                    }
                    (set, false) => {
                        ranges.extend(set);
                        continue;
                    }
                    (set, true) => {
                        ranges.extend(complement(&set));
                        continue;
                    }
                },
                letter => letter,
            };
            let is_range = self.peek() == Some('-')
                && self.letters.get(self.at + 1).is_some_and(|&letter| letter != ']');
            if !is_range {
                ranges.push((low, low));
                continue;
            }
            self.at += 1;
            let high = match self.next()? {
                '\\' => match self.escape()? {
                    (single, false) if single.len() == 1 => single[0].1,
                    _ => return Err("a range up to a class".to_string()),
                },
                letter => letter,
            };
            if high < low {
                return Err(format!("the range {low}-{high}"));
            }
            ranges.push((low, high));
        }
        Ok(Node::Set(merged(ranges), negated))
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(Vec<(char, char)>, bool), String> {
        let letter = self.next()?;
        if letter == 'p' {
            return Ok((self.category()?, false));
        }
        if letter != 'u' {
            return escaped(letter);
        }
        let digits: String = (0..4).map(|_| self.next()).collect::<Result<_, _>>()?;
        let letter = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        let letter = letter.ok_or_else(|| format!("\\u{digits}"))?;
        Ok((vec![(letter, letter)], false))
    }

    /// `{L}`: a category of Unicode.
    fn category(&mut self) -> Result<Vec<(char, char)>, String> {
        let mut class = String::from("\\p");
        loop {
            let letter = self.next()?;
            class.push(letter);
            if letter == '}' {
                break;
            }
        }
        let hir = regex_syntax::parse(&class).map_err(|error| error.to_string())?;
        match hir.into_kind() {
            HirKind::Class(Class::Unicode(class)) => {
                Ok(class.iter().map(|range| (range.start(), range.end())).collect())
            }
            _ => Err(format!("{class} is no category")),
        }
    }

    fn repeated(&mut self, atom: Node) -> Result<Node, String> {
        let (min, max) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => self.counted()?,
            _ => return Ok(atom),
        };
        self.at += 1;
        // Lazy: where the whole text must match, greed changes nothing. Possessive: nor where there
        // is nothing to give back.
        if !self.take('?') && max == Some(min) {
            self.take('+');
        }
        Ok(Node::Repeat(Box::new(atom), min, max))
    }

    /// `{2}`, `{2,}` or `{2,3}`, up to its last brace.
    fn counted(&mut self) -> Result<(usize, Option<usize>), String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.next()? {
                '}' => break,
                letter => text.push(letter),
            }
        }
        let parse = |number: &str| number.trim().parse::<usize>().map_err(|e| e.to_string());
        self.at -= 1;
        Ok(match text.split_once(',') {
            None => (parse(&text)?, Some(parse(&text)?)),
            Some((min, "")) => (parse(min)?, None),
            Some((min, max)) => (parse(min)?, Some(parse(max)?)),
        })
    }
}

fn escaped(letter: char) -> Result<(Vec<(char, char)>, bool), String> {
    Ok(match letter {
        'd' => (DIGITS.to_vec(), false),
        'w' => (WORD.to_vec(), false),
        's' => (SPACE.to_vec(), false),
        'S' => (SPACE.to_vec(), true),
        'D' => (DIGITS.to_vec(), true),
        't' => (vec![('\t', '\t')], false),
        'n' => (vec![('\n', '\n')], false),
        'r' => (vec![('\r', '\r')], false),
        letter if letter.is_ascii_alphanumeric() => return Err(format!("\\{letter}")),
        letter => (vec![(letter, letter)], false),
    })
}

/// The same characters in as few ranges as possible, in order.
fn merged(mut ranges: Vec<(char, char)>) -> Vec<(char, char)> {
    ranges.sort_unstable();
    let mut merged: Vec<(char, char)> = Vec::new();
    for (low, high) in ranges {
        match merged.last_mut() {
            Some(last) if low <= last.1 || after(last.1) == Some(low) => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

/// Every other character, of ranges in order.
fn complement(ranges: &[(char, char)]) -> Vec<(char, char)> {
    let mut others = Vec::new();
    let mut next = Some('\0');
    for &(low, high) in ranges {
        if let (Some(first), Some(last)) = (next, before(low))
            && first <= last
        {
            others.push((first, last));
        }
        next = after(high);
    }
    others.extend(next.map(|first| (first, char::MAX)));
    others
}

fn after(letter: char) -> Option<char> {
    (letter..=char::MAX).nth(1)
}

fn before(letter: char) -> Option<char> {
    ('\0'..letter).next_back()
}

fn compile(node: &Node, steps: &mut Vec<Step>) {
    match node {
        Node::Set(ranges, negated) => steps.push(Step::Set(ranges.clone(), *negated)),
        Node::Sequence(parts) => parts.iter().for_each(|part| compile(part, steps)),
        Node::Either(branches) => compile_either(branches, steps),
        Node::Repeat(part, min, max) => {
            for _ in 0..*min {
                compile(part, steps);
            }
            match max {
                None if *min > 0 && matches!(**part, Node::Set(..)) => {
                    // `x+`: the step just written is entered again.
                    let again = steps.len() - 1;
                    steps.push(Step::Split(again, again + 2));
                }
                None => {
                    let split = steps.len();
                    steps.push(Step::Accept);
                    compile(part, steps);
                    steps.push(Step::Jump(split));
                    steps[split] = Step::Split(split + 1, steps.len());
                }
                Some(max) => {
                    let mut splits = Vec::new();
                    for _ in *min..*max {
                        splits.push(steps.len());
                        steps.push(Step::Accept);
                        compile(part, steps);
                    }
                    for split in splits {
                        steps[split] = Step::Split(split + 1, steps.len());
                    }
                }
            }
        }
    }
}

fn compile_either(branches: &[Node], steps: &mut Vec<Step>) {
    let mut jumps = Vec::new();
    for (i, branch) in branches.iter().enumerate() {
        let last = i + 1 == branches.len();
        let split = steps.len();
        if !last {
            steps.push(Step::Accept);
        }
        compile(branch, steps);
        if !last {
            jumps.push(steps.len());
            steps.push(Step::Accept);
            steps[split] = Step::Split(split + 1, steps.len());
        }
    }
    for jump in jumps {
        steps[jump] = Step::Jump(steps.len());
    }
}
