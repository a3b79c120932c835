//! The other protocols of AWS: forms, Smithy RPC v2, compressed bodies, and what is not here.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{Message, Reply, Server, Setting, still_clock};
use crate::toy::{ECHO_BYTES_MAX, OLD};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
const JSON10: (&str, &str) = ("content-type", "application/x-amz-json-1.0");
const RPC: [(&str, &str); 2] =
    [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")];

async fn ask(server: &Server, service: &str, message: Message) -> Reply {
    server.send(&message.signed_for(service, &server.pair, server.clock.wall())).await
}

async fn form(server: &Server, service: &str, body: &str) -> Reply {
    ask(server, service, server.message(&[FORM], body.as_bytes())).await
}

async fn rpc(server: &Server, service: &str, path: &str, body: &[u8]) -> Reply {
    let mut message = server.message(&RPC, body);
    message.path = path.to_owned();
    ask(server, service, message).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_form_is_answered_in_xml() {
    let server = Server::plain();
    let reply = form(&server, "oldtoy", "Action=Echo&Version=2010-01-01&Text=a+%3C").await;
    let id = reply.header("x-amzn-requestid").unwrap();
    assert_eq!(
        (reply.status, reply.text()),
        (
            200,
            format!(
                "<EchoResponse xmlns=\"urn:old\"><EchoResult><Text>a &lt;</Text><Account>\
                 123456789012</Account><Region>eu-west-1</Region></EchoResult><ResponseMetadata>\
                 <RequestId>{id}</RequestId></ResponseMetadata></EchoResponse>\n"
            )
        )
    );
    assert_eq!(reply.header("content-type"), Some("text/xml"));
}

#[tokio::test]
async fn a_forms_faults_are_xml_with_codes_of_its_time() {
    let server = Server::plain();
    let fault = |reply: Reply| {
        let text = reply.text();
        let code = text.split("<Code>").nth(1).and_then(|rest| rest.split("</Code>").next());
        (reply.status, code.unwrap_or_default().to_owned())
    };
    let cases = [
        ("Action=Echo&Version=2010-01-01&Text=a&Text.b=c", (400, "MalformedQueryString")),
        ("Action=Echo&Version=2009-01-01", (400, "InvalidAction")),
        ("Action=Unheard&Version=2010-01-01", (400, "InvalidAction")),
        ("", (400, "InvalidAction")),
    ];
    for (body, (status, code)) in cases {
        let answered = fault(form(&server, "oldtoy", body).await);
        assert_eq!(answered, (status, code.to_owned()), "{body}");
    }
    let message = server.message(&[FORM], b"Action=Echo&Version=2010-01-01");
    let mut forged = message.signed_for("oldtoy", &server.pair, server.clock.wall());
    forged.body = b"Action=Echo&Version=2010-01-02".to_vec();
    let answered = fault(server.send(&forged).await);
    assert_eq!(answered, (403, "SignatureDoesNotMatch".to_owned()));
    // A form without a signature is nobody's.
    let reply = server.send(&server.message(&[FORM], b"Action=Echo&Version=2010-01-01")).await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("AccessDeniedException"));
}

#[tokio::test]
async fn rpc_v2_is_answered_in_cbor() {
    let server = Server::plain();
    let path = "/service/OldToy/operation/Echo";
    let reply = rpc(&server, "oldtoy", path, b"\xbf\x64Text\x62hi\xff").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("smithy-protocol"), Some("rpc-v2-cbor"));
    assert_eq!(reply.header("content-type"), Some("application/cbor"));
    assert!(reply.body.windows(7).any(|window| window == b"Text\x62hi"));
    let reply = rpc(&server, "oldtoy", path, b"\x01").await;
    assert_eq!((reply.status, reply.text().contains("SerializationException")), (400, true));
    let wrong_service = rpc(&server, "toy", path, b"\xa0").await;
    assert!(wrong_service.text().contains("InvalidSignatureException"));
}

#[tokio::test]
async fn each_service_reads_its_own_content_types() {
    let server = Server::plain();
    let old = server.message(&[JSON10, ("x-amz-target", "OldToy.Echo")], b"{\"Text\":\"x\"}");
    let reply = ask(&server, "oldtoy", old).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some(JSON10.1)));
    let new = server.message(&[JSON10, ("x-amz-target", "Toy_20261124.Echo")], b"{}");
    let reply = ask(&server, "toy", new).await;
    assert_eq!((reply.status, reply.text().contains("UnknownOperation")), (404, true));
}

#[tokio::test]
async fn codes_of_old_are_added_for_those_who_ask() {
    let server = Server::plain();
    let headers = [JSON10, ("x-amz-target", "OldToy.Echo"), ("x-amzn-query-mode", "true")];
    let reply = ask(&server, "oldtoy", server.message(&headers, b"{\"Text\":7}")).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.header("x-amzn-query-error"), Some("MalformedQueryString;Sender"));
    let reply = ask(&server, "oldtoy", server.message(&headers[..2], b"{\"Text\":7}")).await;
    assert_eq!(reply.header("x-amzn-query-error"), None);
}

