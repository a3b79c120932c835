//! What clients asked, were told and saw, and whether a stream could have behaved like that.
//!
//! | rule | what breaks it |
//! |---|---|
//! | acknowledged ⊆ stream | a read that reaches past an acknowledged record and does not show it |
//! | exactly once | a record at two numbers, or two at one |
//! | where it belongs | a record in a shard whose range does not hold its hash key |
//! | order | of one key, a record below one that was acknowledged before it was put |
//! | reads are prefixes | a read that skips, repeats, or turns up what an earlier one passed by |
//! | refused is never | a record of a put that was refused |
//! | the close is last | a record put after its shard was seen closed; one beyond a shard's end |
//! | lineage | a child that begins before its parents' numbers end |
//! | the map | open shards that leave a gap or overlap; a shard that changes, opens again or goes early |
//! | a change answered is a change made | a parent open after its split or merge; a stream that is not there, or is there again |
//! | retention | what has expired, once, is shown; what has not is missing |

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use stdx::UnixMillis;

use crate::keyspace::{HashKey, HashRange};
use crate::sequence::SequenceNumber;
use crate::shard::Shard;

/// A request's number.
pub(super) type RequestId = u32;
/// A record: whose it is, and which one of its request.
pub(super) type RecordId = (RequestId, u32);

/// What a client asks for. Streams are meant by their generations.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Create {
        name: String,
    },
    Delete {
        generation: u64,
        name: String,
    },
    /// Records by their hash keys.
    Put {
        generation: u64,
        keys: Vec<HashKey>,
    },
    Split {
        generation: u64,
        shard: u32,
    },
    Merge {
        generation: u64,
        shards: [u32; 2],
    },
    Scale {
        generation: u64,
        target: u32,
    },
    /// Whether it is known to make records live shorter.
    Retain {
        generation: u64,
        hours: u32,
        cuts: bool,
    },
}

/// What it was told.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Done; the numbers of what was put.
    Done(Vec<SequenceNumber>),
    /// Nothing of it will ever be seen.
    Refused,
    /// Nobody knows.
    InDoubt,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) number: SequenceNumber,
    pub(super) arrival: UnixMillis,
    pub(super) record: RecordId,
}

/// A page of a shard.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) generation: u64,
    pub(super) shard: u32,
    pub(super) from: u64,
    /// The time that `from` was found by.
    pub(super) time: Option<UnixMillis>,
    pub(super) records: Vec<Seen>,
    /// Where to read on; `None` at the end of a closed shard.
    pub(super) next: Option<u64>,
    pub(super) children: Vec<u32>,
}

/// A stream as a client sees it.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) active: bool,
    pub(super) shards: Vec<Shard>,
}

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Sent {
        request: RequestId,
        asked: Asked,
    },
    Answered {
        request: RequestId,
        answer: Answer,
    },
    Read(Read),
    /// All streams.
    Maps(Vec<Map>),
    /// It is this late.
    Now(UnixMillis),
    /// The process ended, somehow, and another one began.
    Restarted,
}

#[derive(Debug)]
struct Request {
    asked: Asked,
    /// `None` until it is answered.
    answer: Option<Answer>,
    sent: usize,
    sent_at: UnixMillis,
    /// The highest number of each key acknowledged before it was sent.
    floors: HashMap<HashKey, String>,
    /// Reshards of its stream that had been sent before it, or changes of its retention, and whether
    /// all of them were settled.
    before: (usize, bool),
}

/// A read, and what was known when it was made.
#[derive(Debug)]
struct Looked {
    read: Read,
    /// What arrived from here on cannot have expired.
    kept: UnixMillis,
    /// Below this everything was acknowledged or shown before.
    reached: u64,
}

#[derive(Debug, Default)]
struct Known {
    name: String,
    shards: BTreeMap<u32, Shard>,
    records: BTreeMap<u32, BTreeMap<u64, Seen>>,
    /// When a shard was first seen closed.
    closed: HashMap<u32, usize>,
    /// The highest acknowledged number of each key.
    newest: HashMap<HashKey, String>,
    reads: Vec<Looked>,
    /// The shortest retention that anybody may have set.
    hours_min: u32,
    /// What arrived before this expired when retention was cut.
    floor: UnixMillis,
    reshards: Vec<RequestId>,
    retains: Vec<RequestId>,
    /// Shards that have expired.
    gone: HashSet<u32>,
    /// The earliest that it has been since its map was shown.
    since_map: UnixMillis,
    delete_sent: bool,
    deleted: bool,
}

