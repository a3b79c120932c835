//! `levada top`: what the server does right now. Two readings of the server's totals make a picture.

mod report;
mod view;

use std::io::{IsTerminal, Write};

use api::operator::{GetStatistics, Nothing, SERVICE, Statistics};
use stdx::Clock;

use self::report::Report;
use self::view::{History, Style};
use super::{Shutdown, connect, endpoint_of, failed};
use crate::cli::Top;
use crate::client::{Client, ClientError};
use crate::exit::Failure;

/// An own screen, so that the terminal is afterwards as it was; and back.
const OPEN_SCREEN: &str = "\x1b[?1049h\x1b[?25l";
const CLOSE_SCREEN: &str = "\x1b[?25h\x1b[?1049l";
/// To the upper left corner; what is below the picture is wiped.
const HOME: &str = "\x1b[H";
const WIPE: &str = "\x1b[J";

pub(crate) async fn run(options: Top) -> Result<(), Failure> {
    let shutdown = Shutdown::listen()?;
    let watch = Watch {
        client: connect(&options.target)?,
        endpoint: endpoint_of(&options.target.place)?,
        clock: Clock::system(),
        options: &options,
    };
    let is_terminal = std::io::stdout().is_terminal();
    let is_live = is_terminal && !options.once && !options.json;
    if is_live {
        write(OPEN_SCREEN)?;
    }
    let ended = tokio::select! {
        ended = watch.run(is_terminal, is_live) => ended,
        () = shutdown.ordered() => Ok(()),
    };
    if is_live {
        write(CLOSE_SCREEN)?;
    }
    ended
}

struct Watch<'a> {
    client: Client,
    endpoint: String,
    clock: Clock,
    options: &'a Top,
}

impl Watch<'_> {
    async fn run(&self, is_terminal: bool, is_live: bool) -> Result<(), Failure> {
        let style = Style::new(is_terminal && std::env::var_os("NO_COLOR").is_none());
        let mut history = History::default();
        let mut before = self.read().await.map_err(failed)?;
        loop {
            self.clock.sleep(self.options.interval).await;
            let now = match self.read().await {
                Ok(now) => now,
                // A server that restarts is worth waiting for, if somebody looks.
                Err(ClientError::Connection(_) | ClientError::TimedOut) if is_live => {
                    write(&format!("{HOME}{} does not answer{WIPE}", self.endpoint))?;
                    continue;
                }
                Err(error) => return Err(failed(error)),
            };
            let region = &self.options.target.region;
            let report = Report::between(&self.endpoint, region, &before, &now);
            before = now;
            if self.options.json {
                let json = serde_json::to_string(&report);
                write(&format!("{}\n", json.map_err(|error| Failure::new(error.to_string()))?))?;
            } else {
                history.add(&report);
                let picture = view::draw(&report, &history, style, is_live.then(rows));
                let (home, wipe) = if is_live { (HOME, WIPE) } else { ("", "") };
                write(&format!("{home}{picture}{wipe}"))?;
            }
            if self.options.once || !is_terminal {
                return Ok(());
            }
        }
    }

    async fn read(&self) -> Result<Statistics, ClientError> {
        self.client.call_of::<GetStatistics>(&SERVICE, &Nothing {}).await
    }
}

/// How many lines the terminal has.
fn rows() -> usize {
    /// What is assumed of a terminal that does not say.
    const ROWS_DEFAULT: usize = 24;
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.map_or(ROWS_DEFAULT, |size| usize::from(size.ws_row).max(1))
}

fn write(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::new(format!("standard output cannot be written: {error}")))
}
