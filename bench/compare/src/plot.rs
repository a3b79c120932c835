//! Processor time for each record as bars: what each thread adds, beside the floor's.

use std::fmt::Write as _;

use load::report::Step;

use crate::rounds::Round;

const WIDTH: f64 = 560.0;
const LEFT: f64 = 190.0;
const BAR: f64 = 18.0;
const ROW: f64 = 26.0;
/// Threads by colour, in the order in which they are first seen; each twice: user, then system.
const COLOURS: [[&str; 2]; 6] = [
    ["#2f6fad", "#8fb8dd"],
    ["#c2571a", "#ebb08a"],
    ["#3f8f4f", "#a6d2ae"],
    ["#7a4fa3", "#c4aede"],
    ["#a08a1f", "#ddd095"],
    ["#666666", "#bbbbbb"],
];

/// A bar: whose it is, and what it is made of.
struct Bar<'a> {
    phase: &'static str,
    program: &'static str,
    steps: &'a [Step],
}

impl Bar<'_> {
    fn micros(&self) -> f64 {
        self.steps.iter().map(|step| step.user_micros + step.system_micros).sum()
    }
}

/// Draws the last round of every program: a group of bars for each phase that the floor has too, the
/// longest one as long as the picture is wide.
pub(crate) fn draw(rounds: &[Round]) -> String {
    let last = |name| rounds.iter().rev().find(|round| round.name == name);
    let programs: Vec<_> = ["lean-floor", "floor", "levada"].into_iter().filter_map(last).collect();
    let phases = last("floor").map_or(&[][..], |floor| &floor.phases);
    let mut threads = Vec::new();
    let mut rows = String::new();
    let mut y = 20.0;
    for phase in phases.iter().map(|report| report.phase) {
        let bars: Vec<Bar<'_>> = programs.iter().filter_map(|round| bar_of(round, phase)).collect();
        let longest = bars.iter().map(Bar::micros).fold(f64::MIN_POSITIVE, f64::max);
        for bar in &bars {
            draw_bar(&mut rows, bar, y, WIDTH / longest, &mut threads);
            y += ROW;
        }
        y += ROW / 2.0;
    }
    let mut legend = String::new();
    for (index, thread) in threads.iter().enumerate() {
        let (x, [colour, _]) = (10.0 + 130.0 * index as f64, COLOURS[index % COLOURS.len()]);
        let text_y = y + 11.0;
        let _ = writeln!(
            legend,
            r#"<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/><text x="{}" y="{text_y}">{thread}</text>"#,
            x + 17.0
        );
    }
    let note_y = y + 32.0;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
{rows}{legend}<text x="10" y="{note_y}">Processor microseconds for each record, by thread; the lighter part is the kernel's.</text>
</svg>
"#,
        LEFT + WIDTH + 80.0,
        y + 45.0
    )
}

fn bar_of<'a>(round: &'a Round, phase: &'static str) -> Option<Bar<'a>> {
    let report = round.phases.iter().find(|report| report.phase == phase)?;
    Some(Bar { phase, program: round.name, steps: &report.steps })
}

fn draw_bar<'a>(
    text: &mut String,
    bar: &Bar<'a>,
    y: f64,
    per_micro: f64,
    threads: &mut Vec<&'a str>,
) {
    let (mut x, text_y) = (LEFT, y + 13.0);
    // Writing to a string cannot fail.
    let _ = writeln!(text, r#"<text x="10" y="{text_y}">{}, {}</text>"#, bar.phase, bar.program);
    for step in bar.steps {
        let index = threads.iter().position(|known| *known == step.thread).unwrap_or_else(|| {
            threads.push(&step.thread);
            threads.len() - 1
        });
        let parts = [step.user_micros, step.system_micros];
        for (micros, colour) in parts.into_iter().zip(COLOURS[index % COLOURS.len()]) {
            let width = micros * per_micro;
            let _ = writeln!(
                text,
                r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{BAR}" fill="{colour}"/>"#
            );
            x += width;
        }
    }
    let _ =
        writeln!(text, r#"<text x="{:.1}" y="{text_y}">{:.2} µs</text>"#, x + 6.0, bar.micros());
}
