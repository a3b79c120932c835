//! A fake: as much of S3's protocol as the store speaks, in this process, over plain HTTP. It can be
//! told to ignore `If-None-Match`, as some real stores do, or to lose answers. Real stores are tested by
//! the conformance suite.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use stdx::task::spawn_thread;
use store::BucketLocation;

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Nothing.
    Nothing,
    /// It takes every put, whatever its condition.
    IgnoresConditions,
    /// Every third put is done and answered with 500, or not done and answered with 409 or 503.
    LosesAnswers,
    /// Nobody may do anything.
    ForbidsAll,
}

#[derive(Debug)]
struct Shared {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    wrong: Wrong,
    puts: AtomicU64,
    down: AtomicBool,
}

/// A running stub; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Stub {
    shared: Arc<Shared>,
    port: u16,
}

struct Request {
    method: String,
    /// The key, after the bucket.
    key: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Response(&'static str, Vec<(&'static str, String)>, Vec<u8>);

const DATE: &str = "Tue, 24 Nov 2026 07:00:00 GMT";
const ISO_DATE: &str = "2026-11-24T07:00:00.000Z";

impl Stub {
    /// Listens on a free port of the loopback interface, as long as the process lives.
    pub(crate) fn start(wrong: Wrong) -> Stub {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            objects: Mutex::default(),
            wrong,
            puts: AtomicU64::new(0),
            down: AtomicBool::new(false),
        });
        let stub = Stub { shared: Arc::clone(&shared), port };
        spawn_thread("s3-stub", move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                let served = move || while serve(&stream, &shared).is_some() {};
                drop(spawn_thread("s3-stub-conn", served));
            }
        })
        .unwrap();
        stub
    }

    pub(crate) fn location(&self) -> BucketLocation {
        let environment = [
            ("LEVADA_BUCKET_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("LEVADA_BUCKET_ACCESS_KEY_ID", "stub".to_owned()),
            ("LEVADA_BUCKET_SECRET_ACCESS_KEY", "stub".to_owned()),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9".to_owned()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value));
        BucketLocation::new("s3://bucket/some/prefix", environment)
    }

    /// Whether it answers everything with 503.
    pub(crate) fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Relaxed);
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.shared.objects.lock().unwrap().keys().cloned().collect()
    }
}

/// One request of a connection; `None` once it ends.
fn serve(stream: &TcpStream, shared: &Shared) -> Option<()> {
    let request = read(&mut BufReader::new(stream))?;
    let Response(status, headers, body) = answer(&request, shared);
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in &headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "Content-Length") {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    // In one piece: in two, the second would wait for the first's acknowledgement.
    let whole = [format!("{head}\r\n").as_bytes(), &body].concat();
    let mut writer = stream;
    writer.write_all(&whole).ok()
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let key = path.strip_prefix("/bucket").unwrap_or(path).trim_start_matches('/').to_owned();
    Some(Request { method, key, query: query.to_owned(), headers, body })
}

fn answer(request: &Request, shared: &Shared) -> Response {
    if shared.down.load(Ordering::Relaxed) {
        return Response("503 Service Unavailable", vec![], vec![]);
    }
    if shared.wrong == Wrong::ForbidsAll {
        return Response("403 Forbidden", vec![], vec![]);
    }
    let mut objects = shared.objects.lock().unwrap();
    match request.method.as_str() {
        "PUT" => put(request, shared, &mut objects),
        "GET" if request.query.contains("list-type=2") => list(request, &objects),
        "GET" | "HEAD" => get(request, &objects),
        "POST" => {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            for key in body.split("<Key>").skip(1) {
                objects.remove(key.split("</Key>").next().unwrap());
            }
            Response("200 OK", vec![], b"<DeleteResult></DeleteResult>".to_vec())
        }
        "DELETE" => {
            objects.remove(&request.key);
            Response("204 No Content", vec![], vec![])
        }
        _ => Response("405 Method Not Allowed", vec![], vec![]),
    }
}

fn put(request: &Request, shared: &Shared, objects: &mut BTreeMap<String, Vec<u8>>) -> Response {
    let error = |status, code: &str| {
        Response(status, vec![], format!("<Error><Code>{code}</Code></Error>").into_bytes())
    };
    let conditional = request.headers.get("if-none-match").is_some_and(|value| value == "*");
    let turn = shared.puts.fetch_add(1, Ordering::Relaxed);
    let loses = shared.wrong == Wrong::LosesAnswers;
    if loses && turn % 9 == 2 {
        return error("409 Conflict", "ConditionalRequestConflict");
    }
    if loses && turn % 9 == 5 {
        return error("503 Slow Down", "SlowDown");
    }
    let honest = shared.wrong != Wrong::IgnoresConditions;
    if honest && conditional && objects.contains_key(&request.key) {
        return error("412 Precondition Failed", "PreconditionFailed");
    }
    objects.insert(request.key.clone(), request.body.clone());
    if loses && turn % 9 == 8 {
        return error("500 Internal Server Error", "InternalError");
    }
    Response("200 OK", vec![("ETag", "\"stub\"".to_owned())], vec![])
}

fn get(request: &Request, objects: &BTreeMap<String, Vec<u8>>) -> Response {
    let Some(object) = objects.get(&request.key) else {
        return Response("404 Not Found", vec![], vec![]);
    };
    let mut headers = vec![("ETag", "\"stub\"".to_owned()), ("Last-Modified", DATE.to_owned())];
    if request.method == "HEAD" {
        headers.push(("Content-Length", object.len().to_string()));
        return Response("200 OK", headers, vec![]);
    }
    let range = request.headers.get("range").and_then(|range| {
        let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((start.parse::<usize>().ok()?, end.parse::<usize>().ok()?))
    });
    match range {
        None => Response("200 OK", headers, object.clone()),
        Some((start, end)) => {
            let end = end.min(object.len() - 1);
            headers.push(("Content-Range", format!("bytes {start}-{end}/{}", object.len())));
            Response("206 Partial Content", headers, object[start..=end].to_vec())
        }
    }
}

fn list(request: &Request, objects: &BTreeMap<String, Vec<u8>>) -> Response {
    let value = |name: &str| {
        let mut pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(own, _)| *own == name);
        found.map_or(String::new(), |(_, value)| value.replace("%2F", "/"))
    };
    let (prefix, delimiter) = (value("prefix"), value("delimiter"));
    let mut xml = "<?xml version=\"1.0\"?><ListBucketResult>".to_owned();
    let mut folders = std::collections::BTreeSet::new();
    for (key, object) in objects.range(prefix.clone()..).take_while(|(k, _)| k.starts_with(&prefix))
    {
        match key[prefix.len()..].split_once('/') {
            Some((folder, _)) if !delimiter.is_empty() => {
                folders.insert(format!("{prefix}{folder}/"));
            }
            _ => {
                xml += &format!(
                    "<Contents><Key>{key}</Key><Size>{}</Size><ETag>\"stub\"</ETag>\
                     <LastModified>{ISO_DATE}</LastModified></Contents>",
                    object.len()
                );
            }
        }
    }
    for folder in folders {
        xml += &format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
    }
    Response("200 OK", vec![], (xml + "</ListBucketResult>").into_bytes())
}
