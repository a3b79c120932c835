//! Which error a failed request gets: AWS's precedence as a table.
//!
//! It is consulted only when something failed. Rows are tried from the top; the first that fits
//! decides. Sources: `facts/streams.md` § 2.2 and `facts/security.md` § 1.3, both from
//! recorded behaviour of AWS.

use wire::Codec;

use crate::routes::Content;

/// How a body looks before anybody asks what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyState {
    /// There is none.
    Empty,
    /// It is not of its content type.
    Broken,
    /// It is well-formed, or was not read because the head decides.
    Sound,
}

/// What the target header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Nothing.
    Nothing,
    /// Something that nobody serves.
    Stranger,
    /// An operation.
    Operation,
}

/// What is known of a failed request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Whether it is a browser's question before a cross-origin request, and those are answered.
    pub(crate) preflight: bool,
    pub(crate) post: bool,
    pub(crate) content: Content,
    pub(crate) target: Named,
    pub(crate) body: BodyState,
    /// Whether its signature is believed.
    pub(crate) signed: bool,
}

/// The error that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 200 and permission, in headers.
    Preflight,
    /// XML 403 `AccessDeniedException`.
    DeniedXml,
    /// XML 404 `UnknownOperationException`.
    UnknownXml,
    /// `UnknownOperationException` without words.
    Unknown,
    /// `SerializationException` without words.
    Serialization,
    /// 404 with the older protocol's `UnknownOperationException`.
    LegacyUnknown,
    /// 400 with the older protocol's `SerializationException`.
    LegacySerialization,
    /// What the signature check said.
    Signature,
    /// What the operation said: types, then constraints, then meaning.
    Operation,
}

/// One row: conditions, each a list of what fits, empty for anything; and the verdict.
pub(crate) struct Row {
    preflight: &'static [bool],
    post: &'static [bool],
    content: &'static [Content],
    target: &'static [Named],
    body: &'static [BodyState],
    signed: &'static [bool],
    verdict: Verdict,
}

const ANY: Row = Row {
    preflight: &[],
    post: &[],
    content: &[],
    target: &[],
    body: &[],
    signed: &[],
    verdict: Verdict::Operation,
};
const NO_OPERATION: &[Named] = &[Named::Nothing, Named::Stranger];

/// AWS's precedence.
pub(crate) const ROWS: [Row; 12] = [
    Row { preflight: &[true], verdict: Verdict::Preflight, ..ANY },
    Row { post: &[false], verdict: Verdict::DeniedXml, ..ANY },
    // Without a body the content type decides nothing but the codec of the answer.
    Row {
        body: &[BodyState::Empty],
        target: &[Named::Operation],
        verdict: Verdict::Serialization,
        ..ANY
    },
    Row { body: &[BodyState::Empty], target: NO_OPERATION, verdict: Verdict::Unknown, ..ANY },
    Row {
        content: &[Content::Unknown],
        target: &[Named::Nothing],
        verdict: Verdict::DeniedXml,
        ..ANY
    },
    Row { content: &[Content::Unknown], verdict: Verdict::UnknownXml, ..ANY },
    Row {
        content: &[Content::Legacy],
        body: &[BodyState::Broken],
        verdict: Verdict::LegacySerialization,
        ..ANY
    },
    Row {
        content: &[Content::Legacy],
        body: &[BodyState::Sound],
        verdict: Verdict::LegacyUnknown,
        ..ANY
    },
    Row { body: &[BodyState::Broken], verdict: Verdict::Serialization, ..ANY },
    Row { target: NO_OPERATION, verdict: Verdict::Unknown, ..ANY },
    Row { signed: &[false], verdict: Verdict::Signature, ..ANY },
    Row { signed: &[true], verdict: Verdict::Operation, ..ANY },
];

/// The error for a failed request.
pub(crate) fn judge(facts: Facts) -> Verdict {
    ROWS.iter().find(|row| row.fits(facts)).map_or(Verdict::Operation, |row| row.verdict)
}

impl Row {
    fn fits(&self, facts: Facts) -> bool {
        among(self.preflight, &facts.preflight)
            && among(self.post, &facts.post)
            && among(self.content, &facts.content)
            && among(self.target, &facts.target)
            && among(self.body, &facts.body)
            && among(self.signed, &facts.signed)
    }
}

fn among<T: PartialEq>(allowed: &[T], value: &T) -> bool {
    allowed.is_empty() || allowed.contains(value)
}

