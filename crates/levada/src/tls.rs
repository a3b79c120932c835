//! Which certificate is shown: one that the folder's own authority made, or the operator's, read
//! again when it changes.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use front::Certificates;
use identity::LocalCa;
use identity::limits::LEAF_RENEW_DAYS;
use stdx::{Clock, UnixMillis, task};
use store::Store;
use store::folder::read_published;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The file with the authority's key and certificate.
const AUTHORITY_FILE: &str = "tls-authority";
/// The file with the authority's certificate alone, for those who are to believe in it.
pub(crate) const CA_FILE: &str = "ca.pem";
/// How often the operator's files are looked at: a renewed certificate has days, an impatient
/// operator has SIGHUP.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Whose certificate TLS connections are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// The server's own, made by an authority that lives in the data folder. It is valid for this
    /// machine, for the address listened on, and for these names.
    Local {
        /// More names and addresses by which clients know the server.
        names: Vec<String>,
    },
    /// The operator's.
    Files {
        /// The chain in PEM, the server's certificate first.
        certificate: PathBuf,
        /// Its key in PEM.
        key: PathBuf,
    },
}

/// Why TLS cannot be had.
#[derive(Debug)]
pub(crate) enum TlsError {
    /// A file of the data folder cannot be read or written.
    Folder(&'static str, io::Error),
    /// The folder's authority is not what this version writes.
    Damaged(String),
    /// The operator's files do not do.
    Files(String),
}

/// What is shown, and who keeps it up to date.
pub(crate) struct Shown {
    pub(crate) certificates: Certificates,
    /// The local authority's certificate in PEM.
    pub(crate) ca_pem: Option<String>,
    source: Source,
}

enum Source {
    Local { ca: LocalCa, names: Vec<String>, issued: UnixMillis },
    Files { certificate: PathBuf, key: PathBuf, seen: Pair },
}

/// Certificate and key, as bytes of PEM.
type Pair = (Vec<u8>, Vec<u8>);

/// Keeps what is shown up to date until dropped.
pub(crate) struct Renewal {
    look_now: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Renewal {
    /// Looks at the operator's files at once.
    pub(crate) fn look_now(&self) {
        self.look_now.notify_one();
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Finds or makes what is to be shown.
pub(crate) fn prepare(
    tls: &Tls,
    listen: IpAddr,
    store: &Store,
    clock: &Clock,
) -> Result<Shown, TlsError> {
    match tls {
        Tls::Files { certificate, key } => {
            let pair = read_pair(certificate, key).map_err(TlsError::Files)?;
            let certificates = Certificates::new(&pair.0, &pair.1);
            let certificates = certificates.map_err(|error| TlsError::Files(error.to_string()))?;
            let source =
                Source::Files { certificate: certificate.clone(), key: key.clone(), seen: pair };
            Ok(Shown { certificates, ca_pem: None, source })
        }
        Tls::Local { names } => local(names, listen, store, clock.wall()),
    }
}

fn local(
    more: &[String],
    listen: IpAddr,
    store: &Store,
    now: UnixMillis,
) -> Result<Shown, TlsError> {
    let folder = |error| TlsError::Folder(AUTHORITY_FILE, error);
    let damaged =
        |error: &dyn fmt::Display| TlsError::Damaged(format!("{AUTHORITY_FILE}: {error}"));
    let mut failed = None;
    let made = || match LocalCa::make(now) {
        Ok(pem) => pem.into_bytes(),
        Err(error) => {
            failed = Some(error);
            Vec::new()
        }
    };
    let pem = store.private_file(AUTHORITY_FILE).read_or_create(made).map_err(folder)?;
    if let Some(error) = failed {
        return Err(damaged(&error));
    }
    let ca = LocalCa::open(&pem).map_err(|error| damaged(&error))?;
    let names = names_of(more, listen);
    let leaf = ca.issue(&names, now).map_err(|error| damaged(&error))?;
    let certificates = Certificates::new(leaf.chain_pem.as_bytes(), leaf.key_pem.as_bytes())
        .map_err(|error| damaged(&error))?;
    let ca_pem = Some(ca.certificate_pem().to_owned());
    Ok(Shown { certificates, ca_pem, source: Source::Local { ca, names, issued: now } })
}

/// Puts the authority's certificate where clients find it, unless it is there. While the
/// operator's certificate is shown there is none to be found.
pub(crate) fn publish(ca_pem: Option<&str>, folder: &Path, store: &Store) -> Result<(), TlsError> {
    let failed = |error| TlsError::Folder(CA_FILE, error);
    let Some(ca_pem) = ca_pem else { return store.remove_file(CA_FILE).map_err(failed) };
    let present = read_published(folder, CA_FILE).map_err(failed)?;
    if present.as_deref() == Some(ca_pem.as_bytes()) {
        return Ok(());
    }
    store.publish_file(CA_FILE, ca_pem.as_bytes()).map_err(failed)
}

/// Every name by which this machine may be known.
fn names_of(more: &[String], listen: IpAddr) -> Vec<String> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), host];
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    names.extend(more.iter().cloned());
    let mut unique = Vec::with_capacity(names.len());
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

impl Shown {
    /// Starts keeping it up to date.
    pub(crate) fn keep(self, clock: Clock) -> Renewal {
        let Shown { certificates, mut source, .. } = self;
        let look_now = Arc::new(Notify::new());
        let asked = Arc::clone(&look_now);
        let task = task::spawn(async move {
            loop {
                tokio::select! {
                    () = asked.notified() => {}
                    () = clock.sleep(LOOK_EVERY) => {}
                }
                source.look(&certificates, clock.wall());
            }
        });
        Renewal { look_now, task }
    }
}

impl Source {
    /// Shows something newer, if there is something newer.
    fn look(&mut self, certificates: &Certificates, now: UnixMillis) {
        match self.newer(now) {
            None => {}
            Some(Ok((chain, key))) => match certificates.replace(&chain, &key) {
                Ok(()) => tracing::info!("another TLS certificate is shown from now on"),
                Err(error) => tracing::warn!(%error, "the new TLS certificate cannot be used"),
            },
            Some(Err(error)) => tracing::warn!(error, "the TLS certificate cannot be renewed"),
        }
    }