/// The checker. With a delay, changes are made some time after their answers.
#[derive(Debug, Default)]
pub(super) struct Checker {
    delayed: bool,
    at: usize,
    now: UnixMillis,
    /// The latest that it has ever been, for whoever trims.
    now_max: UnixMillis,
    requests: BTreeMap<RequestId, Request>,
    places: HashMap<RecordId, (u64, u32, u64)>,
    streams: BTreeMap<u64, Known>,
    /// Names that exist since their creation was answered.
    created: HashMap<String, usize>,
    /// Names of streams whose deletion was sent, and when.
    deletions: HashMap<String, usize>,
    last_maps: Vec<Map>,
}

type Verdict = Result<(), String>;

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(why()) }
}

fn hours(hours: u32) -> Duration {
    Duration::from_hours(u64::from(hours))
}

/// Whether all rules hold. The history must end with all maps and a read of every shard.
pub(super) fn check(events: &[Event], delayed: bool) -> Verdict {
    let mut checker = Checker { delayed, ..Checker::default() };
    for (at, event) in events.iter().enumerate() {
        checker.at = at;
        checker.apply(event).map_err(|why| format!("event {at}: {why}"))?;
    }
    checker.finish()
}

impl Checker {
    fn apply(&mut self, event: &Event) -> Verdict {
        match event {
            Event::Sent { request, asked } => self.send(*request, asked),
            Event::Answered { request, answer } => return self.answer(*request, answer),
            Event::Read(read) => return self.read(read),
            Event::Maps(maps) => return self.see_maps(maps),
            Event::Now(now) => {
                let goes_back = *now < self.now;
                (self.now, self.now_max) = (*now, self.now_max.max(*now));
                for known in self.streams.values_mut() {
                    // With the clock the retention period goes back, too.
                    known.floor = if goes_back { UnixMillis(0) } else { known.floor };
                    known.since_map = known.since_map.min(*now);
                }
            }
            Event::Restarted => {}
        }
        Ok(())
    }

    fn known(&mut self, generation: u64) -> &mut Known {
        self.streams.entry(generation).or_insert_with(|| Known {
            hours_min: crate::limits::RETENTION_HOURS_DEFAULT,
            ..Known::default()
        })
    }

    fn send(&mut self, request: RequestId, asked: &Asked) {
        let mut floors = HashMap::new();
        let mut before = (0, true);
        match asked {
            Asked::Put { generation, keys } => {
                let newest = &self.known(*generation).newest;
                let floor = |key: &HashKey| Some((*key, newest.get(key)?.clone()));
                floors = keys.iter().filter_map(floor).collect();
            }
            Asked::Delete { generation, name } => {
                self.known(*generation).delete_sent = true;
                self.deletions.insert(name.clone(), self.at);
            }
            Asked::Retain { generation, hours, .. } => {
                let known = self.known(*generation);
                known.hours_min = known.hours_min.min(*hours);
                let retains = known.retains.clone();
                known.retains.push(request);
                before = self.settled(&retains);
            }
            Asked::Split { generation, .. }
            | Asked::Merge { generation, .. }
            | Asked::Scale { generation, .. } => {
                let reshards = self.known(*generation).reshards.clone();
                before = self.settled(&reshards);
                self.known(*generation).reshards.push(request);
            }
            Asked::Create { .. } => {}
        }
        let (asked, sent, sent_at, answer) = (asked.clone(), self.at, self.now, None);
        let own = Request { asked, answer, sent, sent_at, floors, before };
        self.requests.insert(request, own);
    }

    /// How many these are, and whether nothing of them is still to come.
    fn settled(&self, requests: &[RequestId]) -> (usize, bool) {
        let settled = |request: &RequestId| {
            matches!(self.requests[request].answer, Some(Answer::Done(_) | Answer::Refused))
        };
        (requests.len(), requests.iter().all(settled))
    }

