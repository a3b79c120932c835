//! Words to the supervisor that started the process: systemd's `sd_notify`, for `Type=notify`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where the supervisor listens: a path, or a name after `@` in the abstract namespace.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";
/// A supervisor that does not read must not keep the server from serving.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Tells the supervisor, if there is one, such as `READY=1`.
pub(crate) fn tell_supervisor(words: &str) {
    let Some(socket) = std::env::var_os(SOCKET_VARIABLE).filter(|name| !name.is_empty()) else {
        return;
    };
    if let Err(error) = send(&socket, words) {
        tracing::warn!(%error, words, "the supervisor could not be told");
    }
}

fn send(socket: &OsStr, words: &str) -> io::Result<()> {
    let address = address(socket)?;
    let datagram = UnixDatagram::unbound()?;
    datagram.set_write_timeout(Some(WAIT_MAX))?;
    datagram.send_to_addr(words.as_bytes(), &address).map(drop)
}

#[cfg(target_os = "linux")]
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _path => SocketAddr::from_pathname(socket),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let supervisor = UnixDatagram::bind(&path).expect("a socket");
        send(path.as_os_str(), "READY=1").expect("it is told");
        let mut heard = [0; 64];
        let count = supervisor.recv(&mut heard).expect("words");
        assert_eq!(&heard[..count], b"READY=1");
        assert!(send(folder.path().join("nobody").as_os_str(), "READY=1").is_err());
    }
}
