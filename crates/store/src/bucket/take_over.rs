//! A start: claim the next incarnation, seal the lanes before it, and say so in the manifest.

use bytes::Bytes;
use stdx::Entropy;

use super::objects::{CLAIM_FOLDER, Mark, MarkKind, chunk_name, claim_name, is_seal, lane_name};
use super::put_once::{PutOnce, Settled};
use super::{Answer, Ask, Listed, Machine};
use crate::lane::Sabotage;
use crate::limits::BUCKET_SEGMENT_NUMBERS;
use crate::manifest::{self, LaneState, MANIFEST_FOLDER, Manifest, parse_number};

/// Why a start cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This manifest is not a whole one.
    DamagedManifest(String),
    /// All epochs are used up.
    EpochsUsedUp,
}

/// What a start has: a lane of its own, and the manifest that says so.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) manifest: Manifest,
    pub(crate) lane: LaneState,
}

/// How a manifest fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    Newest,
    /// Another process has committed this number or a later one.
    Superseded,
}

/// Puts one manifest. Old ones are removed, so that a name may be free again: only when the list shows
/// nothing newer does it count.
#[derive(Clone, Debug)]
pub(crate) struct CommitManifest {
    number: u64,
    put: PutOnce,
    put_done: bool,
}

impl CommitManifest {
    pub(crate) fn new(number: u64, bytes: Bytes, sabotage: Sabotage) -> Self {
        let put = PutOnce::new(manifest::name_of(number), bytes, sabotage);
        CommitManifest { number, put, put_done: false }
    }
}

impl Machine for CommitManifest {
    type Done = Committed;

    fn ask(&self) -> Ask {
        if self.put_done { Ask::List(MANIFEST_FOLDER.to_owned()) } else { self.put.ask() }
    }

    fn answer(&mut self, answer: Answer) -> Option<Committed> {
        if !self.put_done {
            return match self.put.answer(answer)? {
                Settled::Own => {
                    self.put_done = true;
                    None
                }
                Settled::Foreign(_) => Some(Committed::Superseded),
            };
        }
        let Answer::Listed(listed) = answer else { return None };
        let newest = newest(&listed).unwrap_or(0);
        Some(if newest > self.number { Committed::Superseded } else { Committed::Newest })
    }
}

fn newest(listed: &[Listed]) -> Option<u64> {
    listed.iter().filter_map(|object| parse_number(&object.name)).max()
}

#[derive(Clone, Debug)]
enum Step {
    ListManifests,
    ReadManifest(u64),
    ListClaims,
    Claim(u64, PutOnce),
    /// The lane, by its place in the manifest, is looked at.
    ListLane(usize),
    Seal {
        index: usize,
        number: u64,
        listed: Vec<Listed>,
        put: PutOnce,
    },
    Commit(CommitManifest),
}

/// Takes the bucket over, as steps.
///
/// The manifest is read before the claim and committed after it, under the number that follows: whoever
/// else took over in between has that number, and this start begins again with a later claim. Numbers
/// are claimed without gaps, so that every lane in the manifest that was read is an earlier one.
#[derive(Debug)]
pub(crate) struct TakeOver {
    nonce: u64,
    fresh: Manifest,
    sabotage: Sabotage,
    manifest: Manifest,
    lane: Option<LaneState>,
    step: Step,
}

impl TakeOver {
    pub(crate) fn new(entropy: &Entropy, sabotage: Sabotage) -> Self {
        let fresh = Manifest::new(entropy);
        TakeOver {
            nonce: entropy.u64(),
            manifest: fresh.clone(),
            fresh,
            sabotage,
            lane: None,
            step: Step::ListManifests,
        }
    }

    fn claim(&self, lane: u64) -> Step {
        let mark = Mark { kind: MarkKind::Claim, lane, number: 0, nonce: self.nonce };
        let put = PutOnce::new(claim_name(lane), mark.encode().into(), self.sabotage);
        Step::Claim(lane, put)
    }

    /// The next lane from `from` on that is earlier and has no seal, or else the commit.
    fn next_lane(&mut self, from: usize) -> Result<Step, Refusal> {
        let own = self.lane.as_ref().map_or(0, |lane| lane.lane);
        let mut lanes = self.manifest.lanes.iter().enumerate().skip(from);
        let open = lanes.find(|(_, lane)| lane.seal.is_none() && lane.lane < own);
        if let Some((index, _)) = open {
            return Ok(Step::ListLane(index));
        }
        self.manifest.drop_finished_lanes();
        self.manifest.lanes.extend(self.lane.clone());
        self.manifest.number += 1;
        let bytes = self.manifest.encode().into();
        Ok(Step::Commit(CommitManifest::new(self.manifest.number, bytes, self.sabotage)))
    }

    /// Goes over what is listed of a lane from `number` on, to where its end may be.
    fn seal(&self, index: usize, number: u64, listed: Vec<Listed>) -> Step {
        let lane = self.manifest.lanes[index].lane;
        let mut number = number;
        while listed
            .iter()
            .any(|object| parse_number(&object.name) == Some(number) && !is_seal(object.bytes))
        {
            number += 1;
        }
        let mark = Mark { kind: MarkKind::Seal, lane, number, nonce: self.nonce };
        let name = chunk_name(lane, number);
        let put = PutOnce::new(name, mark.encode().into(), self.sabotage);
        Step::Seal { index, number, listed, put }
    }

