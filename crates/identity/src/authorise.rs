//! Whether a principal may do what it asks: the seam where policies will decide.

use wire::{Call, Fault, Resource};

/// Decides one action on one resource.
///
/// The root of an account may do everything in it. Nobody else exists yet; whoever does will be
/// judged by policies, and until then has none that allows anything.
///
/// # Errors
/// `AccessDeniedException` in AWS's words (`facts/security.md` § 1.3, below the table).
pub fn authorise(call: &Call, action: &str, resource: &Resource) -> Result<(), Fault> {
    if is_root(&call.principal, &call.account) {
        return Ok(());
    }
    let resource = arn_of(call, action, resource);
    Err(Fault {
        capital_message: true,
        ..Fault::client(
            "AccessDeniedException",
            format!(
                "User: {} is not authorized to perform: {action} on resource: {resource} because \
                 no identity-based policy allows the {action} action",
                call.principal
            ),
        )
    })
}

fn is_root(principal: &str, account: &str) -> bool {
    let rest = principal.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_prefix(account));
    rest == Some(":root")
}

/// The resource's whole ARN; the action's prefix is the service in it.
fn arn_of(call: &Call, action: &str, resource: &Resource) -> String {
    match resource {
        Resource::Any => "*".to_owned(),
        Resource::Arn(arn) => arn.clone(),
        Resource::Own(rest) => {
            let service = action.split(':').next().unwrap_or_default();
            format!("arn:aws:{service}:{}:{}:{rest}", call.region, call.account)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn call(principal: &str) -> Call {
        Call {
            request_id: wire::RequestId(1),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            principal: principal.into(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure_transport: false,
        }
    }

    #[test]
    fn root_may_and_others_are_told_why_not() {
        let stream = Resource::Own("stream/orders".into());
        assert_eq!(
            authorise(&call("arn:aws:iam::123456789012:root"), "kinesis:PutRecord", &stream),
            Ok(())
        );
        let stranger = call("arn:aws:iam::123456789012:user/ann");
        let denied = authorise(&stranger, "kinesis:PutRecord", &stream).unwrap_err();
        assert_eq!(
            denied.message.as_deref(),
            Some(
                "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: \
                 kinesis:PutRecord on resource: arn:aws:kinesis:eu-west-1:123456789012:stream/orders \
                 because no identity-based policy allows the kinesis:PutRecord action"
            )
        );
        let other_root = call("arn:aws:iam::999999999999:root");
        assert!(authorise(&other_root, "kinesis:PutRecord", &stream).is_err());
    }
}