    fn answer(&mut self, request: RequestId, answer: &Answer) -> Verdict {
        let Some(own) = self.requests.get_mut(&request) else { return Err("unasked".to_owned()) };
        own.answer = Some(answer.clone());
        let (asked, sent, sent_at) = (own.asked.clone(), own.sent, own.sent_at);
        let alone = own.before.1;
        let Answer::Done(numbers) = answer else { return Ok(()) };
        match asked {
            Asked::Put { generation, keys } => {
                ensure(numbers.len() == keys.len(), || "not every record has a number".to_owned())?;
                for (index, (number, key)) in numbers.iter().zip(keys).enumerate() {
                    let record = (request, index as u32);
                    // The time within the second is not known before somebody reads it.
                    self.observe(generation, *number, None, record)?;
                    let closed = self.known(generation).closed.get(&number.shard).copied();
                    ensure(closed.is_none_or(|closed| closed > sent), || {
                        format!("{record:?} was put into shard {} after its close", number.shard)
                    })?;
                    let text = number.to_string();
                    let newest = self.known(generation).newest.entry(key).or_default();
                    *newest = std::mem::take(newest).max(text);
                }
            }
            Asked::Create { name } => drop(self.created.insert(name, sent)),
            Asked::Delete { generation, .. } if !self.delayed => {
                self.known(generation).deleted = true;
            }
            Asked::Retain { generation, hours: kept, cuts } if cuts && alone && !self.delayed => {
                let horizon = sent_at.before(hours(kept));
                let known = self.known(generation);
                known.floor = known.floor.max(horizon);
            }
            _ => {}
        }
        Ok(())
    }

    /// A record is at a number, durably.
    fn observe(
        &mut self,
        generation: u64,
        number: SequenceNumber,
        arrival: Option<UnixMillis>,
        record: RecordId,
    ) -> Verdict {
        let Some(request) = self.requests.get(&record.0) else {
            return Err(format!("{record:?} was never put"));
        };
        ensure(!matches!(request.answer, Some(Answer::Refused)), || {
            format!("{record:?} was refused")
        })?;
        let Asked::Put { generation: own, keys } = &request.asked else {
            return Err(format!("{record:?} is no record"));
        };
        ensure(*own == generation, || format!("{record:?} was put into another stream"))?;
        let key = keys[record.1 as usize];
        let floor = request.floors.get(&key);
        ensure(floor.is_none_or(|floor| *floor < number.to_string()), || {
            format!("{record:?} at {number} is below what was acknowledged before it was put")
        })?;
        let place = (generation, number.shard, number.position);
        let known = *self.places.entry(record).or_insert(place);
        ensure(known == place, || format!("{record:?} is at {place:?} and at {known:?}"))?;
        let own = self.known(generation).records.entry(number.shard).or_default();
        let at = UnixMillis(number.arrival_seconds * 1000);
        let seen = Seen { number, arrival: arrival.unwrap_or(at), record };
        let present = own.entry(number.position).or_insert_with(|| seen.clone());
        ensure(present.record == record && present.number == number, || {
            format!("{seen:?} and {present:?} are at one place")
        })?;
        present.arrival = present.arrival.max(seen.arrival);
        Ok(())
    }

    fn read(&mut self, read: &Read) -> Verdict {
        let now = self.now_max;
        let known = self.known(read.generation);
        let kept = now.before(hours(known.hours_min)).max(known.floor);
        let reached = known.records.get(&read.shard).and_then(|own| own.keys().next_back());
        let reached = reached.map_or(0, |last| last + 1);
        let floor = known.floor;
        let ends = known.closed.contains_key(&read.shard) && read.records.is_empty();
        ensure(!ends || read.next.is_none(), || "a closed shard does not end".to_owned())?;
        for seen in &read.records {
            self.observe(read.generation, seen.number, Some(seen.arrival), seen.record)?;
            ensure(seen.arrival >= floor, || format!("{seen:?} had expired"))?;
        }
        if read.next.is_none() {
            let at = self.at;
            let known = self.known(read.generation);
            known.closed.entry(read.shard).or_insert(at);
        }
        let looked = Looked { read: read.clone(), kept, reached };
        self.known(read.generation).reads.push(looked);
        Ok(())
    }

    fn see_maps(&mut self, maps: &[Map]) -> Verdict {
        for map in maps {
            self.see_map(map).map_err(|why| format!("{}: {why}", map.name))?;
        }
        for (&generation, known) in &self.streams {
            let shown = maps.iter().any(|map| map.generation == generation);
            ensure(!(known.deleted && shown), || format!("{generation} was deleted"))?;
            ensure(shown || known.delete_sent || known.shards.is_empty(), || {
                format!("{generation} is gone and nobody deleted it")
            })?;
        }
        for (name, created) in &self.created {
            let deleted = self.deletions.get(name).is_some_and(|deleted| deleted > created);
            let shown = maps.iter().any(|map| map.name == *name);
            ensure(shown || deleted, || format!("{name} was created and is not there"))?;
        }
        self.last_maps = maps.to_vec();
        Ok(())
    }

