//! AWS's oldest protocol: forms in, XML out
//! (<https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>).
//!
//! A structure's members are parameters with dots in their names, and a list's are
//! `Name.member.1`, `Name.member.2`, …; answers are elements of the same names.

mod read;
mod write;

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde::ser::Serialize;

use crate::{Fault, RequestId};

pub(crate) use read::Form;

/// One parameter of a form, such as `Action`; `None` if it is not there or the form is none.
pub fn parameter(body: &[u8], name: &str) -> Option<String> {
    let form = std::str::from_utf8(body).ok()?;
    let mut pairs = form.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    read::unescape(pairs.find(|(key, _)| *key == name)?.1)
}

/// Reads a form.
pub(crate) fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    T::deserialize(&Form::parse(body)?).ok()
}

/// Writes a structure's members as elements; the wrapping is [`answer`]'s.
pub(crate) fn write<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> bool {
    let mut text = String::new();
    let written = value.serialize(write::Element::root(&mut text)).is_ok();
    buffer.extend_from_slice(text.as_bytes());
    written
}

/// A whole answer around the elements of its members.
pub fn answer(operation: &str, namespace: &str, members: &str, id: RequestId) -> String {
    let result = match members {
        "" => String::new(),
        members => format!("<{operation}Result>{members}</{operation}Result>"),
    };
    format!(
        "<{operation}Response xmlns=\"{namespace}\">{result}<ResponseMetadata><RequestId>{id}\
         </RequestId></ResponseMetadata></{operation}Response>\n"
    )
}

/// A fault as a whole answer.
pub fn fault(fault: &Fault, namespace: &str, id: RequestId) -> String {
    let mut text = String::new();
    let (code, kind) = (code_of(&fault.code), sender_of(status_of(fault)));
    let _infallible =
        write!(text, "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{kind}</Type>");
    write::element(&mut text, "Code", code);
    write::element(&mut text, "Message", fault.message.as_deref().unwrap_or_default());
    let _infallible = writeln!(text, "</Error><RequestId>{id}</RequestId></ErrorResponse>");
    text
}

/// A fault as services that speak XML over paths write it: codes are the newer ones there.
pub fn bare_fault(fault: &Fault, id: RequestId) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>".to_owned();
    write::element(&mut text, "Code", &fault.code);
    write::element(&mut text, "Message", fault.message.as_deref().unwrap_or_default());
    let _infallible = writeln!(text, "<RequestId>{id}</RequestId></Error>");
    text
}

/// `code;Sender`, as services that once spoke this protocol add it to answers in their newer ones
/// (`x-amzn-query-error`).
pub fn error_header(fault: &Fault) -> String {
    format!("{};{}", code_of(&fault.code), sender_of(fault.status))
}

/// The status that a fault has in this protocol: who is not believed is forbidden.
pub fn status_of(fault: &Fault) -> u16 {
    let code = code_of(&fault.code);
    let is_forbidden = FORBIDDEN.contains(&code);
    if is_forbidden { 403 } else { fault.status }
}

fn sender_of(status: u16) -> &'static str {
    if status < 500 { "Sender" } else { "Receiver" }
}

/// Codes of newer protocols and what they are called here (`facts/security.md` § 1.3, and the
/// `awsQueryError` traits of the official models).
const CODES: &[(&str, &str)] = &[
    ("InvalidSignatureException", "SignatureDoesNotMatch"),
    ("MissingRequiredParameterException", "MissingParameter"),
    ("SerializationException", "MalformedQueryString"),
    ("UnknownOperationException", "InvalidAction"),
    ("UnrecognizedClientException", "InvalidClientTokenId"),
];
const FORBIDDEN: &[&str] = &[
    "AccessDenied",
    "ExpiredToken",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
];

