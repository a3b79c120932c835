//! The operations. What is not here is answered `NotImplemented`.

use futures_util::StreamExt;
use http::HeaderMap;
use s3s::dto::*;
use s3s::{
    Body as WireBody, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, TrailingHeaders,
};

use super::body::DownloadBody;
use super::checksums::{Sums, told};
use super::faults;
use super::listing::{output_v1, output_v2, query_v1, query_v2};
use super::service::{Noted, header};
use super::shapes::{
    CONTENT_TYPE_DEFAULT, attributes_of, condition, entries_max, etag, expires_time, owner,
    seconds, shown, time, without_chunked,
};
use crate::Bucket as Engine;
use crate::error::BucketError;
use crate::limits::{DELETE_MAX, LIST_MAX, PUT_BYTES_MAX};
use crate::name::ObjectName;
use crate::objects::{Object as Stored, ObjectSink};
use crate::rows::Checksum as Sum;
use crate::uploads::CompletedPart as Named;

/// What answers.
pub(super) struct Operations {
    pub(super) bucket: Engine,
}

/// The region where buckets have no location constraint.
const REGION_DEFAULT: &str = "us-east-1";

/// The account that a request speaks for.
fn account<T>(request: &S3Request<T>) -> S3Result<String> {
    let caller = request.extensions.get::<Noted>().map(Noted::caller);
    let identity = caller.and_then(|caller| caller.identity);
    let identity = identity.ok_or_else(|| S3Error::new(S3ErrorCode::AccessDenied))?;
    Ok(identity.account.to_string())
}

fn region<T>(request: &S3Request<T>) -> String {
    let region = request.region.as_ref().map(|region| region.as_str().to_owned());
    region.unwrap_or_else(|| REGION_DEFAULT.to_owned())
}

/// The bytes of a body, before it was put into chunks.
fn length_of(headers: &HeaderMap) -> Option<u64> {
    let decoded = header(headers, "x-amz-decoded-content-length");
    decoded.or_else(|| header(headers, "content-length"))?.parse().ok()
}

fn ok<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

fn wrong(code: S3ErrorCode, message: &'static str) -> S3Error {
    S3Error::with_message(code, message)
}

impl Operations {
    /// Reads a body into a sink; answers the checksum that it came with.
    async fn receive(
        &self,
        body: Option<StreamingBlob>,
        headers: &HeaderMap,
        trailers: Option<&TrailingHeaders>,
    ) -> S3Result<(ObjectSink, Option<Sum>)> {
        let mut sums = Sums::stated(headers)?;
        let mut sink = self.bucket.sink();
        let (mut bytes, expected) = (0, length_of(headers));
        if let Some(mut body) = body {
            while let Some(piece) = body.next().await {
                let piece = piece.map_err(|error| faults::of_body(&error))?;
                bytes += piece.len() as u64;
                sums.update(&piece);
                sink.write(&piece).await?;
            }
        }
        if expected.is_some_and(|expected| expected != bytes) {
            return Err(faults::of_body(&"Incomplete"));
        }
        let sum = sums.verify(sink.md5(), trailers)?;
        Ok((sink, sum))
    }

    /// The part of an object that is asked for, if the conditions let it be read.
    fn looked_at(object: &Stored, wanted: &Wanted) -> S3Result<std::ops::Range<u64>> {
        let modified = seconds(object.modified_ms);
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(tag) => tag.value() == object.etag,
        };
        let failed = match (&wanted.if_match, &wanted.if_unmodified_since) {
            (Some(tag), _) => !is(tag),
            (None, Some(since)) => modified > *since,
            (None, None) => false,
        };
        if failed {
            return Err(BucketError::PreconditionFailed.into());
        }
        let unchanged = match (&wanted.if_none_match, &wanted.if_modified_since) {
            (Some(tag), _) => is(tag),
            (None, Some(since)) => modified <= *since,
            (None, None) => false,
        };
        if unchanged {
            let mut fault = wrong(S3ErrorCode::NotModified, "Not Modified");
            let mut headers = HeaderMap::new();
            if let Ok(tag) = etag(&object.etag).to_http_header() {
                headers.insert(http::header::ETAG, tag);
            }
            fault.set_headers(headers);
            return Err(fault);
        }
        match &wanted.range {
            None => Ok(0..object.bytes),
            Some(range) => range.check(object.bytes).map_err(|_| {
                wrong(S3ErrorCode::InvalidRange, "The requested range is not satisfiable")
            }),
        }
    }

    /// The object that a copy is made of.
    fn source(account: &str, source: &CopySource) -> S3Result<ObjectName> {
        match source {
            CopySource::Bucket { bucket, key, version_id: None } => {
                Ok(ObjectName::new(account, bucket, key)?)
            }
            _ => Err(wrong(
                S3ErrorCode::NotImplemented,
                "A copy source is BUCKET/KEY, without a version",
            )),
        }
    }
}

