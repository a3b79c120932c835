//! The embedded bucket behind the listener: requests for S3 are handed over to it as streams.

use std::sync::Arc;

use bucket::{Bucket, S3Service, Served};
use front::{Handled, Handler, Handling, Handover, StreamedBody};
use http::Request;
use http::request::Parts;
use identity::Authority;

/// The operations that it serves.
const OPERATIONS: &[&str] = &[
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjects",
    "GetBucketLocation",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
];

/// The service as the listener knows it.
pub(crate) fn handover(bucket: Bucket, authority: Arc<Authority>) -> Handover {
    Handover {
        signing_name: "s3",
        also: is_presigned_v2,
        operations: OPERATIONS,
        audited: &["CreateBucket", "DeleteBucket"],
        handler: Arc::new(Embedded(S3Service::new(bucket, authority))),
    }
}

/// Signature Version 2 in a query, which boto3 still makes for S3 unless it is told otherwise.
fn is_presigned_v2(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    let names = |wanted: &str| query.split('&').any(|part| part.starts_with(wanted));
    names("AWSAccessKeyId=") && names("Signature=")
}

struct Embedded(S3Service);

impl Handler for Embedded {
    fn handle(&self, request: Request<StreamedBody>) -> Handling {
        let served = self.0.serve(request);
        Box::pin(async move {
            let Served { response, caller, fault } = served.await;
            Handled {
                response: response.map(|body| Box::pin(body) as _),
                operation: caller.operation,
                identity: caller.identity,
                fault,
            }
        })
    }
}
