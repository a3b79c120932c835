//! A whole server: store, engine, operations and listener, wired in the order in which they depend
//! on each other and stopped in the opposite one.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::firehose::Firehose;
use api::kinesis::{InjectedFaults, Kinesis};
use api::operator::{self, Operator, VirtualClock};
use bucket::Bucket;
use delivery::{Delivery, ObjectStore};
use front::{Condition, Drained, Front, FrontConfig, Readiness, Service};
use identity::{Authority, Identity, KeyPair, KeyRing};
use stdx::{Clock, Entropy, task};
use store::{BucketLocation, OpenError, Store};
use streams::Streams;
use telemetry::Telemetry;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wire::Injector;

use crate::development::{self, Movable};
use crate::embedded;
use crate::folder::{ENDPOINT_FILE, ROOT_KEY_FILE, decode_key, encode_key};
use crate::outside::{
    EmbeddedObjects, Endpoint, Folder, Glue, OutsideFunctions, OutsideObjects, OutsideTables,
    S3Location,
};
use crate::tls::{self, Renewal, Tls, TlsError};

/// The file that holds the key under which tokens are sealed.
const TOKEN_KEY_FILE: &str = "token-key";

/// Whether signatures are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Every request is signed with a known key.
    SigV4,
    /// Nobody is asked: only for tests and closed networks.
    None,
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The data folder; `None` keeps everything in memory, or in the bucket.
    pub data: Option<PathBuf>,
    /// The bucket that holds the data instead of a folder.
    pub bucket: Option<BucketLocation>,
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Whether signatures are checked.
    pub auth: Auth,
    /// Whether AWS's rates and quotas hold.
    pub limits: bool,
    /// The root key's account: twelve digits.
    pub account: String,
    /// How long CREATING, UPDATING and DELETING last.
    pub state_delay: Duration,
    /// What the server may hold in memory, at least [`store::limits::MEMORY_BYTES_MIN`]; otherwise
    /// the usual.
    pub memory_bytes: Option<u64>,
    /// What the data folder may take, at least [`store::limits::DATA_BYTES_MIN`]; otherwise the disk.
    pub data_bytes_max: Option<u64>,
    /// The root key pair; `None` for the folder's, which is made on the first start.
    pub root_key: Option<KeyPair>,
    /// Whose certificate TLS connections are shown.
    pub tls: Tls,
    /// The S3-compatible store that takes deliveries; `None` for the embedded bucket.
    pub s3: Option<S3Location>,
    /// Where functions run whose ARN is given: an endpoint with Lambda's Invoke.
    pub lambda_endpoint: Option<String>,
    /// A folder of tables for format conversion: documents as `aws glue get-table` prints them.
    pub schemas: Option<PathBuf>,
    /// Where other tables are looked up: an endpoint with Glue's GetTable.
    pub glue_endpoint: Option<String>,
    /// Development mode: the service clock can be moved. A folder must have been made for it.
    pub development: bool,
    /// Whether faults may be injected outside development mode too.
    pub faults: bool,
}

impl ServerConfig {
    /// In memory, on a free port of the loopback interface, signatures checked.
    pub fn in_memory() -> Self {
        ServerConfig {
            data: None,
            bucket: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            auth: Auth::SigV4,
            limits: false,
            account: "000000000000".to_owned(),
            state_delay: Duration::ZERO,
            memory_bytes: None,
            data_bytes_max: None,
            root_key: None,
            tls: Tls::Local { names: Vec::new() },
            s3: None,
            lambda_endpoint: None,
            schemas: None,
            glue_endpoint: None,
            development: false,
            faults: false,
        }
    }
}

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The data folder cannot be opened.
    Open(OpenError),
    /// A row or a file of the folder is not what this version writes.
    Damaged(String),
    /// A small file of the folder cannot be read or written.
    File(&'static str, io::Error),
    /// A document of the folder of tables cannot be used.
    Tables(String),
    /// The certificate or its key cannot be used.
    Tls(String),
    /// The address cannot be bound.
    Bind(SocketAddr, io::Error),
    /// The folder was made for development and is not served so, or the other way round.
    Mode {
        /// Whether it was made for development.
        development: bool,
    },
}

