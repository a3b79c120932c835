//! A process that is killed while it writes, and the next one, and the one after that.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use store::{LogId, Position};

use crate::support::{append, open, open_log, read_all, small};

const FOLDER: &str = "STORE_KILL_FOLDER";

/// Not a test of its own, and nothing without its folder: what
/// [`nothing_acknowledged_is_lost_by_a_kill`] runs and kills.
#[tokio::test]
async fn writer() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = open(small(folder.as_ref())).await;
    let log = open_log(&store).await;
    for index in 0_u32.. {
        let payload = [&index.to_le_bytes()[..], &vec![3; index as usize % 9000]].concat();
        let position = append(&store, log, &[&payload]).await;
        println!("\nacknowledged {} {} {index}", log.0, position.0);
        std::io::stdout().flush().unwrap();
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(LogId, Vec<(Position, u32)>)> = Vec::new();
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::writer", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.filter_map(|line| {
            let mut words = line.strip_prefix("acknowledged ")?.split(' ').map(str::to_owned);
            let mut number = || words.next()?.parse::<u64>().ok();
            Some((LogId(number()?), Position(number()?), number()? as u32))
        });
        let mut own = Vec::new();
        let mut log = LogId(0);
        for (id, position, index) in told {
            log = id;
            own.push((position, index));
            if own.len() == 40 + round * 90 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        acknowledged.push((log, own));
    }
    for _ in 0..2 {
        let store = open(small(folder.path())).await;
        assert!(store.health().ready, "{:?}", store.health());
        for (log, own) in &acknowledged {
            let records = read_all(&store, *log).await;
            assert!(records.len() >= own.len());
            for ((position, index), (found, payload)) in own.iter().zip(&records) {
                assert_eq!(position, found);
                assert_eq!(payload[..4], index.to_le_bytes());
            }
        }
        store.close().await;
    }
}
