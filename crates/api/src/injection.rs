//! Injected faults: rules that an operator adds, so that clients meet what AWS shows them on bad days.
//!
//! A rule says which calls it is about, how often it strikes, and what happens then. Most of them are
//! decided before the call is served, where `front` asks. What concerns single shards and records is
//! decided by the operation, which alone knows them ([`Injection::decide`] with [`Depth::Shard`]).
//! Every rule rolls its own seeded dice, so the same calls in the same order meet the same fate.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stdx::{Clock, Entropy};
use wire::Fault;

/// How many rules there may be at once (our choice: more than anybody oversees).
pub const RULES_MAX: usize = 64;
/// The longest latency: longer than any client waits (our choice).
pub const LATENCY_MAX: Duration = Duration::from_secs(600);

/// What goes wrong, and when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// The only operation it is about; `None` for all.
    pub operation: Option<String>,
    /// The only stream it is about; `None` for all.
    pub stream: Option<String>,
    /// The only shard it is about; `None` for all.
    pub shard: Option<u32>,
    /// Whether every record of a PutRecords meets its own fate.
    pub per_record: bool,
    /// How often it strikes: 0 to 1.
    pub rate: f64,
    /// How long the call waits first.
    pub latency: Option<Duration>,
    /// How the stream changes then.
    pub reshard: Option<Reshard>,
    /// What the caller gets instead of the answer.
    pub ending: Option<Ending>,
    /// Whether the call is served all the same, before that.
    pub after: bool,
    /// How often it strikes at most.
    pub times: Option<u64>,
    /// How long it is in force, by the monotonic clock.
    pub lasts: Option<Duration>,
    /// What its dice start from.
    pub seed: u64,
}

/// What a caller gets instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A fault, in AWS's words unless others are given.
    Fault {
        /// AWS's name for it.
        code: String,
        /// Other words.
        message: Option<String>,
    },
    /// Nothing: the connection breaks.
    Silence,
}

/// How a stream changes in the middle of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reshard {
    /// A shard is split in its middle.
    Split,
    /// Two neighbours are merged.
    Merge,
    /// UpdateShardCount.
    Scale(u32),
}

/// A rule and what became of it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its number.
    pub id: u64,
    /// The account and region whose calls it is about.
    pub account: String,
    /// See `account`.
    pub region: String,
    /// The rule.
    pub rule: Rule,
    /// How many calls or records it was about.
    pub matched: u64,
    /// How often it struck.
    pub struck: u64,
    /// How long it stays in force; `None` for ever, zero if it is spent.
    pub left: Option<Duration>,
}

/// Who asks what befalls them.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// The caller's account.
    pub account: &'a str,
    /// The call's region.
    pub region: &'a str,
    /// The operation's name.
    pub operation: &'a str,
    /// The stream, if the call names one.
    pub stream: Option<&'a str>,
}

/// How much is known of what a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Operation and stream.
    Call,
    /// The shard too.
    Shard(u32),
    /// A record of a request and its shard.
    Record(u32),
}

/// What befalls a call, a shard's part of it, or a record: everything that struck, together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strike {
    /// The sum of all latencies, at most [`LATENCY_MAX`].
    pub latency: Duration,
    /// Changes of the stream, each with the shard that a rule named and a number to choose by.
    pub reshards: Vec<(Reshard, Option<u32>, u64)>,
    /// The first ending that struck, and whether the call is served before.
    pub ending: Option<(Ending, bool)>,
}

impl Strike {
    /// Whether nothing struck.
    pub fn is_nothing(&self) -> bool {
        *self == Strike::default()
    }
}

struct Active {
    standing: Standing,
    until: Option<Duration>,
    dice: Entropy,
}

/// The rules in force.
pub struct Injection {
    rules: Mutex<Vec<Active>>,
    /// How many there are, so that a call without any takes no lock.
    count: AtomicUsize,
    next_id: AtomicUsize,
    clock: Clock,
}

impl fmt::Debug for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injection").field("rules", &self.count).finish_non_exhaustive()
    }
}

