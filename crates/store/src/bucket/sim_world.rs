//! A bucket in time, and processes that compete for it: every request is applied and answered when the
//! seed says, late, or never; processes pause, and go on as if nothing had happened.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use bytes::Bytes;
use stdx::Entropy;

use super::collect::collectable;
use super::objects::{LANE_FOLDER, chunk_name};
use super::take_over::{CommitManifest, Committed, Owned, TakeOver};
use super::window::PutWindow;
use super::{Answer, Ask, Listed, Machine};
use crate::lane::Sabotage;
use crate::manifest::{MANIFEST_FOLDER, Manifest, name_of};

const DEPTH: usize = 4;
const CHUNK_BYTES: usize = 80;
const TAKE_OVERS: usize = 12;
const END: u64 = 12_000;
/// When a request without an answer is given up by its client.
const LOST_AFTER: u64 = 50;
const LATE_MAX: u64 = 3_000;
const PAUSE_MAX: u64 = 2_500;

/// Which of a process's machines an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    TakeOver,
    Chunk(u64),
    Flush,
    Collect,
}

enum Event {
    Start,
    Apply { node: usize, token: Token, ask: Ask, answered: bool },
    Deliver { node: usize, token: Token, answer: Answer },
    Delete(Vec<String>),
}

struct Running {
    lane: u64,
    nonce: u64,
    manifest: Manifest,
    window: PutWindow,
    number_next: u64,
    flush: Option<(CommitManifest, Manifest)>,
    flush_at: u64,
}

enum State {
    Taking(TakeOver),
    Running(Running),
    Over,
}

struct Node {
    state: State,
    paused_until: u64,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) acknowledged: u64,
    pub(super) take_overs: u64,
    pub(super) violation: Option<String>,
}

pub(super) struct World {
    chance: Entropy,
    sabotage: Sabotage,
    now: u64,
    order: BinaryHeap<Reverse<(u64, u64)>>,
    events: HashMap<u64, Event>,
    event_next: u64,
    objects: BTreeMap<String, Bytes>,
    nodes: Vec<Node>,
    /// What has been acknowledged: lane, number, and the nonce of its owner.
    acknowledged: Vec<(u64, u64, u64)>,
    /// Where take-overs have sealed lanes.
    sealed: BTreeMap<u64, u64>,
    /// The newest manifest that has been put, and whose lane it added last.
    newest: Option<Manifest>,
    owner: u64,
    outcome: Outcome,
}