#[tokio::test]
async fn compressed_bodies_are_inflated_within_bounds() {
    let server = Server::plain();
    let packed = |body: &[u8]| {
        let headers = [JSON10, ("x-amz-target", "OldToy.Echo"), ("content-encoding", "gzip")];
        server.message(&headers, body)
    };
    let text = format!("{{\"Text\":\"{}\"}}", "metric ".repeat(5000));
    let reply = ask(&server, "oldtoy", packed(&gzip(text.as_bytes()))).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("metric metric"));
    // By ratio, and by size.
    let ratio = format!("{{\"Text\":\"{}\"}}", "a".repeat(900_000));
    let mut size = String::from("{\"Text\":\"");
    (0..ECHO_BYTES_MAX / 4).for_each(|index| size += &format!("{index:x}, "));
    for bomb in [ratio, size] {
        let reply = ask(&server, "oldtoy", packed(&gzip(bomb.as_bytes()))).await;
        assert_eq!(reply.fault().1, "RequestEntityTooLargeException");
        assert_eq!(reply.status, 413);
    }
    let reply = ask(&server, "oldtoy", packed(b"not gzip")).await;
    assert_eq!(reply.fault().1, "SerializationException");
    // Nothing is inflated for strangers, and nothing for services that do not say so.
    let reply = server.send(&packed(&gzip(text.as_bytes()))).await;
    assert_eq!(reply.fault().1, "MissingAuthenticationTokenException");
    let headers = [
        ("content-type", crate::harness::JSON),
        ("x-amz-target", "Toy_20261124.Echo"),
        ("content-encoding", "gzip"),
    ];
    let reply = ask(&server, "toy", server.message(&headers, &gzip(b"{}"))).await;
    assert_eq!(reply.fault().1, "SerializationException");
}

#[tokio::test]
async fn inflated_bytes_are_held_against_the_budget() {
    let setting = Setting { clock: still_clock(), budget_bytes: 100_000, ..Setting::default() };
    let server = Server::start(setting);
    let headers = [JSON10, ("x-amz-target", "OldToy.Echo"), ("content-encoding", "gzip")];
    let body = gzip(format!("{{\"Text\":\"{}\"}}", "ab".repeat(100_000)).as_bytes());
    let reply = ask(&server, "oldtoy", server.message(&headers, &body)).await;
    assert_eq!(reply.status, 413);
    assert!(server.telemetry.prometheus_text().contains("levada_request_body_bytes 0"));
}

#[tokio::test]
async fn what_is_not_here_says_so_in_the_callers_protocol() {
    let server = Server::plain();
    let unset = "Unset AWS_ENDPOINT_URL_TOY_BOX, or AWS_ENDPOINT_URL if that points here";

    let json = server.message(&[JSON10, ("x-amz-target", "Box_2012.GetToy")], b"{}");
    let reply = ask(&server, "box", json).await;
    let (status, code, message) = reply.fault();
    assert_eq!((status, &*code), (400, "UnknownOperationException"));
    assert!(message.starts_with("This endpoint is Levada, which has no Toy Box. "), "{message}");
    assert!(message.contains(unset), "{message}");
    assert_eq!(reply.header("content-type"), Some(JSON10.1));

    let reply = form(&server, "box", "Action=GetToy&Version=1").await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("<Code>InvalidAction</Code>"), "{}", reply.text());
    assert!(reply.text().contains(unset));

    let reply = rpc(&server, "box", "/service/Box/operation/GetToy", b"\xa0").await;
    assert_eq!(reply.header("smithy-protocol"), Some("rpc-v2-cbor"));
    assert!(reply.text().contains(unset));

    for method in ["GET", "PUT", "DELETE", "POST"] {
        let mut rest = server.message(&[("content-type", "application/json")], b"");
        (rest.method, rest.path) = (method.to_owned(), "/2015/toys".to_owned());
        let reply = ask(&server, "box", rest).await;
        assert_eq!(reply.header("x-amzn-errortype"), Some("UnknownOperationException"), "{method}");
        assert!(reply.fault().2.contains(unset), "{method}");
    }

    let mut shelf = server.message(&[], b"");
    shelf.method = "GET".to_owned();
    let reply = ask(&server, "shelf", shelf).await;
    assert_eq!(reply.header("content-type"), Some("application/xml"));
    assert!(reply.text().contains("<Code>UnknownOperationException</Code><Message>"));
    assert!(reply.text().contains("AWS_ENDPOINT_URL_SHELF"));
}

#[tokio::test]
async fn what_is_here_in_part_says_that() {
    let server = Server::plain();
    let lack = "which does not serve this operation of Old Toys. Unset AWS_ENDPOINT_URL_OLD_TOYS";
    let json = server.message(&[JSON10, ("x-amz-target", "OldToy.Unheard")], b"{}");
    assert!(ask(&server, OLD.signing_name, json).await.fault().2.contains(lack));
    let reply = form(&server, "oldtoy", "Action=Unheard&Version=2010-01-01").await;
    assert!(reply.text().contains(lack), "{}", reply.text());
    let reply = rpc(&server, "oldtoy", "/service/OldToy/operation/Unheard", b"\xa0").await;
    assert!(reply.text().contains(lack));
    // A service that nobody has described gets its signing name.
    let json = server.message(&[JSON10, ("x-amz-target", "X.Y")], b"{}");
    let (_, _, message) = ask(&server, "new-toys", json).await.fault();
    assert!(message.contains("has no new-toys. Unset AWS_ENDPOINT_URL_NEW_TOYS"), "{message}");
}

#[tokio::test]
async fn a_whole_service_answers_unknown_operations_as_aws() {
    let server = Server::plain();
    let headers = [("content-type", crate::harness::JSON), ("x-amz-target", "Toy_20261124.Nope")];
    let reply = ask(&server, "toy", server.message(&headers, b"{}")).await;
    assert_eq!(reply.text(), r#"{"__type":"UnknownOperationException"}"#);
}