impl Injection {
    /// No rules yet.
    pub fn new(clock: Clock) -> Self {
        let next_id = AtomicUsize::new(1);
        Injection { rules: Mutex::default(), count: AtomicUsize::new(0), next_id, clock }
    }

    /// Whether there is any rule, in force or spent.
    pub fn has_rules(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Adds a rule about the calls of an account in a region; its number. `None` if there are as many
    /// as there may be, none of them spent.
    pub fn add(&self, account: &str, region: &str, rule: Rule) -> Option<u64> {
        let now = self.clock.monotonic();
        let mut rules = self.rules();
        if rules.len() >= RULES_MAX {
            rules.retain(|active| !active.is_spent(now));
        }
        if rules.len() >= RULES_MAX {
            return None;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) as u64;
        let until = rule.lasts.map(|lasts| now.saturating_add(lasts));
        let dice = Entropy::seeded(rule.seed);
        let (account, region) = (account.to_owned(), region.to_owned());
        let standing = Standing { id, account, region, rule, matched: 0, struck: 0, left: None };
        rules.push(Active { standing, until, dice });
        self.count.store(rules.len(), Ordering::Relaxed);
        Some(id)
    }

    /// All rules of an account, the oldest first.
    pub fn list(&self, account: &str) -> Vec<Standing> {
        let now = self.clock.monotonic();
        let rules = self.rules();
        let own = rules.iter().filter(|active| active.standing.account == account);
        own.map(|active| active.standing_at(now)).collect()
    }

    /// Removes one rule of an account, or all; how many they were.
    pub fn remove(&self, account: &str, id: Option<u64>) -> usize {
        let mut rules = self.rules();
        let before = rules.len();
        rules.retain(|Active { standing, .. }| {
            standing.account != account || id.is_some_and(|id| id != standing.id)
        });
        self.count.store(rules.len(), Ordering::Relaxed);
        before - rules.len()
    }

    /// Rolls the dice of every rule that is about this.
    pub fn decide(&self, point: Point<'_>, depth: Depth) -> Strike {
        let mut strike = Strike::default();
        if !self.has_rules() {
            return strike;
        }
        let now = self.clock.monotonic();
        for active in self.rules().iter_mut() {
            if active.is_about(point, depth) && !active.is_spent(now) && active.strikes() {
                active.add_to(&mut strike);
            }
        }
        strike
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Active>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Active {
    fn is_about(&self, point: Point<'_>, depth: Depth) -> bool {
        let Standing { account, region, rule, .. } = &self.standing;
        let is_own = account == point.account && region == point.region;
        let fits = |wanted: &Option<String>, given: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == given)
        };
        let is_deep = match depth {
            Depth::Call => !rule.per_record && rule.shard.is_none(),
            Depth::Shard(shard) => !rule.per_record && rule.shard == Some(shard),
            Depth::Record(shard) => rule.per_record && rule.shard.is_none_or(|own| own == shard),
        };
        is_own
            && is_deep
            && fits(&rule.operation, Some(point.operation))
            && fits(&rule.stream, point.stream)
    }

    fn is_spent(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| until <= now)
            || self.standing.rule.times.is_some_and(|times| self.standing.struck >= times)
    }

    /// Rolls the dice, whatever else is decided: the series must not depend on other rules.
    fn strikes(&mut self) -> bool {
        self.standing.matched += 1;
        // 53 bits are what a double holds, so a rate of 1 always strikes and one of 0 never.
        let roll = (self.dice.u64() >> 11) as f64 / (1u64 << 53) as f64;
        let strikes = roll < self.standing.rule.rate;
        self.standing.struck += u64::from(strikes);
        strikes
    }

    fn add_to(&self, strike: &mut Strike) {
        let Rule { latency, reshard, ending, after, shard, .. } = &self.standing.rule;
        let latency = strike.latency.saturating_add(latency.unwrap_or_default());
        strike.latency = latency.min(LATENCY_MAX);
        if let Some(reshard) = *reshard {
            strike.reshards.push((reshard, *shard, self.dice.u64()));
        }
        if let (None, Some(ending)) = (&strike.ending, ending) {
            strike.ending = Some((ending.clone(), *after));
        }
    }