    fn see_map(&mut self, map: &Map) -> Verdict {
        let (at, now, kept_at) = (self.at, self.now, self.now_max);
        let mut open: Vec<HashRange> = Vec::new();
        let known = self.known(map.generation);
        ensure(known.name.is_empty() || known.name == map.name, || "another's".to_owned())?;
        known.name.clone_from(&map.name);
        for shard in &map.shards {
            let own = known.shards.entry(shard.index).or_insert_with(|| shard.clone());
            ensure(same_shard(own, shard), || format!("{own:?} has become {shard:?}"))?;
            ensure(own.closed.is_none_or(|closed| shard.closed == Some(closed)), || {
                format!("{own:?} is open again")
            })?;
            own.closed = shard.closed;
            ensure(!known.gone.contains(&shard.index), || format!("{shard:?} is there again"))?;
            match shard.closed {
                Some(_) => drop(known.closed.entry(shard.index).or_insert(at)),
                None => open.push(shard.range),
            }
        }
        let kept = kept_at.before(hours(known.hours_min)).max(known.floor);
        let shown = |index: &u32| map.shards.iter().any(|shard| shard.index == *index);
        for (index, shard) in &known.shards {
            if shown(index) || known.gone.contains(index) {
                continue;
            }
            // It may have been closed since anybody looked, and have expired.
            let expired = shard.closed.unwrap_or(known.since_map) < kept;
            ensure(expired, || format!("{shard:?} is gone"))?;
            known.gone.insert(*index);
        }
        open.sort_by_key(|range| range.start);
        let whole = open.first().is_some_and(|first| first.start.0 == 0)
            && open.last().is_some_and(|last| last.end.0 == u128::MAX)
            && open.windows(2).all(|pair| pair[0].touches(&pair[1]));
        ensure(whole, || format!("the open shards do not cover the space: {open:?}"))?;
        self.known(map.generation).since_map = self.reshards_since(map).min(now);
        if self.delayed { Ok(()) } else { self.check_reshards(map) }
    }

    /// When the first of the reshards was sent that may still be on their way: shards that it closes
    /// may have been closed since then.
    fn reshards_since(&self, map: &Map) -> UnixMillis {
        let requests = self.streams[&map.generation].reshards.iter();
        let under_way =
            requests.map(|request| &self.requests[request]).filter(|own| match own.answer {
                None | Some(Answer::InDoubt) => true,
                Some(Answer::Done(_)) => !map.active,
                Some(Answer::Refused) => false,
            });
        under_way.map(|own| own.sent_at).min().unwrap_or(UnixMillis(u64::MAX))
    }

