//! The server under load.

use std::io;
use std::net::SocketAddr;

use kit::sigv4::{KeyPair, Signer};

/// Where the server listens, who it is, and whose requests it believes.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its address, on the loopback interface.
    pub address: SocketAddr,
    /// Its process, whose processor time is measured.
    pub pid: u32,
    /// The key pair requests are signed with.
    pub pair: KeyPair,
}

impl Target {
    /// Accepts only endpoints on this machine: a load generator pointed elsewhere is a weapon.
    ///
    /// # Errors
    /// When the endpoint is not `http://` and a loopback address and port.
    pub fn parse(endpoint: &str, pid: u32, pair: KeyPair) -> io::Result<Self> {
        let refuse = || io::Error::other(format!("{endpoint} is not http://LOOPBACK-ADDRESS:PORT"));
        let rest = endpoint.strip_prefix("http://").ok_or_else(refuse)?;
        let address: SocketAddr = rest.trim_end_matches('/').parse().map_err(|_| refuse())?;
        if !address.ip().is_loopback() {
            return Err(refuse());
        }
        Ok(Target { address, pid, pair })
    }

    /// Signs for this server, as of now.
    pub fn make_signer(&self) -> Signer {
        Signer::new(&self.address.to_string(), &self.pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_refused() {
        let pair = KeyPair { id: String::new(), secret: String::new() };
        for endpoint in ["http://192.0.2.1:80", "https://127.0.0.1:1", "http://localhost:1", "x"] {
            assert!(Target::parse(endpoint, 1, pair.clone()).is_err(), "{endpoint}");
        }
        assert!(Target::parse("http://127.0.0.1:4567/", 1, pair.clone()).is_ok());
        assert!(Target::parse("http://[::1]:4567", 1, pair).is_ok());
    }
}