    fn standing_at(&self, now: Duration) -> Standing {
        let left = match self.until {
            _ if self.is_spent(now) => Some(Duration::ZERO),
            until => until.map(|until| until.saturating_sub(now)),
        };
        Standing { left, ..self.standing.clone() }
    }
}

impl Rule {
    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// `ValidationException` with a sentence.
    pub fn check(&self) -> Result<(), Fault> {
        let is_partial = self.per_record || self.shard.is_some();
        let is_lost = self.ending == Some(Ending::Silence);
        let broken = [
            (!(0.0..=1.0).contains(&self.rate), "A rate lies between 0 and 1."),
            (
                self.latency.is_none() && self.reshard.is_none() && self.ending.is_none(),
                "A fault needs an error, a latency, a reshard, or a broken connection.",
            ),
            (
                self.latency.is_some_and(|latency| latency > LATENCY_MAX),
                "A latency is at most ten minutes.",
            ),
            (
                self.shard.is_some() && self.stream.is_none(),
                "A shard is one of a stream's: name the stream too.",
            ),
            (
                self.reshard.is_some() && self.stream.is_none(),
                "A reshard is one of a stream's: name the stream too.",
            ),
            (
                self.after && self.ending.is_none(),
                "Only an error or a broken connection can come after the call.",
            ),
            (
                is_partial && (self.after || is_lost),
                "What concerns a shard or a record comes before the call, and breaks no connection.",
            ),
            (self.per_record && self.reshard.is_some(), "A record does not reshard its stream."),
            (
                self.per_record && self.operation.as_deref() != Some("PutRecords"),
                "Only PutRecords answers for its records one by one.",
            ),
            (self.times == Some(0), "A fault that strikes no times is none."),
        ];
        match broken.iter().find(|(is_broken, _)| *is_broken) {
            Some((_, sentence)) => Err(Fault::validation(*sentence)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use stdx::UnixMillis;

    use super::*;

    fn point<'a>(operation: &'a str, stream: &'a str) -> Point<'a> {
        Point { account: "1", region: "r", operation, stream: Some(stream) }
    }

    fn fault() -> Option<Ending> {
        Some(Ending::Fault { code: "InternalFailure".to_owned(), message: None })
    }

    fn rule() -> Rule {
        Rule { rate: 1.0, ending: fault(), ..Rule::default() }
    }

    fn injection() -> (Clock, Injection) {
        let clock = Clock::manual(UnixMillis(0));
        (clock.clone(), Injection::new(clock))
    }

    #[test]
    fn a_rule_is_about_what_it_names() {
        let (_, rules) = injection();
        let only = Rule {
            operation: Some("PutRecords".to_owned()),
            stream: Some("orders".to_owned()),
            ..rule()
        };
        rules.add("1", "r", only);
        let struck = |point, depth| !rules.decide(point, depth).is_nothing();
        assert!(struck(point("PutRecords", "orders"), Depth::Call));
        assert!(!struck(point("PutRecord", "orders"), Depth::Call));
        assert!(!struck(point("PutRecords", "others"), Depth::Call));
        assert!(!struck(point("PutRecords", "orders"), Depth::Shard(0)));
        assert!(!struck(Point { region: "x", ..point("PutRecords", "orders") }, Depth::Call));
        assert!(!struck(Point { account: "2", ..point("PutRecords", "orders") }, Depth::Call));
        assert!(!struck(Point { stream: None, ..point("PutRecords", "") }, Depth::Call));
    }

    #[test]
    fn shards_and_records_are_decided_where_they_are_known() {
        let (_, rules) = injection();
        rules.add("1", "r", Rule { shard: Some(3), ..rule() });
        let records = Rule { per_record: true, shard: Some(4), ..rule() };
        rules.add("1", "r", records);
        let struck = |depth| !rules.decide(point("PutRecords", "orders"), depth).is_nothing();
        let depths = [Depth::Call, Depth::Shard(3), Depth::Shard(4), Depth::Record(3)];
        assert_eq!(depths.map(struck), [false, true, false, false]);
        assert!(struck(Depth::Record(4)));
    }

    #[test]
    fn the_same_seed_strikes_the_same_calls_at_about_the_rate() {
        let series = |seed: u64| {
            let (_, rules) = injection();
            rules.add("1", "r", Rule { rate: 0.1, seed, ..rule() });
            let call = || !rules.decide(point("PutRecord", "s"), Depth::Call).is_nothing();
            (0..10_000).map(|_| call()).collect::<Vec<_>>()
        };
        let first = series(7);
        assert_eq!(first, series(7));
        assert_ne!(first, series(8));
        let struck = first.iter().filter(|struck| **struck).count();
        assert!((900..1100).contains(&struck), "{struck}");
    }

    #[test]
    fn a_rule_is_spent_by_times_and_by_time() {
        let (clock, rules) = injection();
        let twice = rules.add("1", "r", Rule { times: Some(2), ..rule() });
        let calls = (0..3).map(|_| rules.decide(point("PutRecord", "s"), Depth::Call));
        let struck: Vec<_> = calls.map(|strike| !strike.is_nothing()).collect();
        assert_eq!(struck, [true, true, false]);
        let standing = &rules.list("1")[0];
        assert_eq!((Some(standing.id), standing.struck), (twice, 2));
        assert_eq!(standing.left, Some(Duration::ZERO));

        rules.add("1", "r", Rule { lasts: Some(Duration::from_secs(60)), ..rule() });
        assert!(!rules.decide(point("PutRecord", "s"), Depth::Call).is_nothing());
        clock.advance(Duration::from_secs(60));
        assert!(rules.decide(point("PutRecord", "s"), Depth::Call).is_nothing());
    }

    #[test]
    fn rules_are_bounded_and_spent_ones_make_room() {
        let (clock, rules) = injection();
        rules.add("1", "r", Rule { lasts: Some(Duration::from_secs(1)), ..rule() });
        for _ in 1..RULES_MAX {
            assert!(rules.add("1", "r", rule()).is_some());
        }
        assert_eq!(rules.add("1", "r", rule()), None);
        clock.advance(Duration::from_secs(1));
        assert!(rules.add("1", "r", rule()).is_some());
        assert_eq!(rules.remove("2", None), 0);
        assert_eq!(rules.remove("1", Some(2)), 1);
        assert_eq!(rules.remove("1", None), RULES_MAX - 1);
        assert!(!rules.has_rules());
    }

    #[test]
    fn what_strikes_together_adds_up() {
        let (_, rules) = injection();
        let slow = |seconds| Some(Duration::from_secs(seconds));
        rules.add("1", "r", Rule { latency: slow(400), ending: None, ..rule() });
        rules.add("1", "r", Rule { latency: slow(400), after: true, ..rule() });
        let last = Rule { ending: Some(Ending::Silence), ..rule() };
        rules.add("1", "r", last);
        let strike = rules.decide(point("PutRecord", "s"), Depth::Call);
        assert_eq!(strike.latency, LATENCY_MAX);
        assert_eq!(strike.ending, fault().map(|fault| (fault, true)));
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused() {
        let wrong = [
            Rule { rate: 1.5, ..rule() },
            Rule { rate: f64::NAN, ..rule() },
            Rule { ending: None, ..rule() },
            Rule { latency: Some(LATENCY_MAX * 2), ..rule() },
            Rule { shard: Some(0), ..rule() },
            Rule { reshard: Some(Reshard::Split), ..rule() },
            Rule { ending: None, latency: Some(Duration::ZERO), after: true, ..rule() },
            Rule { per_record: true, operation: Some("GetRecords".to_owned()), ..rule() },
            Rule { per_record: true, operation: None, ..rule() },
            Rule { times: Some(0), ..rule() },
        ];
        for rule in wrong {
            assert!(rule.check().is_err(), "{rule:?}");
        }
        assert_eq!(rule().check(), Ok(()));
        let records = Rule { per_record: true, operation: Some("PutRecords".to_owned()), ..rule() };
        assert_eq!(records.check(), Ok(()));
    }
}
