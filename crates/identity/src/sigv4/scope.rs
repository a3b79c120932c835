//! The credential and its scope.

/// `key/date/region/service/terminator`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The whole credential.
    pub credential: &'a str,
    /// The access key id.
    pub access_key_id: &'a str,
    /// The day, `YYYYMMDD`.
    pub date: &'a str,
    /// The region.
    pub region: &'a str,
    /// The service's signing name.
    pub service: &'a str,
    /// `aws4_request`.
    pub terminator: &'a str,
}

impl<'a> Scope<'a> {
    /// Takes a credential apart; `None` unless it has exactly five parts.
    pub fn parse(credential: &'a str) -> Option<Self> {
        Scope::parse_with_ends(credential).map(|(scope, _)| scope)
    }

    /// The same, and where the first four parts end.
    pub(super) fn parse_with_ends(credential: &'a str) -> Option<(Self, [usize; 4])> {
        let slashes = credential.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let mut ends = slashes.map(|(at, _)| at);
        let four = [ends.next()?, ends.next()?, ends.next()?, ends.next()?];
        ends.next().is_none().then(|| (Scope::of_parsed(credential, four), four))
    }

    /// The scope of a credential that was parsed before: its parts end there.
    pub(super) fn of_parsed(credential: &'a str, ends: [usize; 4]) -> Self {
        let [first, second, third, fourth] = ends;
        let part = |from: usize, to: usize| credential.get(from..to).unwrap_or_default();
        Scope {
            credential,
            access_key_id: part(0, first),
            date: part(first + 1, second),
            region: part(second + 1, third),
            service: part(third + 1, fourth),
            terminator: part(fourth + 1, credential.len()),
        }
    }

    /// `date/region/service/terminator`, as the string to sign holds it.
    pub fn without_key(&self) -> &'a str {
        self.credential.get(self.access_key_id.len() + 1..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn five_parts_and_no_other_number() {
        let scope = Scope::parse("AKID/20150830/us-east-1/kinesis/aws4_request").unwrap();
        assert_eq!(scope.region, "us-east-1");
        assert_eq!(scope.without_key(), "20150830/us-east-1/kinesis/aws4_request");
        assert_eq!(Scope::parse("a/b/c/d"), None);
        assert_eq!(Scope::parse("a/b/c/d/e/f"), None);
        assert_eq!(Scope::parse(""), None);
    }
}
