//! Functions: a Lambda-compatible endpoint for ARNs, and webhooks for URLs. Source of the codes and
//! words: the developer guide, "Lambda invocation errors"; of the request: Lambda's API reference, Invoke.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use delivery::limits::{FUNCTION_ANSWER_BYTES_MAX, FUNCTION_WAIT};
use delivery::{Answer, Functions, InvokeError, Invoked};
use reqwest::{Client, Request, Response, StatusCode};
use stdx::Clock;

use super::endpoint::Endpoint;

/// How long a connection to a function may take.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Functions somewhere else.
pub(crate) struct OutsideFunctions {
    client: Client,
    lambda: Option<Endpoint>,
    clock: Clock,
}

impl OutsideFunctions {
    /// ARNs are called at `lambda`, if there is one.
    ///
    /// # Errors
    /// If the machine has no certificates to trust.
    pub(crate) fn new(lambda: Option<Endpoint>, clock: Clock) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(CONNECT_WAIT)
            .timeout(FUNCTION_WAIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(OutsideFunctions { client, lambda, clock })
    }

    async fn invoke(&self, function: &str, event: Bytes) -> Result<Invoked, InvokeError> {
        let is_arn = function.starts_with("arn:");
        let request = match (is_arn, &self.lambda) {
            (true, Some(lambda)) => self.invocation(lambda, function, event),
            (true, None) => {
                return Err(failed(
                    "Lambda.ResourceNotFound",
                    "no --lambda-endpoint runs functions",
                ));
            }
            (false, _) => {
                let call = self.client.post(function).header("content-type", "application/json");
                call.body(event).build()
            }
        };
        let request =
            request.map_err(|error| failed("Lambda.ConnectionError", error.to_string()))?;
        let answer = self.client.execute(request).await.map_err(unreached)?;
        let function_failed = answer.headers().contains_key("x-amz-function-error");
        match answer.status() {
            _ if function_failed => Ok(Invoked::FunctionError),
            status if status.is_success() => read(answer).await.map(Invoked::Answer),
            // A webhook has no other way to say that it failed.
            status if !is_arn && status.is_server_error() => Ok(Invoked::FunctionError),
            status => Err(refused(status)),
        }
    }

    /// A call of Lambda's Invoke.
    fn invocation(
        &self,
        lambda: &Endpoint,
        arn: &str,
        event: Bytes,
    ) -> Result<Request, reqwest::Error> {
        let region = arn.split(':').nth(3).unwrap_or_default();
        let name = arn.replace(':', "%3A");
        let url = format!("{}/2015-03-31/functions/{name}/invocations", lambda.address);
        let call = self.client.post(url).header("content-type", "application/json");
        let mut request = call.body(event).build()?;
        let kind = ("x-amz-invocation-type".to_owned(), "RequestResponse".to_owned());
        lambda.sign(&mut request, ("lambda", region), vec![kind], self.clock.wall());
        Ok(request)
    }
}

impl Functions for OutsideFunctions {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        event: Bytes,
    ) -> Answer<'a, Result<Invoked, InvokeError>> {
        Box::pin(self.invoke(function, event))
    }
}

/// The answer's body, if it is not too large.
async fn read(mut answer: Response) -> Result<Bytes, InvokeError> {
    let mut body = BytesMut::new();
    while let Some(part) = answer.chunk().await.map_err(unreached)? {
        if body.len() + part.len() > FUNCTION_ANSWER_BYTES_MAX {
            return Err(failed("Lambda.FunctionError", "the answer is larger than 6 MB"));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

fn failed(code: &'static str, message: impl Into<String>) -> InvokeError {
    InvokeError { code, message: message.into() }
}

fn unreached(error: reqwest::Error) -> InvokeError {
    let code =
        if error.is_timeout() { "Lambda.FunctionTimedOut" } else { "Lambda.ConnectionError" };
    failed(code, error.without_url().to_string())
}

fn refused(status: StatusCode) -> InvokeError {
    let (code, message) = match status.as_u16() {
        401 | 403 => (
            "Lambda.InvokeAccessDenied",
            "Access was denied. Ensure that the access policy allows access to the Lambda function.",
        ),
        404 => (
            "Lambda.ResourceNotFound",
            "The specified Lambda function does not exist. Use a different function that does exist.",
        ),
        429 => (
            "Lambda.InvokeLimitExceeded",
            "The Lambda concurrent execution limit is exceeded. Increase the concurrent execution limit.",
        ),
        _ => return failed("Lambda.ConnectionError", format!("it answered {status}")),
    };
    failed(code, message)
}
