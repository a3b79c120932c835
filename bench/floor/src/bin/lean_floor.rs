//! The lean floor: the same steps on one thread, one epoll loop and a hand-written scanner.
//!
//! Whatever has arrived is one chunk; it is synced, then answered. While the thread waits for the
//! disk the sockets gather the next chunk, so nothing ever wakes anything.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use aws_lc_rs::digest;
use floor::CHUNK_BYTES_SOFT;
use floor::answer::{write_put_record, write_put_records};
use floor::chunk::{Chunk, Entry};
use floor::records::pick_shards;
use floor::ring::Ring;
use floor::scan::scan_records;
use floor::start::Start;
use floor::verify::{Headers, Verifier};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

const LISTENER: u64 = u64::MAX;
const EVENTS_MAX: usize = 512;
const READ_BYTES: usize = 128 * 1024;
const CONTROL_ANSWER: &[u8] =
    br#"{"StreamDescriptionSummary":{"StreamStatus":"ACTIVE","OpenShardCount":4}}"#;

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    filled: usize,
    body: Option<Body>,
    output: Vec<u8>,
    written: usize,
    waits_to_write: bool,
}

/// Where the body of the request being received lies in the input, and its hash so far.
struct Body {
    start: usize,
    end: usize,
    hasher: digest::Context,
}

struct Lean {
    poll: rustix::fd::OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    verifier: Verifier,
    ring: Ring,
    chunk: Chunk,
    next_number: u64,
    /// Connections whose answers wait for the chunk.
    waiting: Vec<usize>,
    answer: Vec<u8>,
}

fn main() -> io::Result<()> {
    let start = Start::prepare()?;
    start.announce()?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &start.listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let mut lean = Lean {
        poll,
        listener: start.listener,
        connections: Vec::new(),
        verifier: Verifier::new(start.pair),
        ring: start.ring,
        chunk: Chunk::default(),
        next_number: 0,
        waiting: Vec::new(),
        answer: Vec::new(),
    };
    let mut events = Vec::with_capacity(EVENTS_MAX);
    loop {
        events.clear();
        epoll::wait(&lean.poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let data = event.data.u64();
            if data == LISTENER {
                lean.accept()?;
            } else {
                lean.serve(data as usize)?;
            }
            if lean.chunk.len() >= CHUNK_BYTES_SOFT {
                lean.commit()?;
            }
        }
        lean.commit()?;
    }
}

