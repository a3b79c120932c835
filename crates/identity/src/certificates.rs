//! A certificate authority of one's own, so that TLS works without anybody's help.
//!
//! The authority is a key and a certificate in one text, made once and kept by the caller. Leaf
//! certificates are cheap, so a server makes a new one at every start and keeps it in memory only.
//! Keys are P-256, which every TLS library takes; they come from the operating system's randomness.

use std::fmt;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use stdx::UnixMillis;

use crate::limits::{CA_DAYS, CERTIFICATE_GRACE_DAYS, LEAF_DAYS, LEAF_NAMES_MAX};
use crate::sigv4::{basic_format, hex_of, sha256};

const SECONDS_PER_DAY: u64 = 86_400;
/// The longest name of the domain name system (RFC 1035 § 2.3.4).
const DNS_NAME_BYTES_MAX: usize = 253;
const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// Why no certificate could be made.
#[derive(Debug, PartialEq, Eq)]
pub struct CertificateError(String);

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CertificateError {}

fn failed(error: impl fmt::Display) -> CertificateError {
    CertificateError(error.to_string())
}

/// A certificate and its key, both in PEM.
pub struct Leaf {
    /// The certificate.
    pub chain_pem: String,
    /// Its key. Never logged.
    pub key_pem: String,
}

/// The authority.
pub struct LocalCa {
    issuer: Issuer<'static, rcgen::KeyPair>,
    certificate_pem: String,
}

impl LocalCa {
    /// Makes an authority: its key and its certificate, as one PEM text to be kept private.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn make(now: UnixMillis) -> Result<String, CertificateError> {
        let key = rcgen::KeyPair::generate().map_err(failed)?;
        let certificate = authority_params(&key, now).self_signed(&key).map_err(failed)?;
        Ok(key.serialize_pem() + &certificate.pem())
    }

    /// The authority that [`LocalCa::make`] made.
    ///
    /// # Errors
    /// If the text is anything else.
    pub fn open(pem: &[u8]) -> Result<LocalCa, CertificateError> {
        let nothing = || CertificateError("it holds no key and certificate in PEM".to_owned());
        let text = std::str::from_utf8(pem).map_err(|_not_text| nothing())?;
        let (key, certificate) = text.split_at(text.find(BEGIN_CERTIFICATE).ok_or_else(nothing)?);
        let key = rcgen::KeyPair::from_pem(key).map_err(|_not_a_key| nothing())?;
        // Dates are the certificate's own; the issuer only needs the name, which is the key's.
        let params = authority_params(&key, UnixMillis(0));
        Ok(LocalCa { issuer: Issuer::new(params, key), certificate_pem: certificate.to_owned() })
    }

    /// The authority's certificate in PEM, for those who are to believe in it.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A new key and a certificate for a server of these names: host names and addresses. Names
    /// that no certificate can hold are left out.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn issue(&self, names: &[String], now: UnixMillis) -> Result<Leaf, CertificateError> {
        let key = rcgen::KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.subject_alt_names =
            names.iter().filter_map(|name| alternative(name)).take(LEAF_NAMES_MAX).collect();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Levada");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid_for(&mut params, now, LEAF_DAYS);
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Leaf { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

/// The authority's own certificate. Its name tells its key, so that two of them in one trust store
/// are not taken for each other.
fn authority_params(key: &rcgen::KeyPair, now: UnixMillis) -> CertificateParams {
    let digest = hex_of(&sha256(&key.subject_public_key_info()));
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let name = format!("Levada local CA {}", &digest[..8]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, now, CA_DAYS);
    params
}

/// Valid from a little before now, for those whose clocks are behind. Whole days: it is what the
/// generator's own constructor takes.
fn valid_for(params: &mut CertificateParams, now: UnixMillis, days: u64) {
    let date = |seconds: u64| {
        let text = basic_format(seconds);
        let number = |from: usize, to: usize| text[from..to].parse::<u16>().unwrap_or(1);
        rcgen::date_time_ymd(number(0, 4).into(), number(4, 6) as u8, number(6, 8) as u8)
    };
    let now = now.seconds();
    params.not_before = date(now.saturating_sub(CERTIFICATE_GRACE_DAYS * SECONDS_PER_DAY));
    params.not_after = date(now + days * SECONDS_PER_DAY);
}

fn alternative(name: &str) -> Option<SanType> {
    if let Ok(ip) = name.parse::<IpAddr>() {
        return Some(SanType::IpAddress(ip));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_name = !name.is_empty() && name.len() <= DNS_NAME_BYTES_MAX && name.bytes().all(allowed);
    is_name.then(|| name.try_into().ok().map(SanType::DnsName)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_500_000_000);

    #[test]
    fn an_authority_is_opened_again_and_issues() {
        let made = LocalCa::make(NOW).unwrap();
        let ca = LocalCa::open(made.as_bytes()).unwrap();
        assert!(ca.certificate_pem().starts_with(BEGIN_CERTIFICATE));
        assert!(!ca.certificate_pem().contains("PRIVATE KEY"));
        assert!(made.ends_with(ca.certificate_pem()));
        let names = ["localhost", "::1", "not a name", ""].map(str::to_owned);
        let (first, second) = (ca.issue(&names, NOW).unwrap(), ca.issue(&names, NOW).unwrap());
        assert!(first.chain_pem.starts_with(BEGIN_CERTIFICATE));
        assert_ne!(first.key_pem, second.key_pem);
    }

    #[test]
    fn what_is_no_authority_is_refused() {
        let made = LocalCa::make(NOW).unwrap();
        let certificate = &made[made.find(BEGIN_CERTIFICATE).unwrap()..];
        for wrong in ["", "nonsense", certificate, &made[..made.len() - certificate.len()]] {
            assert!(LocalCa::open(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(LocalCa::open(&[0xff, 0xfe]).is_err());
    }

    #[test]
    fn names_and_addresses() {
        assert!(matches!(alternative("127.0.0.1"), Some(SanType::IpAddress(_))));
        assert!(matches!(alternative("build-7.example"), Some(SanType::DnsName(_))));
        assert!(alternative("b\u{fc}cher").is_none());
        assert!(alternative(&"a".repeat(300)).is_none());
    }
}
