//! Compiles a model's regular expressions into programs for `wire::pattern`, so that the server
//! parses no expression, and a construct that it could not run fails here.

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

/// The Rust expression of the program that `pattern` compiles to.
pub(super) fn program(pattern: &str) -> Result<String, Failure> {
    let mut parser = Parser { letters: pattern.chars().collect(), at: 0, depth: 0 };
    let node = parser.either().map_err(|e| format!("pattern {pattern}: {e}"))?;
    if parser.peek().is_some() {
        return Err(format!("pattern {pattern}: does not end at {}", parser.at).into());
    }
    let mut steps = Vec::new();
    compile(&node, &mut steps);
    steps.push(Step::Accept);
    if steps.len() > usize::from(u16::MAX) {
        return Err(format!("pattern {pattern}: too large").into());
    }
    Ok(format!("&[{}]", steps.iter().map(write_step).collect::<Vec<_>>().join(", ")))
}

fn write_step(step: &Step) -> String {
    match step {
        Step::Set(ranges, negated) => {
            let ranges: Vec<String> =
                ranges.iter().map(|(low, high)| format!("({low:?}, {high:?})")).collect();
            format!("Step::Set(&[{}], {negated})", ranges.join(", "))
        }
        Step::Split(first, second) => format!("Step::Split({first}, {second})"),
        Step::Jump(target) => format!("Step::Jump({target})"),
        Step::Accept => "Step::Accept".to_string(),
    }
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
                    _ => return Err("a negated class in a class".to_string()),
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
        ranges.sort_unstable();
        Ok(Node::Set(ranges, negated))
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(Vec<(char, char)>, bool), String> {
        let letter = self.next()?;
        if letter != 'u' {
            return escaped(letter);
        }
        let digits: String = (0..4).map(|_| self.next()).collect::<Result<_, _>>()?;
        let letter = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        let letter = letter.ok_or_else(|| format!("\\u{digits}"))?;
        Ok((vec![(letter, letter)], false))
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
