//! STS, as far as Kinesis's clients and tools ask it: who am I?

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wire::{
    Access, Answer, Call, Codec, Endpoint, Fault, Kind, Operation, OperationInfo, QueryForm,
    Resource, Serve, ServiceProfile, Throttling, codec, endpoint,
};

/// The facts of the service.
pub static SERVICE: ServiceProfile = ServiceProfile {
    signing_name: "sts",
    target_prefix: "",
    content_types: &[],
    rpc_service: None,
    query: Some(QueryForm {
        version: "2011-06-15",
        xml_namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    }),
    gzip: false,
    throttling: Throttling::Named,
};

/// The largest form: action and version, and room for what tools add (our choice).
const FORM_BYTES_MAX: usize = 4 * 1024;

/// Serves STS.
pub struct Sts;

impl Sts {
    /// Its operations.
    pub fn endpoints() -> Vec<Box<dyn Endpoint>> {
        vec![endpoint::<_, GetCallerIdentity>(Arc::new(Sts))]
    }
}

/// `GetCallerIdentity`.
pub struct GetCallerIdentity;

/// It takes nothing.
#[derive(Deserialize)]
pub struct GetCallerIdentityInput {}

/// Who is asking.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetCallerIdentityOutput {
    arn: String,
    user_id: String,
    account: String,
}

impl Operation for GetCallerIdentity {
    type Input = GetCallerIdentityInput;
    type Output = GetCallerIdentityOutput;
    const INFO: OperationInfo = OperationInfo {
        name: "GetCallerIdentity",
        action: "sts:GetCallerIdentity",
        kind: Kind::Unary,
        access: Access::Read,
        calls_per_second: None,
        body_bytes_max: FORM_BYTES_MAX,
    };

    fn decode(codec: Codec, body: &Bytes) -> Result<GetCallerIdentityInput, Fault> {
        codec::read(codec, body)
    }

    fn encode(codec: Codec, output: GetCallerIdentityOutput) -> Answer {
        Answer::Body(codec::encode(codec, &output, 256))
    }

    fn resource(_input: &GetCallerIdentityInput) -> Resource {
        Resource::Any
    }
}

impl Serve<GetCallerIdentity> for Sts {
    async fn serve(
        &self,
        call: &Call,
        _input: GetCallerIdentityInput,
    ) -> Result<GetCallerIdentityOutput, Fault> {
        let name = call.principal.rsplit([':', '/']).next().unwrap_or_default();
        // A root's unique id is its account's.
        let user_id = if name == "root" { &*call.account } else { name };
        Ok(GetCallerIdentityOutput {
            arn: call.principal.to_string(),
            user_id: user_id.to_owned(),
            account: call.account.to_string(),
        })
    }
}