/// What reading an object demands of it.
struct Wanted {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
    range: Option<Range>,
}

macro_rules! wanted {
    ($input:expr) => {
        Wanted {
            if_match: $input.if_match.take(),
            if_none_match: $input.if_none_match.take(),
            if_modified_since: $input.if_modified_since.take(),
            if_unmodified_since: $input.if_unmodified_since.take(),
            range: $input.range.take(),
        }
    };
}

/// Versions are not kept: the only one there is is called `null`.
macro_rules! one_version {
    ($input:expr) => {
        if $input.version_id.as_deref().is_some_and(|version| version != "null") {
            return Err(wrong(S3ErrorCode::NoSuchVersion, "The specified version does not exist."));
        }
    };
}

/// The fields of an object that two outputs have under the same names.
macro_rules! object_output {
    ($shape:ident, $object:expr, $range:expr, $wants_sum:expr) => {{
        let (object, range): (Stored, std::ops::Range<u64>) = ($object, $range.clone());
        let whole = range == (0..object.bytes);
        let sums = told(object.checksum.as_ref().filter(|_| $wants_sum && whole));
        let attributes = object.attributes;
        $shape {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: attributes.cache_control,
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            content_disposition: attributes.content_disposition,
            content_encoding: attributes.content_encoding,
            content_language: attributes.content_language,
            content_length: Some((range.end - range.start) as i64),
            content_type: Some(
                attributes.content_type.unwrap_or_else(|| CONTENT_TYPE_DEFAULT.to_owned()),
            ),
            e_tag: Some(etag(&object.etag)),
            expires: expires_time(attributes.expires.as_deref()),
            last_modified: Some(seconds(object.modified_ms)),
            metadata: Some(attributes.metadata.into_iter().collect()),
            ..$shape::default()
        }
    }};
}

