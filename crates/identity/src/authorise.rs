//! Whether a principal may do what it asks: the seam where policies will decide.

use wire::{Call, Fault, Resource};

/// What nobody can be denied: it tells callers only who they are (AWS's documentation of it).
const ALWAYS_ALLOWED: &str = "sts:GetCallerIdentity";

/// Decides one action on one resource.
///
/// The root of an account may do everything in it, and nothing in another account: that would take
/// a policy on the resource as well. Nobody else exists yet; whoever does will be judged by
/// policies, and until then has none that allows anything.
///
/// # Errors
/// `AccessDeniedException` in AWS's words (`facts/security.md` § 1.3, below the table).
pub fn authorise(call: &Call, action: &str, resource: &Resource) -> Result<(), Fault> {
    if action == ALWAYS_ALLOWED {
        return Ok(());
    }
    let kind = match (is_root(call), is_own(call, resource)) {
        (true, true) => return Ok(()),
        (true, false) => "resource",
        (false, _) => "identity",
    };
    let resource = arn_of(call, action, resource);
    Err(Fault {
        capital_message: true,
        ..Fault::client(
            "AccessDeniedException",
            format!(
                "User: {} is not authorized to perform: {action} on resource: {resource} because \
                 no {kind}-based policy allows the {action} action",
                call.principal
            ),
        )
    })
}

/// Whether a resource is the caller's account's. What is no ARN is nobody's: the operation will say
/// what is wrong with it.
fn is_own(call: &Call, resource: &Resource) -> bool {
    let Resource::Arn(arn) = resource else { return true };
    let mut parts = arn.splitn(6, ':');
    let account = (parts.next() == Some("arn")).then(|| parts.nth(3)).flatten();
    account.is_none_or(|account| account.is_empty() || account == &*call.account)
}

/// Whether a call is the root's of its account.
pub fn is_root(call: &Call) -> bool {
    let rest = call.principal.strip_prefix("arn:aws:iam::");
    rest.and_then(|rest| rest.strip_prefix(&*call.account)) == Some(":root")
}

/// The resource's whole ARN; the action's prefix is the service in it.
pub fn arn_of(call: &Call, action: &str, resource: &Resource) -> String {
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
        assert_eq!(authorise(&stranger, ALWAYS_ALLOWED, &Resource::Any), Ok(()));
        let other_root = call("arn:aws:iam::999999999999:root");
        assert!(authorise(&other_root, "kinesis:PutRecord", &stream).is_err());
    }

    #[test]
    fn root_may_nothing_in_another_account() {
        let root = call("arn:aws:iam::123456789012:root");
        let stream = |account: &str| {
            Resource::Arn(format!("arn:aws:kinesis:eu-west-1:{account}:stream/orders"))
        };
        assert_eq!(authorise(&root, "kinesis:PutRecord", &stream("123456789012")), Ok(()));
        let denied = authorise(&root, "kinesis:PutRecord", &stream("999999999999")).unwrap_err();
        assert_eq!((&*denied.code, denied.status), ("AccessDeniedException", 400));
        assert_eq!(
            denied.message.as_deref(),
            Some(
                "User: arn:aws:iam::123456789012:root is not authorized to perform: \
                 kinesis:PutRecord on resource: arn:aws:kinesis:eu-west-1:999999999999:stream/orders \
                 because no resource-based policy allows the kinesis:PutRecord action"
            )
        );
        for shapeless in ["", "orders", "arn:aws:kinesis", "arn:aws:s3:::bucket"] {
            let resource = Resource::Arn(shapeless.into());
            assert_eq!(authorise(&root, "kinesis:PutRecord", &resource), Ok(()), "{shapeless}");
        }
    }
}