    fn sealed(&mut self, index: usize, number: u64) -> Result<Step, Refusal> {
        self.manifest.lanes[index].seal = Some(number);
        self.next_lane(index + 1)
    }

    fn claimed(&mut self, number: u64) -> Result<Step, Refusal> {
        let lane = self.manifest.claim_as(number, self.nonce).ok_or(Refusal::EpochsUsedUp)?;
        self.lane = Some(lane);
        // Whoever does not know that it is dead may still write segments: under numbers of its own.
        let own = self.manifest.segment_next / BUCKET_SEGMENT_NUMBERS + 2;
        self.manifest.segment_next = own * BUCKET_SEGMENT_NUMBERS;
        self.next_lane(0)
    }

    pub(crate) fn ask(&self) -> Ask {
        match &self.step {
            Step::ListManifests => Ask::List(MANIFEST_FOLDER.to_owned()),
            Step::ReadManifest(number) => Ask::Get(manifest::name_of(*number)),
            Step::ListClaims => Ask::List(CLAIM_FOLDER.to_owned()),
            Step::ListLane(index) => Ask::List(lane_name(self.manifest.lanes[*index].lane)),
            Step::Claim(_, put) | Step::Seal { put, .. } => put.ask(),
            Step::Commit(commit) => commit.ask(),
        }
    }

    fn read(&mut self, number: u64, bytes: &[u8]) -> Result<Step, Refusal> {
        let manifest = Manifest::decode(bytes).filter(|manifest| manifest.number == number);
        let damaged = || Refusal::DamagedManifest(manifest::name_of(number));
        self.manifest = manifest.ok_or_else(damaged)?;
        Ok(Step::ListClaims)
    }

    /// The step after this answer; `None` if it is the same one again.
    fn next(&mut self, answer: Answer) -> Result<Option<Step>, Refusal> {
        let step = self.step.clone();
        Ok(Some(match (step, answer) {
            (Step::Claim(number, _), Answer::Unknown(_)) if self.sabotage.skips_claims() => {
                self.claim(number + 1)
            }
            (_, Answer::Unknown(_)) => return Ok(None),
            (Step::ListManifests, Answer::Listed(listed)) => match newest(&listed) {
                Some(number) => Step::ReadManifest(number),
                None => {
                    self.manifest = self.fresh.clone();
                    Step::ListClaims
                }
            },
            (Step::ReadManifest(number), Answer::Found(bytes)) => self.read(number, &bytes)?,
            (Step::ReadManifest(_), _) => Step::ListManifests,
            (Step::ListClaims, Answer::Listed(listed)) => self.claim(first_free(&listed)),
            (Step::Claim(number, mut put), answer) => match put.answer(answer) {
                None => Step::Claim(number, put),
                Some(Settled::Own) => self.claimed(number)?,
                Some(Settled::Foreign(_)) => self.claim(number + 1),
            },
            (Step::ListLane(index), Answer::Listed(listed)) => {
                let step = self.seal(index, self.manifest.lanes[index].flushed_below, listed);
                match step {
                    Step::Seal { number, .. } if !self.sabotage.seals() => {
                        self.sealed(index, number)?
                    }
                    step => step,
                }
            }
            (Step::Seal { index, number, listed, mut put }, answer) => match put.answer(answer) {
                None => Step::Seal { index, number, listed, put },
                Some(Settled::Own) => self.sealed(index, number)?,
                Some(Settled::Foreign(bytes)) if is_seal(bytes.len() as u64) => {
                    self.sealed(index, number)?
                }
                // A chunk that the list did not show yet: it counts.
                Some(Settled::Foreign(_)) => self.seal(index, number + 1, listed),
            },
            (_, _) => return Ok(None),
        }))
    }
}

impl Machine for TakeOver {
    type Done = Result<Owned, Refusal>;

    fn ask(&self) -> Ask {
        TakeOver::ask(self)
    }

    fn answer(&mut self, answer: Answer) -> Option<Result<Owned, Refusal>> {
        if let Step::Commit(commit) = &mut self.step {
            match commit.answer(answer)? {
                Committed::Superseded => self.step = Step::ListManifests,
                Committed::Newest => {
                    let lane = self.lane.clone()?;
                    return Some(Ok(Owned { manifest: self.manifest.clone(), lane }));
                }
            }
            return None;
        }
        match self.next(answer) {
            Ok(Some(step)) => self.step = step,
            Ok(None) => {}
            Err(refusal) => return Some(Err(refusal)),
        }
        None
    }
}

/// The first number without a claim. A list that is behind shows one too low, which the put settles.
fn first_free(listed: &[Listed]) -> u64 {
    let taken: std::collections::BTreeSet<u64> =
        listed.iter().filter_map(|object| parse_number(&object.name)).collect();
    (1..).find(|number| !taken.contains(number)).unwrap_or(u64::MAX)
}