fn chunk(lane: u64, number: u64, nonce: u64) -> Bytes {
    let mut bytes = vec![0; CHUNK_BYTES];
    bytes[..8].copy_from_slice(&lane.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes[16..24].copy_from_slice(&nonce.to_le_bytes());
    bytes.into()
}

impl World {
    /// Runs one seed to its end, or to the first broken promise.
    pub(super) fn run(seed: u64, sabotage: Sabotage) -> Outcome {
        let mut world = World {
            chance: Entropy::seeded(seed),
            sabotage,
            now: 0,
            order: BinaryHeap::new(),
            events: HashMap::new(),
            event_next: 0,
            objects: BTreeMap::new(),
            nodes: Vec::new(),
            acknowledged: Vec::new(),
            sealed: BTreeMap::new(),
            newest: None,
            owner: 0,
            outcome: Outcome::default(),
        };
        world.at(0, Event::Start);
        for _ in 1..TAKE_OVERS {
            let when = world.below(END * 3 / 4);
            world.at(when, Event::Start);
        }
        while let Some(Reverse((time, id))) = world.order.pop()
            && time < END
            && world.outcome.violation.is_none()
        {
            world.now = time;
            if let Some(event) = world.events.remove(&id) {
                world.step(event);
            }
        }
        world.outcome.acknowledged = world.acknowledged.len() as u64;
        world.outcome
    }

    fn below(&self, bound: u64) -> u64 {
        self.chance.below(bound)
    }

    fn at(&mut self, when: u64, event: Event) {
        self.events.insert(self.event_next, event);
        self.order.push(Reverse((when, self.event_next)));
        self.event_next += 1;
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Start => {
                let take_over = TakeOver::new(&self.chance, self.sabotage);
                let ask = Machine::ask(&take_over);
                self.nodes.push(Node { state: State::Taking(take_over), paused_until: 0 });
                self.send(self.nodes.len() - 1, Token::TakeOver, ask);
            }
            Event::Apply { node, token, ask, answered } => {
                let answer = self.apply(ask);
                if answered {
                    let when = self.now + 1 + self.below(20);
                    self.at(when, Event::Deliver { node, token, answer });
                }
            }
            Event::Deliver { node, token, answer } => self.deliver(node, token, answer),
            Event::Delete(names) => {
                for name in names {
                    self.objects.remove(&name);
                }
            }
        }
    }

    /// Sends a request on its uncertain way.
    fn send(&mut self, node: usize, token: Token, ask: Ask) {
        let soon = self.now + 1 + self.below(20);
        let unknown = Event::Deliver { node, token, answer: Answer::Unknown(String::new()) };
        let fate = self.below(100);
        let is_put = matches!(ask, Ask::PutNew(..));
        match fate {
            0..80 => self.at(soon, Event::Apply { node, token, ask, answered: true }),
            80..87 if is_put => {
                self.at(soon, Event::Apply { node, token, ask, answered: false });
                self.at(self.now + LOST_AFTER, unknown);
            }
            87..93 if is_put => {
                let late = self.now + LOST_AFTER + self.below(LATE_MAX);
                self.at(late, Event::Apply { node, token, ask, answered: false });
                self.at(self.now + LOST_AFTER, unknown);
            }
            _ => self.at(self.now + LOST_AFTER, unknown),
        }
    }

    fn apply(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::PutNew(name, _) if self.objects.contains_key(&name) => Answer::Exists,
            Ask::PutNew(name, bytes) => {
                let manifest = name.starts_with(MANIFEST_FOLDER).then(|| bytes.clone());
                self.objects.insert(name, bytes);
                if let Some(bytes) = manifest {
                    self.observe(&bytes);
                }
                Answer::Created
            }
            Ask::Get(name) => match self.objects.get(&name) {
                Some(bytes) => Answer::Found(bytes.clone()),
                None => Answer::Missing,
            },
            Ask::List(folder) => Answer::Listed(self.list(&folder)),
        }
    }

    fn list(&self, folder: &str) -> Vec<Listed> {
        let below = format!("{folder}/");
        let objects = self.objects.range(below.clone()..);
        let objects = objects.take_while(|(name, _)| name.starts_with(&below));
        let listed = objects.map(|(name, bytes)| Listed {
            name: name[below.len()..].to_owned(),
            bytes: bytes.len() as u64,
        });
        listed.collect()
    }

    fn deliver(&mut self, node: usize, token: Token, answer: Answer) {
        let paused_until = self.nodes[node].paused_until;
        if paused_until > self.now {
            return self.at(paused_until, Event::Deliver { node, token, answer });
        }
        if self.below(100) < 2 {
            self.nodes[node].paused_until = self.now + self.below(PAUSE_MAX);
        }
        let state = std::mem::replace(&mut self.nodes[node].state, State::Over);
        let state = match state {
            State::Over => State::Over,
            State::Taking(take_over) => self.take_over(node, take_over, answer),
            State::Running(running) => self.running(node, running, token, answer),
        };
        self.nodes[node].state = state;
    }

    fn take_over(&mut self, node: usize, mut take_over: TakeOver, answer: Answer) -> State {
        match take_over.answer(answer) {
            None => {
                self.send(node, Token::TakeOver, Machine::ask(&take_over));
                State::Taking(take_over)
            }
            Some(Err(refusal)) => {
                self.outcome.violation = Some(format!("a start is refused: {refusal:?}"));
                State::Over
            }
            Some(Ok(owned)) => {
                self.outcome.take_overs += 1;
                let Owned { manifest, lane } = owned;
                let mut running = Running {
                    lane: lane.lane,
                    nonce: lane.nonce,
                    manifest,
                    window: PutWindow::new(lane.lane, self.sabotage),
                    number_next: 1,
                    flush: None,
                    flush_at: 3,
                };
                self.fill(node, &mut running);
                State::Running(running)
            }
        }
    }

    fn fill(&mut self, node: usize, running: &mut Running) {
        while running.window.in_flight() < DEPTH {
            let number = running.number_next;
            running.number_next += 1;
            let bytes = chunk(running.lane, number, running.nonce);
            let ask = running.window.submit(number, bytes);
            self.send(node, Token::Chunk(number), ask);
        }
    }

    fn running(
        &mut self,
        node: usize,
        mut running: Running,
        token: Token,
        answer: Answer,
    ) -> State {
        match token {
            Token::TakeOver => {}
            Token::Chunk(number) => {
                let before = running.window.durable_below();
                if let Some(ask) = running.window.answer(number, answer) {
                    self.send(node, token, ask);
                }
                for number in before..running.window.durable_below() {
                    self.check_acknowledged(running.lane, number, running.nonce);
                }
                if running.window.is_fenced() {
                    return State::Over;
                }
                self.fill(node, &mut running);
                self.flush(node, &mut running);
            }
            Token::Flush => {
                let Some((mut commit, next)) = running.flush.take() else {
                    return State::Running(running);
                };
                match commit.answer(answer) {
                    None => {
                        self.send(node, Token::Flush, commit.ask());
                        running.flush = Some((commit, next));
                    }
                    Some(Committed::Superseded) => return State::Over,
                    Some(Committed::Newest) => {
                        running.manifest = next;
                        self.send(node, Token::Collect, Ask::List(LANE_FOLDER.to_owned()));
                    }
                }
            }
            Token::Collect => self.collect(&running, answer),
        }
        State::Running(running)
    }

    /// Says in the manifest that everything durable has been flushed.
    fn flush(&mut self, node: usize, running: &mut Running) {
        let durable = running.window.durable_below();
        if running.flush.is_some() || durable < running.flush_at {
            return;
        }
        running.flush_at = durable + 1 + self.below(30);
        let mut next = running.manifest.clone();
        for lane in &mut next.lanes {
            lane.flushed_below =
                if lane.lane == running.lane { durable } else { lane.seal.unwrap_or(1) };
        }
        next.drop_finished_lanes();
        next.number += 1;
        let bytes = next.encode().into();
        let commit = CommitManifest::new(next.number, bytes, self.sabotage);
        self.send(node, Token::Flush, commit.ask());
        running.flush = Some((commit, next));
    }

    /// Removes what nobody needs, whenever that takes effect.
    fn collect(&mut self, running: &Running, answer: Answer) {
        let Answer::Listed(listed) = answer else { return };
        let mut gone = collectable(&listed, &running.manifest, running.lane, self.sabotage);
        let old = |object: &Listed| object.name < format!("{:016x}", running.manifest.number - 1);
        let manifests = self.list(MANIFEST_FOLDER).into_iter().filter(old);
        gone.extend(manifests.map(|object| format!("{MANIFEST_FOLDER}/{}", object.name)));
        assert!(!gone.contains(&name_of(running.manifest.number)));
        let when = self.now + 1 + self.below(500);
        self.at(when, Event::Delete(gone));
    }

    /// An acknowledgement holds if the newest owner has what was acknowledged, or will have.
    fn check_acknowledged(&mut self, lane: u64, number: u64, nonce: u64) {
        self.acknowledged.push((lane, number, nonce));
        let owner = self.owner;
        if lane == owner {
            return;
        }
        if self.sealed.get(&lane).is_none_or(|&seal| number >= seal) {
            let seal = self.sealed.get(&lane);
            self.outcome.violation = Some(format!(
                "{number} of lane {lane} is acknowledged, which {owner} has sealed at {seal:?}"
            ));
        }
    }

    /// A manifest that counts has been put: where it seals lanes, and whom it makes the owner. A new
    /// owner has everything that was ever acknowledged.
    fn observe(&mut self, bytes: &[u8]) {
        let Some(manifest) = Manifest::decode(bytes) else { return };
        if self.newest.as_ref().is_some_and(|newest| newest.number >= manifest.number) {
            // The name was free again: whoever put it finds a newer one listed.
            return;
        }
        let before = self.newest.replace(manifest.clone()).map_or(Vec::new(), |last| last.lanes);
        for lane in &before {
            let listed = manifest.lanes.iter().find(|listed| listed.lane == lane.lane);
            let seal = listed.map_or(lane.seal.or(Some(lane.flushed_below)), |listed| listed.seal);
            self.sealed.extend(seal.map(|seal| (lane.lane, seal)));
        }
        let is_new = |lane: u64| !before.iter().any(|known| known.lane == lane);
        let Some(new) = manifest.lanes.iter().find(|listed| is_new(listed.lane)) else { return };
        self.owner = new.lane;
        let lost = self.acknowledged.iter().find(|(lane, number, nonce)| {
            let sealed = self.sealed.get(lane).is_some_and(|seal| number < seal);
            let unflushed = manifest.lanes.iter().find(|listed| listed.lane == *lane);
            let unflushed = unflushed.is_some_and(|listed| *number >= listed.flushed_below);
            let object = self.objects.get(&chunk_name(*lane, *number));
            !sealed || unflushed && object != Some(&chunk(*lane, *number, *nonce))
        });
        if let Some((lane, number, _)) = lost {
            self.outcome.violation =
                Some(format!("lane {} does not have {number} of lane {lane}", self.owner));
        }
    }
}
