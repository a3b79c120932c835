//! Which bucket a host's name names: `BUCKET.localhost` and `BUCKET.s3.localhost`; everything else is an
//! address, and the path begins with the bucket.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

const DOMAINS: [&str; 2] = [".s3.localhost", ".localhost"];

pub(super) struct Localhost;

impl S3Host for Localhost {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let own = |domain: &&str| name.strip_suffix(*domain).filter(|bucket| !bucket.is_empty());
        let bucket = DOMAINS.iter().find_map(own);
        Ok(match bucket.filter(|bucket| *bucket != "s3") {
            Some(bucket) => VirtualHost::new(&name[bucket.len() + 1..]).with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_before_localhost_are_named() {
        let bucket = |host: &'static str| {
            Localhost.parse_host_header(host).unwrap().bucket().map(str::to_owned)
        };
        assert_eq!(bucket("logs.localhost:4567").as_deref(), Some("logs"));
        assert_eq!(bucket("a.b.s3.localhost").as_deref(), Some("a.b"));
        for plain in ["localhost:4567", "s3.localhost", "127.0.0.1:4567", "levada.example.com"] {
            assert_eq!(bucket(plain), None, "{plain}");
        }
    }
}