/// What a code is called in this protocol: the table's word, else itself without `Exception`.
fn code_of(code: &str) -> &str {
    let named = CODES.iter().find(|(newer, _)| *newer == code).map(|(_, older)| *older);
    named.unwrap_or_else(|| code.strip_suffix("Exception").unwrap_or(code))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Datum {
        name: String,
        value: Option<f64>,
        on: Option<bool>,
        values: Option<Vec<f64>>,
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Data {
        namespace: Option<String>,
        data: Option<Vec<Datum>>,
    }

    fn datum(name: &str) -> Datum {
        Datum { name: name.into(), value: None, on: None, values: None }
    }

    #[test]
    fn members_and_lists() {
        let read: Data = from_slice(
            b"Action=Put&Version=1&Namespace=a%2Fb+c%C3%A9&Data.member.10.Name=ten\
              &Data.member.2.Name=two&Data.member.2.Value=1.5e3&Data.member.2.On=true\
              &Data.member.2.Values.member.1=1&Data.member.2.Values.member.2=-2.5",
        )
        .unwrap();
        let two = Datum {
            value: Some(1500.0),
            on: Some(true),
            values: Some(vec![1.0, -2.5]),
            ..datum("two")
        };
        assert_eq!(
            read,
            Data { namespace: Some("a/b c\u{e9}".into()), data: Some(vec![two, datum("ten")]) }
        );
        let empty: Data = from_slice(b"Data=").unwrap();
        assert_eq!(empty, Data { namespace: None, data: Some(vec![]) });
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let wrong: [&[u8]; 7] = [
            b"Namespace=%",
            b"Namespace=%zz",
            b"Namespace=%ff",
            b"\xff=1",
            b"Data.member.x.Name=a",
            b"Namespace=a&Namespace.b=c",
            b"Data.member.1.Name=a&Data.member.1.Value=high",
        ];
        for body in wrong {
            assert!(from_slice::<Data>(body).is_none(), "{}", String::from_utf8_lossy(body));
        }
        let many = "a&".repeat(crate::limits::FORM_NODES_MAX);
        assert!(from_slice::<Data>(many.as_bytes()).is_some());
        assert!(from_slice::<Data>((many + "b").as_bytes()).is_none());
        let branchy: String = (0..1000).map(|n| format!("{n}{}=1&", ".a".repeat(60))).collect();
        assert!(from_slice::<Data>(branchy.as_bytes()).is_none());
        let deep = "a.".repeat(crate::limits::NESTING_MAX + 1) + "a=1";
        assert!(from_slice::<Data>(deep.as_bytes()).is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_body_is_too_strange(body: Vec<u8>, text in "([a-z.=&%+0-9]|member){0,60}") {
            let _read_or_not = from_slice::<Data>(&body);
            let _read_or_not = from_slice::<Data>(text.as_bytes());
            let _found_or_not = parameter(&body, "Action");
        }

        #[test]
        fn what_is_escaped_is_read(name in "[ -~]{0,20}") {
            let escaped: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let read: Data = from_slice(format!("Namespace={escaped}").as_bytes()).unwrap();
            assert_eq!(read.namespace, Some(name));
        }
    }

    #[test]
    fn one_parameter() {
        assert_eq!(parameter(b"Version=1&Action=A%42", "Action").as_deref(), Some("AB"));
        assert_eq!(parameter(b"Version=1&Actions=AB", "Action"), None);
        assert_eq!(parameter(b"\xff", "Action"), None);
    }

    #[test]
    fn answers() {
        let data = Data {
            namespace: Some("<&>\"\u{1}".into()),
            data: Some(vec![Datum { value: Some(2.0), ..datum("x") }]),
        };
        let mut members = Vec::new();
        assert!(write(&data, &mut members));
        let text = answer("Get", "urn:x", &String::from_utf8(members).unwrap(), RequestId(1));
        assert_eq!(
            text,
            "<GetResponse xmlns=\"urn:x\"><GetResult><Namespace>&lt;&amp;&gt;&quot;\u{fffd}\
             </Namespace><Data><member><Name>x</Name><Value>2</Value></member></Data></GetResult>\
             <ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000001</RequestId>\
             </ResponseMetadata></GetResponse>\n"
        );
        assert!(!answer("Put", "urn:x", "", RequestId(1)).contains("PutResult"));
    }

    #[test]
    fn faults() {
        let denied = Fault::client("UnrecognizedClientException", "a < b");
        assert_eq!(status_of(&denied), 403);
        assert_eq!(
            fault(&denied, "urn:x", RequestId(1)),
            "<ErrorResponse xmlns=\"urn:x\"><Error><Type>Sender</Type><Code>InvalidClientTokenId\
             </Code><Message>a &lt; b</Message></Error><RequestId>\
             00000000-0000-0000-0000-000000000001</RequestId></ErrorResponse>\n"
        );
        let bare = bare_fault(&denied, RequestId(1));
        assert!(
            bare.contains("<Error><Code>UnrecognizedClientException</Code><Message>"),
            "{bare}"
        );
        assert_eq!(error_header(&Fault::internal()), "InternalFailure;Receiver");
        assert_eq!(error_header(&Fault::bare("LimitExceededException")), "LimitExceeded;Sender");
    }
}