#[async_trait::async_trait]
impl S3 for Operations {
    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let account = account(&request)?;
        let buckets = self.bucket.list_buckets(&account)?.into_iter().map(|own| Bucket {
            bucket_region: Some(own.region),
            creation_date: Some(time(own.created_ms)),
            name: Some(own.name),
        });
        let prefix = request.input.prefix.unwrap_or_default();
        let begins = |own: &Bucket| own.name.as_ref().is_some_and(|name| name.starts_with(&prefix));
        ok(ListBucketsOutput {
            buckets: Some(buckets.filter(begins).collect()),
            owner: Some(owner(&account)),
            ..ListBucketsOutput::default()
        })
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let (account, scope) = (account(&request)?, region(&request));
        let CreateBucketInput { bucket, create_bucket_configuration: asked, .. } = request.input;
        let asked = asked.and_then(|asked| asked.location_constraint);
        let region = asked.map_or(scope, |region| region.as_str().to_owned());
        match self.bucket.create_bucket(&account, &bucket, &region).await {
            // As there, and only there, for old clients.
            Err(BucketError::BucketExists) if region == REGION_DEFAULT => {}
            created => created?,
        }
        let location = Some(format!("/{bucket}"));
        ok(CreateBucketOutput { location })
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let account = account(&request)?;
        self.bucket.delete_bucket(&account, &request.input.bucket).await?;
        ok(DeleteBucketOutput::default())
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let account = account(&request)?;
        let own = self.bucket.head_bucket(&account, &request.input.bucket)?;
        ok(HeadBucketOutput { bucket_region: Some(own.region), ..HeadBucketOutput::default() })
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        let account = account(&request)?;
        let own = self.bucket.head_bucket(&account, &request.input.bucket)?;
        let region = Some(own.region).filter(|region| region != REGION_DEFAULT);
        let location_constraint = region.map(BucketLocationConstraint::from);
        ok(GetBucketLocationOutput { location_constraint })
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let account = account(&request)?;
        let query = query_v1(&request.input)?;
        let listing = self.bucket.list(&account, &request.input.bucket, &query)?;
        ok(output_v1(request.input, listing, &owner(&account)))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let account = account(&request)?;
        let query = query_v2(&request.input)?;
        let listing = self.bucket.list(&account, &request.input.bucket, &query)?;
        ok(output_v2(request.input, listing, &owner(&account)))
    }

    async fn get_object(
        &self,
        mut request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let account = account(&request)?;
        let input = &mut request.input;
        one_version!(input);
        let name = ObjectName::new(&account, &input.bucket, &input.key)?;
        let (object, pin) = self.bucket.get(&name)?;
        let wanted = wanted!(input);
        let (range, bytes) = (Operations::looked_at(&object, &wanted)?, object.bytes);
        let body = DownloadBody::new(pin, range.clone());
        let content_range = wanted
            .range
            .map(|_| format!("bytes {}-{}/{bytes}", range.start, range.end.saturating_sub(1)));
        ok(GetObjectOutput {
            body: Some(StreamingBlob::new(WireBody::http_body_unsync(body))),
            content_range,
            ..object_output!(GetObjectOutput, object, range, input.checksum_mode.is_some())
        })
    }

    async fn head_object(
        &self,
        mut request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let account = account(&request)?;
        let input = &mut request.input;
        one_version!(input);
        let name = ObjectName::new(&account, &input.bucket, &input.key)?;
        let object = self.bucket.head(&name)?;
        let range = Operations::looked_at(&object, &wanted!(input))?;
        ok(object_output!(HeadObjectOutput, object, range, input.checksum_mode.is_some()))
    }

    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let account = account(&request)?;
        let input = &mut request.input;
        let name = ObjectName::new(&account, &input.bucket, &input.key)?;
        let condition = condition(input.if_match.take(), input.if_none_match.as_ref())?;
        self.bucket.precheck(&name, &condition)?;
        let length = length_of(&request.headers).ok_or_else(|| {
            wrong(
                S3ErrorCode::MissingContentLength,
                "You must provide the Content-Length HTTP header.",
            )
        })?;
        if length > PUT_BYTES_MAX {
            return Err(BucketError::TooLarge.into());
        }
        let attributes = without_chunked(attributes_of!(input));
        let trailers = request.trailing_headers.as_ref();
        let (sink, sum) = self.receive(input.body.take(), &request.headers, trailers).await?;
        let put = self.bucket.commit_object(name, sink, attributes, condition, sum).await?;
        let sums = told(put.checksum.as_ref());
        ok(PutObjectOutput {
            e_tag: Some(etag(&put.etag)),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            ..PutObjectOutput::default()
        })
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let account = account(&request)?;
        let input = request.input;
        one_version!(input);
        let name = ObjectName::new(&account, &input.bucket, &input.key)?;
        self.bucket.delete_objects(&account, &input.bucket, &[name]).await?;
        ok(DeleteObjectOutput::default())
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let account = account(&request)?;
        let DeleteObjectsInput { bucket, delete, .. } = request.input;
        if delete.objects.is_empty() || delete.objects.len() > DELETE_MAX {
            return Err(wrong(
                S3ErrorCode::MalformedXML,
                "The XML you provided was not well-formed or did not validate against our \
                 published schema",
            ));
        }
        let (mut names, mut errors) = (Vec::new(), Vec::new());
        for object in delete.objects {
            let version = object.version_id.filter(|version| version != "null");
            match (ObjectName::new(&account, &bucket, &object.key), version) {
                (Ok(name), None) => names.push(name),
                (name, version) => {
                    let fault = name.err().map(S3Error::from);
                    let fault = fault.unwrap_or_else(|| {
                        wrong(S3ErrorCode::NoSuchVersion, "The specified version does not exist.")
                    });
                    errors.push(Error {
                        code: Some(fault.code().as_str().to_owned()),
                        key: Some(object.key),
                        message: fault.message().map(str::to_owned),
                        version_id: version,
                    });
                }
            }
        }
        self.bucket.delete_objects(&account, &bucket, &names).await?;
        let quiet = delete.quiet.unwrap_or_default();
        let deleted = names.into_iter().filter(|_| !quiet);
        let deleted =
            deleted.map(|name| DeletedObject { key: Some(name.key), ..DeletedObject::default() });
        ok(DeleteObjectsOutput {
            deleted: Some(deleted.collect()),
            errors: Some(errors),
            ..DeleteObjectsOutput::default()
        })
    }

    async fn copy_object(
        &self,
        mut request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let account = account(&request)?;
        let input = &mut request.input;
        let from = Operations::source(&account, &input.copy_source)?;
        let to = ObjectName::new(&account, &input.bucket, &input.key)?;
        let replaces = input.metadata_directive.as_ref().map(MetadataDirective::as_str)
            == Some(MetadataDirective::REPLACE);
        if from == to && !replaces {
            return Err(wrong(
                S3ErrorCode::InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself \
                 without changing the object's metadata, storage class, website redirect location \
                 or encryption attributes.",
            ));
        }
        let wanted = Wanted {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
            range: None,
        };
        let source = self.bucket.head(&from)?;
        Operations::looked_at(&source, &wanted).map_err(copy_refused)?;
        let attributes = replaces.then(|| attributes_of!(input));
        let condition = crate::Condition::Any;
        let copy = self.bucket.copy_object(&from, to, attributes, condition).await?;
        ok(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: Some(etag(&copy.etag)),
                last_modified: Some(time(copy.modified_ms)),
                ..CopyObjectResult::default()
            }),
            ..CopyObjectOutput::default()
        })
    }

    async fn create_multipart_upload(
        &self,
        mut request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let account = account(&request)?;
        let input = &mut request.input;
        let name = ObjectName::new(&account, &input.bucket, &input.key)?;
        let attributes = without_chunked(attributes_of!(input));
        let id = self.bucket.create_upload(name, attributes).await?;
        let input = request.input;
        ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..CreateMultipartUploadOutput::default()
        })
    }

    async fn upload_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let account = account(&request)?;
        let input = &mut request.input;
        let name = ObjectName::new(&account, &input.bucket, &input.key)?;
        let upload = input.upload_id.clone();
        let number = self.bucket.precheck_part(&name, &upload, i64::from(input.part_number))?;
        let trailers = request.trailing_headers.as_ref();
        let (sink, sum) = self.receive(input.body.take(), &request.headers, trailers).await?;
        let part = self.bucket.commit_part(name, upload, number, sink).await?;
        let sums = told(sum.as_ref());
        ok(UploadPartOutput {
            e_tag: Some(etag(&part.etag)),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            ..UploadPartOutput::default()
        })
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let account = account(&request)?;
        let input = request.input;
        let from = Operations::source(&account, &input.copy_source)?;
        let to = ObjectName::new(&account, &input.bucket, &input.key)?;
        let upload = input.upload_id;
        let number = self.bucket.precheck_part(&to, &upload, i64::from(input.part_number))?;
        let (object, pin) = self.bucket.get(&from)?;
        let range = input.copy_source_range.as_deref().map(Range::parse).transpose();
        let range = range.map_err(|_| {
            wrong(
                S3ErrorCode::InvalidArgument,
                "The x-amz-copy-source-range value must be of the form bytes=first-last",
            )
        })?;
        let wanted = Wanted {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
            range,
        };
        let range = Operations::looked_at(&object, &wanted).map_err(copy_refused)?;
        let mut sink = self.bucket.sink();
        self.bucket.pour(&pin, range, &mut sink).await?;
        let part = self.bucket.commit_part(to, upload, number, sink).await?;
        ok(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: Some(etag(&part.etag)),
                last_modified: Some(time(part.modified_ms)),
                ..CopyPartResult::default()
            }),
            ..UploadPartCopyOutput::default()
        })
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let account = account(&request)?;
        let host = header(&request.headers, "host").unwrap_or_default().to_owned();
        let input = request.input;
        let name = ObjectName::new(&account, &input.bucket, &input.key)?;
        let condition = condition(input.if_match, input.if_none_match.as_ref())?;
        let mut parts = Vec::new();
        for part in input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default() {
            let number = part.part_number.unwrap_or_default();
            let refused = || BucketError::PartNumber(i64::from(number));
            let number = u16::try_from(number).map_err(|_| refused())?;
            let etag = part.e_tag.map(ETag::into_value).unwrap_or_default();
            parts.push(Named { number, etag });
        }
        if parts.is_empty() {
            return Err(wrong(
                S3ErrorCode::MalformedXML,
                "The XML you provided was not well-formed or did not validate against our \
                 published schema",
            ));
        }
        let object = self.bucket.complete_upload(name, input.upload_id, parts, condition).await?;
        ok(CompleteMultipartUploadOutput {
            location: Some(format!("http://{host}/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag(&object.etag)),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let account = account(&request)?;
        let input = request.input;
        let name = ObjectName::new(&account, &input.bucket, &input.key)?;
        self.bucket.abort_upload(name, input.upload_id).await?;
        ok(AbortMultipartUploadOutput::default())
    }

    async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let account = account(&request)?;
        let input = request.input;
        let name = ObjectName::new(&account, &input.bucket, &input.key)?;
        let most = entries_max(input.max_parts, LIST_MAX)?;
        let after = input.part_number_marker.unwrap_or_default();
        let mut parts = self.bucket.list_parts(&name, &input.upload_id)?;
        parts.retain(|part| i32::from(part.number) > after);
        let truncated = parts.len() > most;
        parts.truncate(most);
        let last = parts.last().map(|part| i32::from(part.number));
        let parts = parts.into_iter().map(|part| Part {
            e_tag: Some(etag(&part.etag)),
            last_modified: Some(time(part.modified_ms)),
            part_number: Some(i32::from(part.number)),
            size: Some(part.bytes as i64),
            ..Part::default()
        });
        ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(truncated),
            max_parts: Some(most as i32),
            part_number_marker: Some(after),
            next_part_number_marker: last.filter(|_| truncated),
            owner: Some(owner(&account)),
            parts: Some(parts.collect()),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            ..ListPartsOutput::default()
        })
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let account = account(&request)?;
        let input = request.input;
        let most = entries_max(input.max_uploads, LIST_MAX)?;
        if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
            return Err(wrong(
                S3ErrorCode::NotImplemented,
                "Uploads are listed without a delimiter",
            ));
        }
        let prefix = input.prefix.clone().unwrap_or_default();
        let mut uploads = self.bucket.list_uploads(&account, &input.bucket, &prefix)?;
        let after = (input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone());
        uploads.retain(|own| match &after {
            (key, _) if key.is_empty() => true,
            (key, None) => own.key > *key,
            (key, Some(id)) => (&own.key, &own.id) > (key, id),
        });
        let truncated = uploads.len() > most;
        uploads.truncate(most);
        let last = uploads.last().filter(|_| truncated).cloned();
        let encoding = input.encoding_type;
        let shape = |own: crate::UploadInfo| MultipartUpload {
            initiated: Some(time(own.initiated_ms)),
            key: Some(shown(&own.key, encoding.as_ref())),
            owner: Some(owner(&account)),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            upload_id: Some(own.id),
            ..MultipartUpload::default()
        };
        let uploads = uploads.into_iter().map(shape).collect();
        ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            is_truncated: Some(truncated),
            key_marker: input.key_marker,
            upload_id_marker: input.upload_id_marker,
            max_uploads: Some(most as i32),
            next_key_marker: last.as_ref().map(|own| shown(&own.key, encoding.as_ref())),
            next_upload_id_marker: last.map(|own| own.id),
            prefix: input.prefix,
            uploads: Some(uploads),
            encoding_type: encoding,
            ..ListMultipartUploadsOutput::default()
        })
    }
}

/// A copy whose source is not as it should be fails, whichever condition says so.
fn copy_refused(fault: S3Error) -> S3Error {
    match fault.code() {
        S3ErrorCode::NotModified => BucketError::PreconditionFailed.into(),
        _ => fault,
    }
}
