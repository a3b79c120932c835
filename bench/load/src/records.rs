//! The bodies that are sent: random data, which neither compresses nor repeats within a request.

use kit::sigv4::Signer;

/// The bytes of one record's data.
pub const RECORD_BYTES: usize = 1024;
/// The records of one PutRecords, which is AWS's limit.
pub const BATCH_RECORDS: usize = 500;
/// Different PutRecords requests: enough that no cache holds them all.
const BATCHES: usize = 16;
/// Different PutRecord requests.
const SINGLES: usize = 4096;

/// Requests ready to send.
pub struct Prepared {
    /// Whole requests, head and body.
    pub requests: Vec<Vec<u8>>,
    /// How many records each of them holds.
    pub records_each: usize,
    /// What an answer must contain to be a success: a member's name, and how its value begins.
    pub proof: (&'static [u8], &'static [u8]),
}

impl Prepared {
    /// Whether `answer` is a success. Some servers write a space after a colon.
    pub fn is_proven_by(&self, answer: &[u8]) -> bool {
        let (name, value) = self.proof;
        memchr::memmem::find(answer, name)
            .is_some_and(|at| answer[at + name.len()..].trim_ascii_start().starts_with(value))
    }
}

/// Prepares PutRecords requests of 500 records of 1 KiB.
pub fn prepare_batches(signer: &Signer, stream: &str) -> Prepared {
    let mut random = Random(1);
    let write = |_| {
        let mut body = format!(r#"{{"StreamName":"{stream}","Records":["#);
        for index in 0..BATCH_RECORDS {
            if index > 0 {
                body.push(',');
            }
            body.push('{');
            write_record(&mut random, &mut body);
            body.push('}');
        }
        body.push_str("]}");
        signer.write_request("PutRecords", body.as_bytes())
    };
    Prepared {
        requests: (0..BATCHES).map(write).collect(),
        records_each: BATCH_RECORDS,
        proof: (br#""FailedRecordCount":"#, b"0"),
    }
}

/// Prepares PutRecord requests of 1 KiB.
pub fn prepare_singles(signer: &Signer, stream: &str) -> Prepared {
    let mut random = Random(2);
    let write = |_| {
        let mut body = format!(r#"{{"StreamName":"{stream}","#);
        write_record(&mut random, &mut body);
        body.push('}');
        signer.write_request("PutRecord", body.as_bytes())
    };
    Prepared {
        requests: (0..SINGLES).map(write).collect(),
        records_each: 1,
        proof: (br#""SequenceNumber":"#, b"\""),
    }
}

fn write_record(random: &mut Random, body: &mut String) {
    let mut data = [0; RECORD_BYTES];
    for part in data.chunks_exact_mut(8) {
        part.copy_from_slice(&random.next().to_le_bytes());
    }
    body.push_str(r#""Data":""#);
    body.push_str(&base64_simd::STANDARD.encode_to_string(data));
    body.push_str(&format!(r#"","PartitionKey":"{:016x}""#, random.next()));
}

/// A small generator: each step adds a constant and mixes the sum.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xd1b5_4a32_d192_ed03);
        let mut mixed = self.0;
        for _ in 0..3 {
            mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
        }
        mixed ^ (mixed >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_told_from_a_partial_one() {
        let pair = kit::sigv4::KeyPair { id: "A".into(), secret: "B".into() };
        let prepared = prepare_batches(&Signer::new("127.0.0.1:1", &pair), "s");
        assert!(prepared.is_proven_by(br#"{"FailedRecordCount":0,"Records":[]}"#));
        assert!(prepared.is_proven_by(br#"{"FailedRecordCount": 0}"#));
        assert!(!prepared.is_proven_by(br#"{"FailedRecordCount":10}"#));
        assert!(!prepared.is_proven_by(b"{}"));
    }

    #[test]
    fn a_batch_is_500_records_of_1_kib() {
        let pair = kit::sigv4::KeyPair { id: "A".into(), secret: "B".into() };
        let prepared = prepare_batches(&Signer::new("127.0.0.1:1", &pair), "s");
        let text = String::from_utf8(prepared.requests[0].clone()).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let records = body["Records"].as_array().unwrap();
        assert_eq!(records.len(), BATCH_RECORDS);
        let data = records[0]["Data"].as_str().unwrap();
        assert_eq!(base64_simd::STANDARD.decode_to_vec(data).unwrap().len(), RECORD_BYTES);
        assert_ne!(data, records[1]["Data"].as_str().unwrap());
    }
}