impl StartError {
    /// What the operator can do.
    pub fn help(&self) -> &'static str {
        match self {
            StartError::Open(error) => error.help(),
            StartError::Damaged(_) => "restore the folder from a backup, and check the disk",
            StartError::File(..) => "check that the folder is writable and has room",
            StartError::Tables(_) => {
                "each .json of the folder named by --schemas is what `aws glue get-table` prints"
            }
            StartError::Tls(_) => "check --tls-cert and --tls-key: PEM, belonging together",
            StartError::Mode { development: true } => {
                "add --dev, or name another folder with --data"
            }
            StartError::Mode { development: false } => {
                "name a new folder with --data, or keep everything in memory with --in-memory"
            }
            StartError::Bind(..) => {
                "stop whatever listens there, or choose another address with --listen"
            }
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Open(error) => error.fmt(f),
            StartError::Damaged(what) => write!(f, "the data folder is damaged: {what}"),
            StartError::File(name, error) => {
                write!(f, "the file {name} in the data folder cannot be used: {error}")
            }
            StartError::Tables(what) => write!(f, "the tables cannot be used: {what}"),
            StartError::Tls(what) => write!(f, "TLS cannot be served: {what}"),
            StartError::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            StartError::Mode { development: true } => f.write_str(
                "the data folder was made for development: its clock may be ahead of the world's",
            ),
            StartError::Mode { development: false } => f.write_str(
                "the data folder was not made for development: its records would age by mistake",
            ),
        }
    }
}

impl std::error::Error for StartError {}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Folder(name, error) => StartError::File(name, error),
            TlsError::Damaged(what) => StartError::Damaged(what),
            TlsError::Files(what) => StartError::Tls(what),
        }
    }
}