impl Lean {
    fn accept(&mut self) -> io::Result<()> {
        let (stream, _) = match self.listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            accepted => accepted?,
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let place = match self.connections.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.connections.push(None);
                self.connections.len() - 1
            }
        };
        epoll::add(
            &self.poll,
            &stream,
            epoll::EventData::new_u64(place as u64),
            epoll::EventFlags::IN,
        )?;
        self.connections[place] = Some(Connection::new(stream));
        Ok(())
    }

    /// Moves one connection on; it is dropped at the first thing that is not as it should be.
    fn serve(&mut self, place: usize) -> io::Result<()> {
        let Some(mut connection) = self.connections.get_mut(place).and_then(Option::take) else {
            return Ok(());
        };
        let alive = if connection.waits_to_write {
            connection.write_output(&self.poll, place).is_ok()
        } else {
            self.read_requests(&mut connection, place).is_some()
        };
        if alive {
            self.connections[place] = Some(connection);
        }
        Ok(())
    }

    fn read_requests(&mut self, connection: &mut Connection, place: usize) -> Option<()> {
        loop {
            let (read, asked) = connection.read_some().ok()?;
            if read == 0 {
                return (asked == 0).then_some(());
            }
            while let Some(length) = connection.find_request()? {
                self.take_request(connection, place)?;
                connection.drop_request(length);
            }
            // After a short read or a whole request the socket is empty: asking again would only be
            // refused.
            if read < asked || connection.filled == 0 {
                return Some(());
            }
        }
    }

    /// Verifies the request that has been received whole, and appends its records.
    fn take_request(&mut self, connection: &mut Connection, place: usize) -> Option<()> {
        let Body { start, end, hasher } = connection.body.take()?;
        let head = Head(connection.input.get(..start)?);
        let body = connection.input.get(start..end)?;
        let mut hash = [0; 32];
        hash.copy_from_slice(hasher.finish().as_ref());
        self.verifier.verify(&head, &hash)?;
        self.answer.clear();
        match head.find("x-amz-target")? {
            target @ (b"Kinesis_20131202.PutRecords" | b"Kinesis_20131202.PutRecord") => {
                let mut entries: Vec<Entry<'_>> = Vec::with_capacity(512);
                scan_records(body, &mut entries)?;
                let shards = pick_shards(&entries);
                let first = self.next_number;
                self.chunk.append_block(first, &entries, &shards)?;
                self.next_number += entries.len() as u64;
                if target.ends_with(b"s") {
                    write_put_records(first, &shards, &mut self.answer);
                } else {
                    write_put_record(first, *shards.first()?, &mut self.answer);
                }
            }
            _ => self.answer.extend_from_slice(CONTROL_ANSWER),
        }
        connection.push_answer(&self.answer);
        self.waiting.push(place);
        Some(())
    }

    /// Syncs what has gathered, then answers everyone who waited for it.
    fn commit(&mut self) -> io::Result<()> {
        if !self.chunk.is_empty() {
            self.ring.write_synced(self.chunk.seal())?;
            self.chunk.clear();
        }
        for place in self.waiting.drain(..) {
            let slot = &mut self.connections[place];
            if let Some(connection) = slot
                && connection.write_output(&self.poll, place).is_err()
            {
                *slot = None;
            }
        }
        Ok(())
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Connection {
            stream,
            input: vec![0; READ_BYTES],
            filled: 0,
            body: None,
            output: Vec::new(),
            written: 0,
            waits_to_write: false,
        }
    }

    /// Reads once; answers what came and what was asked for. Nothing asked and nothing come means
    /// that the socket is empty.
    fn read_some(&mut self) -> io::Result<(usize, usize)> {
        let full = self.filled + READ_BYTES;
        let end = self.body.as_ref().map_or(full, |body| body.end.min(full));
        if self.input.len() < end {
            self.input.resize(end, 0);
        }
        let asked = end - self.filled;
        let read = match self.stream.read(&mut self.input[self.filled..end]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((0, 0)),
            read => read?,
        };
        let fresh = self.filled..self.filled + read;
        self.filled = fresh.end;
        if let Some(body) = &mut self.body {
            body.hasher.update(&self.input[fresh.start..fresh.end.min(body.end)]);
        }
        Ok((read, asked))
    }

    /// The length of the first request, once it is whole. The outer `None` is for a request that
    /// makes no sense.
    fn find_request(&mut self) -> Option<Option<usize>> {
        if self.body.is_none() {
            let input = &self.input[..self.filled];
            let Some(head) = memchr::memmem::find(input, b"\r\n\r\n") else {
                return Some(None);
            };
            let start = head + 4;
            let head = Head(&input[..start]);
            let length = std::str::from_utf8(head.find("content-length")?).ok()?;
            let length: usize = length.parse().ok()?;
            let end = start.checked_add(length)?;
            let mut hasher = digest::Context::new(&digest::SHA256);
            hasher.update(&input[start..self.filled.min(end)]);
            self.body = Some(Body { start, end, hasher });
        }
        let end = self.body.as_ref().map_or(usize::MAX, |body| body.end);
        Some((self.filled >= end).then_some(end))
    }

    fn drop_request(&mut self, length: usize) {
        self.input.copy_within(length..self.filled, 0);
        self.filled -= length;
    }

    fn push_answer(&mut self, answer: &[u8]) {
        // Writing to a vector cannot fail.
        let _ = write!(
            self.output,
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        self.output.extend_from_slice(answer);
    }

    fn write_output(&mut self, poll: &rustix::fd::OwnedFd, place: usize) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.wait_to_write(poll, place, true);
                }
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        self.wait_to_write(poll, place, false)
    }

    fn wait_to_write(
        &mut self,
        poll: &rustix::fd::OwnedFd,
        place: usize,
        waits: bool,
    ) -> io::Result<()> {
        if self.waits_to_write != waits {
            self.waits_to_write = waits;
            let flags = if waits { epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            epoll::modify(poll, &self.stream, epoll::EventData::new_u64(place as u64), flags)?;
        }
        Ok(())
    }
}

/// The head of a request as it lies in the input.
struct Head<'a>(&'a [u8]);

impl Headers for Head<'_> {
    fn find(&self, name: &str) -> Option<&[u8]> {
        self.0.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
            let (key, rest) = line.split_at_checked(name.len())?;
            let value = rest.strip_prefix(b":")?;
            key.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
        })
    }
}
