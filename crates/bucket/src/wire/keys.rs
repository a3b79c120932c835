//! Whose keys are believed.

use std::sync::Arc;

use identity::Authority;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::service::Noted;

/// The server's own keys.
pub(super) struct Keys(pub(super) Arc<Authority>);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let found = self.0.secret_of(access_key).map(SecretKey::from);
        found.ok_or_else(|| {
            S3Error::with_message(
                S3ErrorCode::InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records.",
            )
        })
    }
}

/// Who may do what: the root of an account, everything in it. Nobody else exists yet.
pub(super) struct Access(pub(super) Arc<Authority>);

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = context.s3_op().name().to_owned();
        let identity = match context.credentials() {
            Some(credentials) => self.0.holder_of(&credentials.access_key),
            None => self.0.anyone(),
        };
        if let Some(noted) = context.extensions_mut().get_mut::<Noted>() {
            noted.note(operation, identity.clone());
        }
        match identity {
            Some(_) => Ok(()),
            None => Err(S3Error::with_message(S3ErrorCode::AccessDenied, "Access Denied")),
        }
    }
}