/// Whether a body is what its content type says, without asking what it means.
pub(crate) fn body_state(content: Content, body: &[u8]) -> BodyState {
    let sound = match content {
        _ if body.is_empty() => return BodyState::Empty,
        Content::Codec(codec) => wire::codec::is_well_formed(codec, body),
        Content::Legacy => wire::codec::is_well_formed(Codec::Json, body),
        Content::Unknown => true,
    };
    if sound { BodyState::Sound } else { BodyState::Broken }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Content = Content::Codec(Codec::Json);
    const CBOR: Content = Content::Codec(Codec::Cbor);
    const CONTENTS: [Content; 4] = [JSON, CBOR, Content::Legacy, Content::Unknown];
    const TARGETS: [Named; 3] = [Named::Nothing, Named::Stranger, Named::Operation];
    const BODIES: [BodyState; 3] = [BodyState::Empty, BodyState::Broken, BodyState::Sound];

    /// What the pages say, case by case: content, target, body, signed, verdict.
    const RECORDED: [(Content, Named, BodyState, bool, Verdict); 25] = [
        // No body.
        (JSON, Named::Nothing, BodyState::Empty, false, Verdict::Unknown),
        (JSON, Named::Stranger, BodyState::Empty, true, Verdict::Unknown),
        (JSON, Named::Operation, BodyState::Empty, true, Verdict::Serialization),
        (JSON, Named::Operation, BodyState::Empty, false, Verdict::Serialization),
        (CBOR, Named::Nothing, BodyState::Empty, false, Verdict::Unknown),
        (CBOR, Named::Operation, BodyState::Empty, false, Verdict::Serialization),
        (Content::Unknown, Named::Nothing, BodyState::Empty, true, Verdict::Unknown),
        (Content::Unknown, Named::Operation, BodyState::Empty, true, Verdict::Serialization),
        // Unknown content type.
        (Content::Unknown, Named::Nothing, BodyState::Sound, true, Verdict::DeniedXml),
        (Content::Unknown, Named::Stranger, BodyState::Sound, true, Verdict::UnknownXml),
        (Content::Unknown, Named::Operation, BodyState::Sound, false, Verdict::UnknownXml),
        // The older protocol.
        (Content::Legacy, Named::Nothing, BodyState::Empty, true, Verdict::Unknown),
        (Content::Legacy, Named::Operation, BodyState::Empty, true, Verdict::Serialization),
        (Content::Legacy, Named::Operation, BodyState::Sound, false, Verdict::LegacyUnknown),
        (Content::Legacy, Named::Operation, BodyState::Broken, false, Verdict::LegacySerialization),
        (Content::Legacy, Named::Nothing, BodyState::Broken, true, Verdict::LegacySerialization),
        // Broken syntax before target before signature before types.
        (JSON, Named::Operation, BodyState::Broken, false, Verdict::Serialization),
        (JSON, Named::Stranger, BodyState::Broken, false, Verdict::Serialization),
        (JSON, Named::Nothing, BodyState::Broken, true, Verdict::Serialization),
        (CBOR, Named::Operation, BodyState::Broken, true, Verdict::Serialization),
        (JSON, Named::Nothing, BodyState::Sound, false, Verdict::Unknown),
        (JSON, Named::Stranger, BodyState::Sound, false, Verdict::Unknown),
        (JSON, Named::Operation, BodyState::Sound, false, Verdict::Signature),
        (CBOR, Named::Operation, BodyState::Sound, false, Verdict::Signature),
        (JSON, Named::Operation, BodyState::Sound, true, Verdict::Operation),
    ];

    fn facts(content: Content, target: Named, body: BodyState, signed: bool) -> Facts {
        Facts { preflight: false, post: true, content, target, body, signed }
    }

    #[test]
    fn recorded_cases() {
        for (content, target, body, signed, verdict) in RECORDED {
            let facts = facts(content, target, body, signed);
            assert_eq!(judge(facts), verdict, "{facts:?}");
        }
    }

    #[test]
    fn every_combination_is_judged_by_a_row_and_every_row_judges_one() {
        let mut used = [false; ROWS.len()];
        for content in CONTENTS {
            for target in TARGETS {
                for body in BODIES {
                    for bits in 0..8 {
                        let facts = Facts {
                            preflight: bits & 1 != 0,
                            post: bits & 2 != 0,
                            signed: bits & 4 != 0,
                            ..facts(content, target, body, false)
                        };
                        let row = ROWS.iter().position(|row| row.fits(facts));
                        used[row.unwrap_or_else(|| panic!("no row for {facts:?}"))] = true;
                        assert_invariants(facts);
                    }
                }
            }
        }
        assert_eq!(used, [true; ROWS.len()]);
    }

    /// What must hold whatever the rows look like.
    fn assert_invariants(facts: Facts) {
        let verdict = judge(facts);
        let reaches_operation = facts.post
            && !facts.preflight
            && facts.target == Named::Operation
            && facts.body == BodyState::Sound
            && matches!(facts.content, Content::Codec(_));
        assert_eq!(verdict == Verdict::Operation, reaches_operation && facts.signed, "{facts:?}");
        assert_eq!(verdict == Verdict::Signature, reaches_operation && !facts.signed, "{facts:?}");
        // Nobody learns from an error whether a signature was good, before it matters.
        if !reaches_operation {
            assert_eq!(verdict, judge(Facts { signed: !facts.signed, ..facts }));
        }
    }

    #[test]
    fn bodies_are_told_apart() {
        let cases: [(Content, &[u8], BodyState); 10] = [
            (JSON, b"", BodyState::Empty),
            (JSON, b"{}", BodyState::Sound),
            (JSON, b" {\"a\":[1,null]} ", BodyState::Sound),
            (JSON, b"{", BodyState::Broken),
            (JSON, b"hello", BodyState::Broken),
            (JSON, b"{} x", BodyState::Broken),
            (CBOR, b"\xbf\xff", BodyState::Sound),
            (CBOR, b"\xbf", BodyState::Broken),
            (Content::Legacy, b"hello", BodyState::Broken),
            (Content::Unknown, b"anything", BodyState::Sound),
        ];
        for (content, body, state) in cases {
            assert_eq!(body_state(content, body), state, "{content:?} {body:?}");
        }
    }
}
