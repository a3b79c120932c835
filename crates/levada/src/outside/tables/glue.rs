//! A Glue-compatible catalog: `GetTable`, and `GetTableVersion` for a version that is not the latest.
//! Source: Glue's API reference.

use std::time::Duration;

use bytes::BytesMut;
use convert::{Table, tables_of_document};
use delivery::limits::TABLE_DOCUMENT_BYTES_MAX;
use delivery::{Answer, Catalog, CatalogError, TableName};
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;
use stdx::Clock;

use crate::outside::Endpoint;

/// How long a connection to the catalog may take.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// A catalog somewhere else.
pub(crate) struct Glue {
    client: Client,
    endpoint: Endpoint,
    clock: Clock,
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    kind: String,
    #[serde(alias = "Message", default)]
    message: String,
}

impl Glue {
    /// The catalog at `endpoint`.
    ///
    /// # Errors
    /// If the machine has no certificates to trust.
    pub(crate) fn new(endpoint: Endpoint, clock: Clock) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(CONNECT_WAIT)
            .timeout(ANSWER_WAIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Glue { client, endpoint, clock })
    }

    async fn ask(&self, name: &TableName) -> Result<Table, CatalogError> {
        let unavailable =
            |error: reqwest::Error| CatalogError::Unavailable(error.without_url().to_string());
        let (operation, body) = match &name.version_id {
            None => ("GetTable", json!({ "Name": name.table })),
            Some(version) => {
                ("GetTableVersion", json!({ "TableName": name.table, "VersionId": version }))
            }
        };
        let mut body = body;
        body["CatalogId"] = name.catalog_id.clone().into();
        body["DatabaseName"] = name.database.clone().into();
        let headers = [
            ("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target".to_owned(), format!("AWSGlue.{operation}")),
        ];
        let request = self.client.post(&self.endpoint.address).body(body.to_string());
        let mut request = request.build().map_err(unavailable)?;
        self.endpoint.sign(&mut request, ("glue", &name.region), headers.into(), self.clock.wall());
        let mut answer = self.client.execute(request).await.map_err(unavailable)?;
        let status = answer.status();
        let mut document = BytesMut::new();
        while let Some(part) = answer.chunk().await.map_err(unavailable)? {
            if document.len() + part.len() > TABLE_DOCUMENT_BYTES_MAX {
                let most = TABLE_DOCUMENT_BYTES_MAX;
                return Err(CatalogError::Unavailable(format!(
                    "it answers more than {most} bytes"
                )));
            }
            document.extend_from_slice(&part);
        }
        if !status.is_success() {
            return Err(refused(status, &document));
        }
        let tables = tables_of_document(&document).map_err(CatalogError::Unusable)?;
        tables.into_iter().next().ok_or(CatalogError::NotFound)
    }
}

impl Catalog for Glue {
    fn table<'a>(&'a self, name: &'a TableName) -> Answer<'a, Result<Table, CatalogError>> {
        Box::pin(self.ask(name))
    }
}

fn refused(status: reqwest::StatusCode, body: &[u8]) -> CatalogError {
    let Ok(Refusal { kind, message }) = serde_json::from_slice(body) else {
        return CatalogError::Unavailable(format!("it answered {status}"));
    };
    let kind = kind.rsplit('#').next().unwrap_or_default();
    match kind {
        "EntityNotFoundException" => CatalogError::NotFound,
        "AccessDeniedException" | "UnrecognizedClientException" | "InvalidSignatureException" => {
            CatalogError::Denied(message)
        }
        _ => CatalogError::Unavailable(format!("it answered {status} {kind}: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use identity::KeyPair;
    use stdx::task;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    const TABLE: &str = r#"{"DatabaseName":"d","Name":"t","VersionId":"7",
        "StorageDescriptor":{"Columns":[{"Name":"a","Type":"int"}]}}"#;

    /// A catalog that answers one request, and then tells it.
    async fn answering(status: &str, body: String) -> (Glue, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}/", listener.local_addr().expect("an address"));
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let server = task::spawn(async move {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let mut request = Vec::new();
            // The body is small JSON, so it ends the request's last bytes.
            while !request.ends_with(b"}") {
                connection.read_buf(&mut request).await.expect("a request");
            }
            connection.write_all(answer.as_bytes()).await.expect("an answer");
            String::from_utf8(request).expect("text")
        });
        let own =
            KeyPair { access_key_id: "AK".to_owned(), secret_access_key: "secret".to_owned() };
        let glue = Glue::new(Endpoint::new(&address, &own), Clock::system()).expect("a client");
        (glue, server)
    }

    fn name(version_id: Option<&str>) -> TableName {
        TableName {
            catalog_id: "000000000000".to_owned(),
            region: "eu-west-3".to_owned(),
            database: "d".to_owned(),
            table: "t".to_owned(),
            version_id: version_id.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn the_latest_version_is_get_table() {
        let (glue, server) = answering("200 OK", format!(r#"{{"Table":{TABLE}}}"#)).await;
        let table = glue.table(&name(None)).await.expect("a table");
        assert_eq!((table.version_id.as_deref(), table.schema.columns().len()), (Some("7"), 1));
        let request = server.await.expect("a request");
        assert!(request.contains("x-amz-target: AWSGlue.GetTable\r\n"), "{request}");
        assert!(request.contains("/eu-west-3/glue/aws4_request, SignedHeaders="), "{request}");
        let (_, body) = request.split_once("\r\n\r\n").expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let expected = json!({ "CatalogId": "000000000000", "DatabaseName": "d", "Name": "t" });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn another_version_is_get_table_version() {
        let answer = format!(r#"{{"TableVersion":{{"Table":{TABLE},"VersionId":"3"}}}}"#);
        let (glue, server) = answering("200 OK", answer).await;
        let table = glue.table(&name(Some("3"))).await.expect("a table");
        assert_eq!(table.version_id.as_deref(), Some("3"));
        let request = server.await.expect("a request");
        assert!(request.contains("x-amz-target: AWSGlue.GetTableVersion\r\n"), "{request}");
        assert!(request.contains(r#""TableName":"t""#), "{request}");
        assert!(request.contains(r#""VersionId":"3""#), "{request}");
    }

    #[tokio::test]
    async fn refusals() {
        let error = async |status: &str, body: &str| {
            let (glue, _server) = answering(status, body.to_owned()).await;
            glue.table(&name(None)).await.expect_err("no table")
        };
        let missing = r#"{"__type":"com.amazonaws.glue#EntityNotFoundException","Message":"x"}"#;
        assert_eq!(error("400 Bad Request", missing).await, CatalogError::NotFound);
        let denied = r#"{"__type":"AccessDeniedException","message":"no"}"#;
        let no = CatalogError::Denied("no".to_owned());
        assert_eq!(error("400 Bad Request", denied).await, no);
        for (status, body) in [("500 Oops", "{}"), ("503 Busy", "<html>"), ("302 Found", "")] {
            let error = error(status, body).await;
            assert_eq!(error.code(), None, "{status} {error}");
        }
        let empty = r#"{"Table":{"DatabaseName":"d","Name":"t"}}"#;
        assert!(matches!(error("200 OK", empty).await, CatalogError::Unusable(_)));
        assert!(matches!(error("200 OK", "{}").await, CatalogError::Unusable(_)));
    }
}
