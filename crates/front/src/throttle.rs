//! How often each operation may be called, under `--limits aws`.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stdx::rate::{Bucket, Rate};
use wire::{Call, CallRate, Fault, OperationInfo, Resource, Throttling};

use crate::limits::{CALL_BUCKETS_KEPT, CALL_STRIPES};

/// Whose calls are counted together.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    action: &'static str,
    account: Arc<str>,
    region: Arc<str>,
    /// The resource, where each has a rate of its own.
    of: Option<String>,
}

/// Some of the buckets. A bucket that is full again is as good as none.
#[derive(Default)]
struct Stripe {
    buckets: HashMap<Key, Bucket>,
    tidy_at: usize,
}

/// The buckets of every operation, account, region and resource that was called just now. Data
/// operations have no rate here, so their calls meet no lock.
pub(crate) struct Throttle {
    stripes: Vec<Mutex<Stripe>>,
    hasher: RandomState,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        let stripes = (0..CALL_STRIPES).map(|_| Mutex::default()).collect();
        Throttle { stripes, hasher: RandomState::new() }
    }

    /// Lets a call through or says what AWS says.
    pub(crate) fn admit(
        &self,
        (operation, words): (&OperationInfo, Throttling),
        call: &Call,
        resource: &Resource,
        now: Duration,
    ) -> Result<(), Fault> {
        let Some(rate) = operation.calls_per_second else { return Ok(()) };
        let named = outermost(resource);
        let (per_second, of) = match rate {
            CallRate::PerAccount(per_second) => (per_second, None),
            CallRate::PerResource(per_second) => (per_second, named.map(str::to_owned)),
        };
        let (account, region) = (Arc::clone(&call.account), Arc::clone(&call.region));
        let key = Key { action: operation.action, account, region, of };
        if self.take(key, Rate::per_second(u64::from(per_second)), now) {
            return Ok(());
        }
        Err(match words {
            Throttling::Named => exceeded(named, call),
            // As hashicorp/terraform-provider-aws pull request 26197 shows it.
            Throttling::Plain => Fault::client("ThrottlingException", "Rate exceeded"),
        })
    }

    fn take(&self, key: Key, rate: Rate, now: Duration) -> bool {
        let stripe = self.hasher.hash_one(&key) as usize % self.stripes.len();
        let mut stripe = self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner);
        if stripe.buckets.len() > stripe.tidy_at {
            stripe.buckets.retain(|_, bucket| !bucket.is_full(now));
            stripe.tidy_at = (stripe.buckets.len() * 2).max(CALL_BUCKETS_KEPT);
        }
        stripe.buckets.entry(key).or_default().take(1, rate, now)
    }
}

/// The part of a resource's ARN after the account, without what belongs to it: `stream/orders` of
/// `stream/orders/consumer/app`.
fn outermost(resource: &Resource) -> Option<&str> {
    let own = match resource {
        Resource::Any => return None,
        Resource::Own(own) => own,
        Resource::Arn(arn) => arn.splitn(6, ':').nth(5)?,
    };
    let end = own.match_indices('/').nth(1).map_or(own.len(), |(at, _)| at);
    Some(&own[..end])
}

/// As AWS says it of a stream (boto/botocore pull request 821) and of a call that names none
/// (Graylog2/graylog-plugin-integrations issue 341).
fn exceeded(named: Option<&str>, call: &Call) -> Fault {
    let account = &call.account;
    let message = match named.and_then(|named| named.split_once('/')) {
        Some((kind, name)) => {
            format!("Rate exceeded for {kind} {name} under account {account}.")
        }
        None => format!("Rate exceeded for account {account}."),
    };
    Fault::client("LimitExceededException", message)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use wire::{Access, Kind, RequestId};

    use super::*;

    fn operation(rate: CallRate) -> OperationInfo {
        OperationInfo {
            name: "Describe",
            action: "toy:Describe",
            kind: Kind::Unary,
            access: Access::Read,
            calls_per_second: Some(rate),
            body_bytes_max: 1,
        }
    }

    fn call(account: &str, region: &str) -> Call {
        Call {
            request_id: RequestId(1),
            account: account.into(),
            region: region.into(),
            principal: "root".into(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure_transport: false,
        }
    }

    fn own(name: &str) -> Resource {
        Resource::Own(name.to_owned())
    }

    #[test]
    fn accounts_and_regions_do_not_share_a_rate_but_resources_may() {
        let (throttle, two) = (Throttle::new(), operation(CallRate::PerAccount(2)));
        let now = Duration::from_secs(9);
        let admitted = |account, region, name| {
            throttle
                .admit((&two, Throttling::Named), &call(account, region), &own(name), now)
                .is_ok()
        };
        assert!(admitted("1", "here", "stream/a"));
        assert!(admitted("1", "here", "stream/b"));
        assert!(!admitted("1", "here", "stream/c"));
        assert!(admitted("1", "there", "stream/a"));
        assert!(admitted("2", "here", "stream/a"));
    }

    #[test]
    fn a_rate_per_resource_counts_what_belongs_to_it() {
        let (throttle, two) = (Throttle::new(), operation(CallRate::PerResource(2)));
        let (caller, now) = (call("1", "here"), Duration::from_secs(9));
        let admitted = |resource: &Resource| {
            throttle.admit((&two, Throttling::Named), &caller, resource, now).is_ok()
        };
        assert!(admitted(&own("stream/a/consumer/x")));
        assert!(admitted(&Resource::Arn("arn:aws:toy:here:1:stream/a/consumer/y:77".into())));
        assert!(!admitted(&own("stream/a")));
        assert!(admitted(&own("stream/b")));
    }

    #[test]
    fn awss_words() {
        let caller = call("000000000000", "here");
        let said = |named| exceeded(named, &caller).message.unwrap_or_default().into_owned();
        assert_eq!(said(None), "Rate exceeded for account 000000000000.");
        assert_eq!(
            said(Some("stream/orders")),
            "Rate exceeded for stream orders under account 000000000000."
        );
    }

    #[test]
    fn what_is_full_again_is_forgotten() {
        let (throttle, five) = (Throttle::new(), operation(CallRate::PerResource(5)));
        let caller = call("1", "here");
        for second in 0..40u64 {
            let now = Duration::from_secs(9 + 2 * second);
            for index in 0..1000 {
                let resource = own(&format!("stream/{second}-{index}"));
                assert!(
                    throttle.admit((&five, Throttling::Named), &caller, &resource, now).is_ok()
                );
            }
        }
        let kept = throttle.stripes.iter().map(|stripe| stripe.lock().unwrap().buckets.len());
        assert!(kept.sum::<usize>() <= CALL_STRIPES * (CALL_BUCKETS_KEPT + 1));
    }
}