    fn newer(&mut self, now: UnixMillis) -> Option<Result<Pair, String>> {
        match self {
            Source::Local { ca, names, issued } => {
                let age_days = now.seconds().saturating_sub(issued.seconds()) / (24 * 60 * 60);
                if age_days < LEAF_RENEW_DAYS {
                    return None;
                }
                *issued = now;
                let leaf = ca.issue(names, now).map_err(|error| error.to_string());
                Some(leaf.map(|leaf| (leaf.chain_pem.into_bytes(), leaf.key_pem.into_bytes())))
            }
            Source::Files { certificate, key, seen } => match read_pair(certificate, key) {
                Ok(pair) if pair == *seen => None,
                // Also what cannot be used was seen: it is told once.
                Ok(pair) => {
                    seen.clone_from(&pair);
                    Some(Ok(pair))
                }
                Err(error) => {
                    let told_before = seen.0.is_empty();
                    *seen = Pair::default();
                    (!told_before).then_some(Err(error))
                }
            },
        }
    }
}

fn read_pair(certificate: &Path, key: &Path) -> Result<Pair, String> {
    Ok((read_file(certificate)?, read_file(key)?))
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new(""));
    match read_published(folder, name) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(format!("{} does not exist", path.display())),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn names_are_this_machines_and_the_operators() {
        let names = names_of(&["levada".to_owned(), "::1".to_owned()], Ipv4Addr::LOCALHOST.into());
        assert_eq!(names.iter().filter(|name| *name == "127.0.0.1").count(), 1);
        assert_eq!(names.iter().filter(|name| *name == "::1").count(), 1);
        assert_eq!(names.last().map(String::as_str), Some("levada"));
        let everywhere = names_of(&[], Ipv4Addr::UNSPECIFIED.into());
        assert!(!everywhere.contains(&"0.0.0.0".to_owned()));
        let address = Ipv4Addr::new(192, 0, 2, 1).into();
        assert!(names_of(&[], address).contains(&"192.0.2.1".to_owned()));
    }

    #[test]
    fn a_local_certificate_is_renewed_in_time() {
        let now = UnixMillis(1_795_500_000_000);
        let days = |count: u64| UnixMillis(now.0 + count * 24 * 60 * 60 * 1000);
        let made = LocalCa::make(now).expect("an authority");
        let ca = LocalCa::open(made.as_bytes()).expect("the same");
        let mut source = Source::Local { ca, names: vec!["localhost".to_owned()], issued: now };
        assert!(source.newer(days(LEAF_RENEW_DAYS - 1)).is_none());
        assert!(source.newer(days(LEAF_RENEW_DAYS)).is_some_and(|renewed| renewed.is_ok()));
        assert!(source.newer(days(LEAF_RENEW_DAYS + 1)).is_none());
    }

    #[tokio::test]
    async fn files_are_read_when_they_change_and_complained_of_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::system();
        let config = store::Config::folder(folder.path());
        let store = Store::open(config, clock, stdx::Entropy::system()).await.expect("a store");
        let write = |name: &str, text: &str| {
            store.publish_file(name, text.as_bytes()).expect("written");
        };
        write("cert.pem", "c1");
        write("key.pem", "k1");
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let seen = read_pair(&certificate, &key).expect("both");
        let mut source = Source::Files { certificate, key, seen };
        let now = UnixMillis(0);
        assert!(source.newer(now).is_none());
        write("cert.pem", "c2");
        assert_eq!(source.newer(now), Some(Ok((b"c2".to_vec(), b"k1".to_vec()))));
        assert!(source.newer(now).is_none());
        store.remove_file("cert.pem").expect("removed");
        assert!(matches!(source.newer(now), Some(Err(_))));
        assert!(source.newer(now).is_none());
        write("cert.pem", "c2");
        assert!(matches!(source.newer(now), Some(Ok(_))));
        store.close().await;
    }
}
