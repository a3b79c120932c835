//! Services of AWS that a process with `AWS_ENDPOINT_URL` sends here and that are not here: what
//! their callers are told to unset. The names are facts of the official models; services that are
//! not listed are called by their signing name, which is what most of them have as variable too.

use wire::Elsewhere;

const fn service(
    signing_name: &'static str,
    name: &'static str,
    variable: &'static str,
) -> Elsewhere {
    Elsewhere { signing_name, name, variable, is_rest_xml: false }
}

const fn rest_xml(row: Elsewhere) -> Elsewhere {
    Elsewhere { is_rest_xml: true, ..row }
}

/// By signing name. The first two are here in part.
pub static ELSEWHERE: &[Elsewhere] = &[
    service("monitoring", "CloudWatch", "CLOUDWATCH"),
    service("sts", "STS", "STS"),
    service("aoss", "OpenSearch Serverless", "OPENSEARCHSERVERLESS"),
    service("application-autoscaling", "Application Auto Scaling", "APPLICATION_AUTO_SCALING"),
    service("autoscaling", "EC2 Auto Scaling", "AUTO_SCALING"),
    rest_xml(service("cloudfront", "CloudFront", "CLOUDFRONT")),
    service("cognito-identity", "Cognito identity pools", "COGNITO_IDENTITY"),
    service("cognito-idp", "Cognito user pools", "COGNITO_IDENTITY_PROVIDER"),
    service("config", "Config", "CONFIG_SERVICE"),
    service("dynamodb", "DynamoDB", "DYNAMODB"),
    service("elasticloadbalancing", "Elastic Load Balancing", "ELASTIC_LOAD_BALANCING_V2"),
    service("es", "OpenSearch Service", "OPENSEARCH"),
    service("events", "EventBridge", "EVENTBRIDGE"),
    service("glue", "Glue", "GLUE"),
    service("iam", "IAM", "IAM"),
    service("kinesisanalytics", "Kinesis Data Analytics", "KINESIS_ANALYTICS_V2"),
    service("kinesisvideo", "Kinesis Video Streams", "KINESIS_VIDEO"),
    service("kms", "KMS", "KMS"),
    service("lambda", "Lambda", "LAMBDA"),
    service("logs", "CloudWatch Logs", "CLOUDWATCH_LOGS"),
    rest_xml(service("route53", "Route 53", "ROUTE_53")),
    service("secretsmanager", "Secrets Manager", "SECRETS_MANAGER"),
    service("ses", "SES", "SESV2"),
    service("sns", "SNS", "SNS"),
    service("sqs", "SQS", "SQS"),
    service("ssm", "Systems Manager", "SSM"),
    service("sso", "IAM Identity Center", "SSO_ADMIN"),
    service("states", "Step Functions", "SFN"),
    service("tagging", "Resource Groups tagging", "RESOURCE_GROUPS_TAGGING_API"),
];