/// A running server. Dropping it leaves it running until its runtime ends; [`Server::stop`] drains.
pub struct Server {
    endpoint: String,
    root_key: KeyPair,
    ca_pem: Option<String>,
    renewal: Renewal,
    delivery: Delivery,
    store: Store,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

impl Server {
    /// Starts a server and returns once it answers.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: ServerConfig) -> Result<Server, StartError> {
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let store = open_store(&config, &clock, &entropy).await?;
        let memory_bytes = config.memory_bytes.unwrap_or(store::limits::MEMORY_BYTES_DEFAULT);
        let root_key = root_key(&config, &store, &entropy)?;
        let streams_config =
            streams::Config { state_delay: config.state_delay, limits: config.limits };
        let streams = Streams::open(store.clone(), clock.clone(), entropy.clone(), streams_config);
        let streams = streams.map_err(|error| StartError::Damaged(error.to_string()))?;
        let telemetry = Telemetry::new(clock.clone());
        let bucket = Bucket::new(store.clone(), clock.clone(), entropy.clone());
        let engines = (&streams, &bucket);
        let delivery =
            open_delivery(&config, &store, engines, &root_key, (&clock, &entropy, &telemetry))?;
        let token_key = token_key(&store, &entropy)?;
        let shown = tls::prepare(&config.tls, config.listen.ip(), &store, &clock)?;
        let ca_pem = shown.ca_pem.clone();
        if let Some(folder) = &config.data {
            tls::publish(ca_pem.as_deref(), folder, &store)?;
        }
        telemetry.source(Arc::new(streams.clone()));
        telemetry.source(Arc::new(delivery.clone()));
        let injected = (config.development || config.faults)
            .then(|| Arc::new(InjectedFaults::new(streams.clone(), clock.clone())));
        let clock_moved = Arc::new(Movable::new(&store, &clock, config.development));
        let authority = Arc::new(authority(&config, &root_key, &entropy));
        let handover = embedded::handover(bucket, Arc::clone(&authority));
        let engines = (streams, delivery.clone());
        let services = services(engines, token_key, clock_moved, &injected, &telemetry, &entropy);
        let front = Front::bind(
            &FrontConfig {
                certificates: Some(shown.certificates.clone()),
                elsewhere: api::elsewhere::ELSEWHERE,
                limits: config.limits,
                body_budget_bytes: store::limits::body_bytes(memory_bytes),
                handover: Some(handover),
                injector: injected.map(|injected| -> Arc<dyn Injector> { injected }),
                ..FrontConfig::new(config.listen)
            },
            services,
            authority,
            readiness(&store, &clock, &telemetry),
            telemetry,
            clock.clone(),
            entropy,
        );
        let front = front.map_err(|error| StartError::Bind(config.listen, error))?;
        let endpoint = format!("http://{}", reachable(front.local_addr()));
        publish_endpoint(&config, &store, &endpoint)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = task::spawn(front.serve(async {
            // A dropped handle is no order to stop.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        }));
        let renewal = shown.keep(clock);
        Ok(Server { endpoint, root_key, ca_pem, renewal, delivery, store, stop, serving })
    }

    /// Where it listens, such as `http://127.0.0.1:4567`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The key pair that may do everything.
    pub fn root_key(&self) -> &KeyPair {
        &self.root_key
    }

    /// The certificate that TLS clients must trust, in PEM, if the server made its own. They connect
    /// to the same port.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Looks at once whether the files of [`Tls::Files`] have changed.
    pub fn reload_certificates(&self) {
        self.renewal.look_now();
    }

    /// Finishes open requests, then makes the last data provable and lets the folder go.
    pub async fn stop(self) {
        let _already_stopped = self.stop.send(());
        if let Ok(Drained { connections_aborted: aborted @ 1.. }) = self.serving.await {
            tracing::warn!(aborted, "connections were still busy and have been dropped");
        }
        self.delivery.stop().await;
        if let Err(error) = self.store.remove_file(ENDPOINT_FILE) {
            tracing::warn!(%error, "the endpoint file could not be removed");
        }
        self.store.close().await;
    }
}

/// The store, if it is of the mode that was asked for; the clock is then set.
async fn open_store(
    config: &ServerConfig,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Store, StartError> {
    let store_config = match (&config.bucket, &config.data) {
        (Some(location), _) => store::Config::bucket(location.clone()),
        (None, Some(folder)) => store::Config::folder(folder),
        (None, None) => store::Config::in_memory(),
    };
    let store_config = match config.memory_bytes {
        Some(bytes) => store_config.with_memory(bytes),
        None => store_config,
    };
    let store_config = match config.data_bytes_max {
        Some(bytes) => store_config.with_data_max(bytes),
        None => store_config,
    };
    let opened = Store::open(store_config, clock.clone(), entropy.clone()).await;
    let store = opened.map_err(StartError::Open)?;
    // Every start makes this file if it is not there, so a folder without it is new.
    let token_key = store.private_file(TOKEN_KEY_FILE).read();
    let is_new = token_key.map_err(|error| StartError::File(TOKEN_KEY_FILE, error))?.is_none();
    match development::prepare(&store, clock, config.development, is_new).await {
        Ok(()) => Ok(store),
        Err(error) => {
            store.close().await;
            Err(error)
        }
    }
}

/// Says where the server is to whoever has the folder, if there is one.
fn publish_endpoint(
    config: &ServerConfig,
    store: &Store,
    endpoint: &str,
) -> Result<(), StartError> {
    if config.data.is_none() {
        return Ok(());
    }
    match store.publish_file(ENDPOINT_FILE, endpoint.as_bytes()) {
        // Whoever is to make room must be served; only the subcommands look for the file.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            tracing::warn!(%error, "the file {ENDPOINT_FILE} could not be written");
            Ok(())
        }
        published => published.map_err(|error| StartError::File(ENDPOINT_FILE, error)),
    }
}

/// Deliveries, and the world outside that they need.
fn open_delivery(
    config: &ServerConfig,
    store: &Store,
    (streams, bucket): (&Streams, &Bucket),
    root_key: &KeyPair,
    (clock, entropy, telemetry): (&Clock, &Entropy, &Telemetry),
) -> Result<Delivery, StartError> {
    let lambda = config.lambda_endpoint.as_ref().map(|address| Endpoint::new(address, root_key));
    let functions = OutsideFunctions::new(lambda, clock.clone())
        .map_err(|error| StartError::Tls(error.to_string()))?;
    let objects: Arc<dyn ObjectStore> = match &config.s3 {
        Some(location) => {
            Arc::new(OutsideObjects::new(location.clone(), entropy.clone(), telemetry))
        }
        None => Arc::new(EmbeddedObjects(bucket.clone())),
    };
    let tables = open_tables(config, root_key, clock)?;
    let delivery = Delivery::open(
        store.clone(),
        streams.clone(),
        clock.clone(),
        entropy.clone(),
        delivery::Config {
            state_delay: config.state_delay,
            limits: config.limits,
            ..delivery::Config::default()
        },
        (objects, Arc::new(functions), Arc::new(tables)),
    );
    delivery.map_err(|error| StartError::Damaged(error.to_string()))
}

/// Where the tables of format conversion are looked up.
fn open_tables(
    config: &ServerConfig,
    root_key: &KeyPair,
    clock: &Clock,
) -> Result<OutsideTables, StartError> {
    let folder = config.schemas.clone().map(Folder::new).transpose().map_err(StartError::Tables)?;
    let glue = config.glue_endpoint.as_ref().map(|address| {
        Glue::new(Endpoint::new(address, root_key), clock.clone())
            .map_err(|error| StartError::Tls(error.to_string()))
    });
    Ok(OutsideTables { folder, glue: glue.transpose()? })
}

/// Everything that is answered for.
fn services(
    (streams, delivery): (Streams, Delivery),
    token_key: [u8; 32],
    clock: Arc<dyn VirtualClock>,
    injected: &Option<Arc<InjectedFaults>>,
    telemetry: &Telemetry,
    entropy: &Entropy,
) -> Vec<Service> {
    let kinesis = Kinesis::endpoints(streams, token_key, entropy.clone(), injected.clone());
    let operator = Operator {
        delivery: delivery.clone(),
        clock,
        injected: injected.clone(),
        operations: kinesis.iter().map(|endpoint| endpoint.info().name).collect(),
        entropy: entropy.clone(),
        telemetry: telemetry.clone(),
    };
    let monitoring = api::monitoring::Monitoring::endpoints(telemetry);
    vec![
        Service { profile: &model::kinesis::SERVICE, endpoints: kinesis },
        Service { profile: &model::firehose::SERVICE, endpoints: Firehose::endpoints(delivery) },
        Service { profile: &api::monitoring::SERVICE, endpoints: monitoring },
        Service { profile: &api::sts::SERVICE, endpoints: api::sts::Sts::endpoints() },
        Service { profile: &operator::SERVICE, endpoints: operator.endpoints() },
    ]
}

/// An address to connect to: a listener on every interface is reached through the loopback one.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

fn authority(config: &ServerConfig, root_key: &KeyPair, entropy: &Entropy) -> Authority {
    match config.auth {
        Auth::None => Authority::none(&config.account),
        Auth::SigV4 => {
            let root = Identity::root(&config.account);
            Authority::SigV4(KeyRing::new([(root_key.clone(), root)], entropy))
        }
    }
}

fn root_key(
    config: &ServerConfig,
    store: &Store,
    entropy: &Entropy,
) -> Result<KeyPair, StartError> {
    if let Some(pair) = &config.root_key {
        return Ok(pair.clone());
    }
    let made = || encode_key(&KeyPair::generate(entropy));
    let bytes = store
        .private_file(ROOT_KEY_FILE)
        .read_or_create(made)
        .map_err(|error| StartError::File(ROOT_KEY_FILE, error))?;
    decode_key(&bytes)
        .ok_or_else(|| StartError::Damaged(format!("{ROOT_KEY_FILE} holds no key pair")))
}

fn token_key(store: &Store, entropy: &Entropy) -> Result<[u8; 32], StartError> {
    let bytes = store
        .private_file(TOKEN_KEY_FILE)
        .read_or_create(|| entropy.array::<32>().to_vec())
        .map_err(|error| StartError::File(TOKEN_KEY_FILE, error))?;
    bytes
        .try_into()
        .map_err(|_| StartError::Damaged(format!("{TOKEN_KEY_FILE} holds no key of 32 bytes")))
}

/// Names what is not ready, and what will not be soon; and measures what both are about.
fn readiness(store: &Store, clock: &Clock, telemetry: &Telemetry) -> Readiness {
    let (store, clock) = (store.clone(), clock.clone());
    let used = telemetry.gauge("data_bytes", "Bytes that the data folder takes.");
    let most = telemetry.gauge("data_max_bytes", "Bytes that it may take; 0 without a limit.");
    let low = telemetry.gauge("data_room_low", "Whether there will be no room for data soon.");
    let full = telemetry.gauge("data_room_full", "Whether there is none.");
    Arc::new(move || {
        let health = store.health();
        let (data_bytes, data_bytes_max) = store.data_bytes();
        used.set(data_bytes as i64);
        most.set(data_bytes_max.unwrap_or(0) as i64);
        low.set(i64::from(health.room_low));
        full.set(i64::from(health.disk_full || health.data_full));
        let parts = [
            (health.stalled, "store: the bucket does not answer"),
            (health.fenced, "store: another process has taken the bucket over; end this one"),
            (health.poisoned && !health.fenced, "store: the lane failed and is being reopened"),
            (health.disk_full, "store: the disk is full"),
            (health.data_full, "store: the data folder takes all that --data-max allows"),
            (!health.ready, "store: it takes no writes"),
            (clock.is_stepped(), "clock: the wall clock has jumped"),
        ];
        let failing = parts.iter().filter(|(failing, _)| *failing);
        let damaged = health.quarantined.iter().map(|name| format!("store: damaged: {name}"));
        let missing = failing.map(|(_, name)| (*name).to_owned()).chain(damaged).collect();
        let room = "store: there will be no room for data soon";
        let warnings = health.room_low.then(|| room.to_owned()).into_iter().collect();
        Condition { missing, warnings }
    })
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn every_interface_is_reached_through_loopback() {
        let address = |text: &str| text.parse().expect("an address");
        assert_eq!(reachable(address("0.0.0.0:4567")), address("127.0.0.1:4567"));
        assert_eq!(reachable(address("[::]:4567")), address("[::1]:4567"));
        assert_eq!(reachable(address("192.0.2.1:4567")), address("192.0.2.1:4567"));
    }
}
