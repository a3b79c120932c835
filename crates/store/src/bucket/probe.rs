//! Whether a bucket keeps the one promise that everything rests on. Some that call themselves
//! compatible accept `If-None-Match` and ignore it, or check it and then write: two processes would
//! both believe that they own the data.

use std::io;

use bytes::Bytes;
use stdx::Entropy;

use super::put_once::{PutOnce, Settled};
use super::{Answer, Ask, Bucket, Listed, drive, pause_before};
use crate::lane::Sabotage;
use crate::limits::{BUCKET_PROBE_RACERS, BUCKET_TRIES_MAX};

/// Why a bucket will not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// A second put of one name was accepted.
    OverwritesInTurn,
    /// Of several puts at once more than one was accepted.
    OverwritesInRace,
    /// The object is not the one whose put was accepted.
    WrongContent,
    /// A list does not show an object that is there.
    ListIsBehind,
    /// A part of an object is not that part.
    WrongRange,
}

impl Unfit {
    /// The sentence for the operator.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Unfit::OverwritesInTurn => {
                "it ignores `If-None-Match: *`: a second put of the same name was accepted"
            }
            Unfit::OverwritesInRace => {
                "`If-None-Match: *` does not hold in a race: more than one put of the same name was \
                 accepted"
            }
            Unfit::WrongContent => "an object does not hold what the put that was accepted sent",
            Unfit::ListIsBehind => "a list does not show an object that has just been put",
            Unfit::WrongRange => "a part of an object is not that part",
        }
    }
}

/// Asks until there is an answer.
fn known(bucket: &dyn Bucket, ask: &Ask) -> io::Result<Answer> {
    let mut tries = 0;
    loop {
        match bucket.call(ask.clone()) {
            Answer::Unknown(why) if tries + 1 >= BUCKET_TRIES_MAX => {
                return Err(io::Error::other(why));
            }
            Answer::Unknown(_) => {
                tries += 1;
                bucket.pause(pause_before(tries));
            }
            answer => return Ok(answer),
        }
    }
}

/// Looks at a bucket with a few small objects, which are removed again.
pub(crate) fn probe(bucket: &dyn Bucket, entropy: &Entropy) -> io::Result<Result<(), Unfit>> {
    let folder = format!("probe/{:016x}", entropy.u64());
    let name = |object: &str| format!("{folder}/{object}");
    let found = look(bucket, &folder, &name);
    let _left_for_the_operator = bucket.delete(vec![name("turn"), name("race")]);
    found
}

fn look(
    bucket: &dyn Bucket,
    folder: &str,
    name: &dyn Fn(&str) -> String,
) -> io::Result<Result<(), Unfit>> {
    let (turn, race) = (name("turn"), name("race"));
    let first = Bytes::from_static(b"the first put");
    let mut put = PutOnce::new(turn.clone(), first.clone(), Sabotage::None);
    if drive(bucket, &mut put, |tries| tries >= BUCKET_TRIES_MAX)? != Settled::Own {
        return Ok(Err(Unfit::WrongContent));
    }
    let second = Ask::PutNew(turn.clone(), Bytes::from_static(b"the second put"));
    if matches!(known(bucket, &second)?, Answer::Created) {
        return Ok(Err(Unfit::OverwritesInTurn));
    }
    if !matches!(known(bucket, &Ask::Get(turn.clone()))?, Answer::Found(found) if found == first) {
        return Ok(Err(Unfit::WrongContent));
    }
    let racer = |number: usize| Bytes::from(format!("racer {number}"));
    let asks = (0..BUCKET_PROBE_RACERS).map(|number| Ask::PutNew(race.clone(), racer(number)));
    let answers = bucket.call_all(asks.collect());
    let won: Vec<usize> =
        (0..answers.len()).filter(|&number| matches!(answers[number], Answer::Created)).collect();
    if won.len() > 1 {
        return Ok(Err(Unfit::OverwritesInRace));
    }
    // If every answer was lost, any racer may have won; that it is one of them is known by its size.
    let winner = known(bucket, &Ask::Get(race))?;
    if let Some(&won) = won.first()
        && !matches!(&winner, Answer::Found(found) if *found == racer(won))
    {
        return Ok(Err(Unfit::WrongContent));
    }
    let Answer::Listed(listed) = known(bucket, &Ask::List(folder.to_owned()))? else {
        return Ok(Err(Unfit::ListIsBehind));
    };
    let shown = |object: &str| listed.iter().any(|listed: &Listed| listed.name == object);
    if !shown("turn") || matches!(winner, Answer::Found(_)) && !shown("race") {
        return Ok(Err(Unfit::ListIsBehind));
    }
    let part = bucket.get_range(&turn, 4, 5)?;
    Ok(if part == first.slice(4..9) { Ok(()) } else { Err(Unfit::WrongRange) })
}
