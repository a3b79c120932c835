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
    /// 200 with the older protocol's `UnknownOperationException`.
    LegacyUnknown,
    /// 200 with the older protocol's `SerializationException`.
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
pub(crate) const ROWS: [Row; 13] = [
    Row { preflight: &[true], verdict: Verdict::Preflight, ..ANY },
    Row { post: &[false], verdict: Verdict::DeniedXml, ..ANY },
    // Without a body even an unknown content type is answered in words of its codec.
    Row {
        body: &[BodyState::Empty],
        target: &[Named::Operation],
        content: &[Content::Codec(Codec::Json), Content::Codec(Codec::Cbor), Content::Unknown],
        verdict: Verdict::Serialization,
        ..ANY
    },
    Row {
        body: &[BodyState::Empty],
        target: NO_OPERATION,
        content: &[Content::Codec(Codec::Json), Content::Codec(Codec::Cbor), Content::Unknown],
        verdict: Verdict::Unknown,
        ..ANY
    },
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
        body: &[BodyState::Empty, BodyState::Sound],
        verdict: Verdict::LegacyUnknown,
        ..ANY
    },
    Row { body: &[BodyState::Broken], verdict: Verdict::Serialization, ..ANY },
    Row { target: NO_OPERATION, verdict: Verdict::Unknown, ..ANY },
    Row { signed: &[false], verdict: Verdict::Signature, ..ANY },
    Row { signed: &[true], verdict: Verdict::Operation, ..ANY },
    ANY,
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