    /// What reshards that were answered have made of the map.
    fn check_reshards(&self, map: &Map) -> Verdict {
        let known = &self.streams[&map.generation];
        let is_open =
            |index: u32| map.shards.iter().any(|shard| shard.index == index && shard.is_open());
        for request in &known.reshards {
            let own = &self.requests[request];
            if !matches!(own.answer, Some(Answer::Done(_))) {
                continue;
            }
            match own.asked {
                Asked::Split { shard, .. } => {
                    ensure(!is_open(shard), || format!("{shard} was split and is open"))?;
                }
                Asked::Merge { shards, .. } => {
                    ensure(!shards.into_iter().any(is_open), || {
                        format!("{shards:?} were merged and are open")
                    })?;
                }
                // No other reshard is on its way or came after it.
                Asked::Scale { target, .. } if own.before == (known.reshards.len() - 1, true) => {
                    let open = map.shards.iter().filter(|shard| shard.is_open()).count();
                    ensure(open == target as usize, || format!("{open} shards of {target}"))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn finish(&self) -> Verdict {
        for map in &self.last_maps {
            ensure(map.active, || format!("{} is not ACTIVE in the end", map.name))?;
            self.check_reshards(map)?;
        }
        for (generation, known) in &self.streams {
            for (index, shard) in &known.shards {
                self.check_shard(known, shard)
                    .map_err(|why| format!("{generation}, shard {index}: {why}"))?;
            }
            for looked in &known.reads {
                check_read(known, looked).map_err(|why| format!("{looked:?}: {why}"))?;
            }
            self.check_places(*generation, known)?;
        }
        Ok(())
    }

    /// Records in order, in their shard's range, above the parents'.
    fn check_shard(&self, known: &Known, shard: &Shard) -> Verdict {
        let none = BTreeMap::new();
        let records = known.records.get(&shard.index).unwrap_or(&none);
        let mut arrival = UnixMillis(0);
        for seen in records.values() {
            let (request, index) = seen.record;
            let Asked::Put { keys, .. } = &self.requests[&request].asked else { continue };
            let key = keys[index as usize];
            ensure(shard.range.contains(key), || format!("{seen:?} does not belong here"))?;
            let number = seen.number;
            ensure(number.shard_created_seconds == shard.created_seconds, || {
                format!("{seen:?} is numbered by another birth")
            })?;
            ensure(seen.arrival.seconds() >= arrival.seconds(), || {
                format!("{seen:?} arrived before the one below it")
            })?;
            arrival = arrival.max(seen.arrival);
        }
        let first = shard.starting_sequence().to_string();
        for parent in shard.parent.into_iter().chain(shard.adjacent_parent) {
            let last = known.records.get(&parent).and_then(|own| own.values().next_back());
            ensure(last.is_none_or(|last| last.number.to_string() < first), || {
                format!("it begins below {last:?} of its parent")
            })?;
            let end = known.shards.get(&parent).and_then(Shard::ending_sequence);
            ensure(end.is_none_or(|end| end.to_string() < first), || {
                format!("it begins before its parent {parent} ends")
            })?;
        }
        Ok(())
    }

    /// Whatever was acknowledged is in a shard that is shown, until it expires.
    fn check_places(&self, generation: u64, known: &Known) -> Verdict {
        let Some(map) = self.last_maps.iter().find(|map| map.generation == generation) else {
            return Ok(());
        };
        let kept = self.now_max.before(hours(known.hours_min)).max(known.floor);
        for (index, records) in &known.records {
            let shown = map.shards.iter().any(|shard| shard.index == *index);
            let newest = records.values().next_back();
            ensure(shown || newest.is_none_or(|newest| newest.arrival < kept), || {
                format!("{generation}: shard {index} is gone with {newest:?}")
            })?;
        }
        Ok(())
    }
}

/// Whether nothing of it has changed but that it is closed.
fn same_shard(one: &Shard, other: &Shard) -> bool {
    let of = |shard: &Shard| {
        let parents = (shard.parent, shard.adjacent_parent);
        (shard.index, shard.log, shard.range, parents, shard.created_seconds)
    };
    of(one) == of(other)
}

/// A read against everything that was ever known of its shard.
fn check_read(known: &Known, looked: &Looked) -> Verdict {
    let Looked { read, kept, reached } = looked;
    let none = BTreeMap::new();
    let records = known.records.get(&read.shard).unwrap_or(&none);
    let positions: Vec<u64> = read.records.iter().map(|seen| seen.number.position).collect();
    ensure(positions.is_sorted_by(|one, other| one < other), || "out of order".to_owned())?;
    ensure(positions.iter().all(|position| *position >= read.from), || "too low".to_owned())?;
    let end = read.next.unwrap_or(u64::MAX);
    ensure(positions.iter().all(|position| *position < end), || "beyond its end".to_owned())?;
    let fresh = |seen: &&Seen| seen.arrival >= *kept;
    for seen in records.range(read.from..end.max(read.from)).map(|(_, seen)| seen).filter(fresh) {
        ensure(positions.contains(&seen.number.position), || format!("{seen:?} is missing"))?;
    }
    // A page without records is at the tip: nothing that was known then is beyond it.
    if positions.is_empty() {
        let beyond = records.range(end..(*reached).max(end)).map(|(_, seen)| seen);
        let beyond: Vec<_> = beyond.filter(fresh).collect();
        ensure(beyond.is_empty(), || format!("it ends before {beyond:?}"))?;
    }
    if let Some(time) = read.time {
        let before = records.range(..read.from).map(|(_, seen)| seen);
        let missed: Vec<_> = before.filter(|seen| seen.arrival > time.max(*kept)).collect();
        ensure(missed.is_empty(), || format!("{time} is before {missed:?}"))?;
        let early = read.records.iter().find(|seen| seen.arrival < time);
        ensure(early.is_none(), || format!("{early:?} came before {time}"))?;
    }
    for child in &read.children {
        let own = known.shards.get(child);
        ensure(own.is_none_or(|own| own.descends_from(read.shard)), || {
            format!("{child} is no child")
        })?;
    }
    Ok(())
}
