//! `levada serve`: start, say so, wait for the order to stop, drain.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use stdx::Clock;
use store::BucketLocation;
use telemetry::{LogFormat, start_log};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{AuthMode, LimitsMode, LogStyle, Serve};
use crate::exit::Failure;
use crate::folder::{ROOT_KEY_FILE, root_key_from_environment};
use crate::notify::tell_supervisor;
use crate::outside::S3Location;
use crate::server::{Auth, Server, ServerConfig};
use crate::tls::{CA_FILE, Tls};

/// What is printed off a terminal once the server is ready.
#[derive(Serialize)]
struct Ready<'a> {
    ready_ms: u64,
    endpoint: &'a str,
    data: Option<&'a Path>,
}

pub(crate) async fn run(options: Serve) -> Result<(), Failure> {
    let shutdown = Shutdown::listen()?;
    let mut hangups = match options.tls_cert {
        // Who closes the terminal of a server without files to read again means to stop it.
        None => None,
        Some(_) => Some(hear(SignalKind::hangup())?),
    };
    let (server, ready_after) = start(&options).await?;
    tell_ready(&options, &server, ready_after);
    tell_supervisor("READY=1");
    let reload = async {
        while let Some(hangups) = &mut hangups
            && hangups.recv().await.is_some()
        {
            server.reload_certificates();
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = shutdown.ordered() => {}
        () = reload => {}
    }
    tell_supervisor("STOPPING=1");
    server.stop().await;
    Ok(())
}

/// Starts a server with these options; also how long that took.
pub(crate) async fn start(options: &Serve) -> Result<(Server, Duration), Failure> {
    let clock = Clock::system();
    let format = match options.log_format {
        LogStyle::Text => LogFormat::Text,
        LogStyle::Json => LogFormat::Json,
    };
    start_log(format, &options.log);
    if options.auth == AuthMode::None {
        tracing::warn!("signatures are not checked: everyone who can connect may do everything");
        if !options.listen.ip().is_loopback() {
            tracing::warn!(listen = %options.listen, "and the address is not a loopback one");
        }
    }
    if options.faults && !options.dev {
        tracing::warn!("faults may be injected: whoever has the root key can make calls fail");
    }
    if options.tls_cert.is_some() != options.tls_key.is_some() {
        return Err(Failure::usage("--tls-cert and --tls-key need each other"));
    }
    let endpoints = [
        ("--s3-endpoint", &options.s3_endpoint),
        ("--lambda-endpoint", &options.lambda_endpoint),
        ("--glue-endpoint", &options.glue_endpoint),
    ];
    for (flag, url) in endpoints {
        let is_url = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        if url.as_ref().is_some_and(|url| !is_url(url)) {
            return Err(Failure::usage(format!("{flag} takes a URL: http://… or https://…")));
        }
    }
    let started = Server::start(config_of(options)).await;
    let server = started.map_err(|error| Failure::new(&error).help(error.help()))?;
    Ok((server, clock.monotonic()))
}

/// The configuration that the options mean.
pub(crate) fn config_of(options: &Serve) -> ServerConfig {
    ServerConfig {
        data: (!options.in_memory && options.bucket.is_none())
            .then(|| absolute(&options.folder.path)),
        bucket: options.bucket.as_ref().map(|url| BucketLocation::new(url, std::env::vars())),
        listen: options.listen,
        auth: match options.auth {
            AuthMode::Sigv4 => Auth::SigV4,
            AuthMode::None => Auth::None,
        },
        limits: options.limits == LimitsMode::Aws,
        account: options.account.clone(),
        state_delay: options.state_delay,
        memory_bytes: options.memory,
        data_bytes_max: options.data_max,
        root_key: root_key_from_environment(),
        s3: options.s3_endpoint.as_ref().map(|url| S3Location::new(url, std::env::vars())),
        lambda_endpoint: options.lambda_endpoint.clone(),
        schemas: options.schemas.as_deref().map(absolute),
        glue_endpoint: options.glue_endpoint.clone(),
        development: options.dev,
        faults: options.faults,
        tls: match (&options.tls_cert, &options.tls_key) {
            (Some(certificate), Some(key)) => {
                Tls::Files { certificate: absolute(certificate), key: absolute(key) }
            }
            _ => {
                let names = options.tls_names.as_deref().unwrap_or_default().split(',');
                let names = names.map(str::trim).filter(|name| !name.is_empty());
                Tls::Local { names: names.map(str::to_owned).collect() }
            }
        },
    }
}

/// Says that the server is ready: to people on a terminal, to programs elsewhere.
pub(crate) fn tell_ready(options: &Serve, server: &Server, ready_after: Duration) {
    let ready_ms = ready_after.as_millis() as u64;
    let data = config_of(options).data;
    let mut out = std::io::stdout().lock();
    let told = if out.is_terminal() {
        out.write_all(banner(options, server, data.as_deref(), ready_ms).as_bytes())
    } else {
        let ready = Ready { ready_ms, endpoint: server.endpoint(), data: data.as_deref() };
        serde_json::to_writer(&mut out, &ready).map_err(Into::into).and_then(|()| writeln!(out))
    };
    if let Err(error) = told.and_then(|()| out.flush()) {
        tracing::warn!(%error, "nobody reads standard output");
    }
}

fn banner(options: &Serve, server: &Server, data: Option<&Path>, ready_ms: u64) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("levada"));
    let endpoint = server.endpoint();
    let key = server.root_key();
    let from_here = format!(
        "export AWS_ENDPOINT_URL_KINESIS={endpoint} AWS_ENDPOINT_URL_FIREHOSE={endpoint} \
         AWS_ENDPOINT_URL_S3={endpoint} AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID={} \
         AWS_SECRET_ACCESS_KEY={}",
        key.access_key_id, key.secret_access_key
    );
    let (place, exports) = match data {
        Some(folder) => (
            format!("{} (acknowledged means on disk)", folder.display()),
            format!("eval \"$({} env --data {})\"", program.display(), folder.display()),
        ),
        None => match &options.bucket {
            Some(url) => (format!("{url} (acknowledged means in the bucket)"), from_here),
            None => ("in memory (gone when the server stops)".to_owned(), from_here),
        },
    };
    let signing = match (options.auth, data) {
        (AuthMode::None, _) => "not checked".to_owned(),
        (AuthMode::Sigv4, Some(folder)) if root_key_from_environment().is_none() => format!(
            "key {}, its secret in {}",
            key.access_key_id,
            folder.join(ROOT_KEY_FILE).display()
        ),
        (AuthMode::Sigv4, _) => format!("key {}", key.access_key_id),
    };
    let tls = match (data, &options.tls_cert) {
        (_, Some(certificate)) => format!("on the same port, with {}", certificate.display()),
        (Some(folder), None) => {
            format!("on the same port; clients trust {}", folder.join(CA_FILE).display())
        }
        (None, None) => "on the same port, with a certificate of the moment".to_owned(),
    };
    format!(
        "
  levada {version}: Kinesis Data Streams and Data Firehose{mode}

  endpoint    {endpoint}
  data        {place}
  account     {account}, every region
  signatures  {signing}
  TLS         {tls}

  In another terminal:

    pip install awscli
    {exports}
    aws kinesis list-streams

ready in {ready_ms} ms
",
        account = options.account,
        mode = if options.dev { ", in development mode" } else { "" },
    )
}

/// The order to stop, SIGTERM or SIGINT. It is heard from the moment of [`Shutdown::listen`] on, so
/// whoever may be told to stop listens before saying that it is there.
pub(crate) struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
}

impl Shutdown {
    pub(crate) fn listen() -> Result<Shutdown, Failure> {
        let (terminate, interrupt) =
            (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
        Ok(Shutdown { terminate, interrupt })
    }

    pub(crate) async fn ordered(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn hear(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(format!("signals cannot be received: {error}")))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
