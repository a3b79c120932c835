use std::collections::BTreeMap;

use super::model::{Kind, Model};
use super::overlay::Java;
use super::*;

#[test]
fn generated_files_are_fresh() {
    check(&root()).expect("run `cargo xtask codegen`");
}

fn read_all() -> Vec<(&'static str, Model)> {
    let models = root().join("models");
    SERVICES
        .iter()
        .map(|name| (*name, Model::read(&models.join(format!("{name}.json"))).unwrap()))
        .collect()
}

#[test]
fn nine_models_have_173_operations() {
    let counts: Vec<(&str, usize, usize)> = read_all()
        .iter()
        .map(|(name, model)| (*name, model.operations.iter().count(), model.shapes.iter().count()))
        .collect();
    assert_eq!(
        counts,
        [
            ("kinesis", 57, 311),
            ("firehose", 12, 297),
            ("kinesisanalytics", 20, 159),
            ("kinesisanalyticsv2", 41, 371),
            ("kinesisvideo", 32, 170),
            ("kinesis-video-archived-media", 6, 71),
            ("kinesis-video-media", 1, 18),
            ("kinesis-video-signaling", 2, 24),
            ("kinesis-video-webrtc-storage", 2, 9),
        ]
    );
    assert_eq!(counts.iter().map(|(_, operations, _)| operations).sum::<usize>(), 173);
}

#[test]
fn every_kind_of_shape_is_read() {
    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    for (_, model) in read_all() {
        for (_, shape) in model.shapes.iter() {
            *kinds.entry(shape.kind).or_default() += 1;
        }
    }
    let expected = [
        (Kind::Blob, 5),
        (Kind::Boolean, 5),
        (Kind::Double, 1),
        (Kind::Integer, 85),
        (Kind::List, 131),
        (Kind::Long, 13),
        (Kind::Map, 6),
        (Kind::String, 350),
        (Kind::Structure, 823),
        (Kind::Timestamp, 11),
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn models_hold_no_prose() {
    for name in SERVICES {
        let path = root().join("models").join(format!("{name}.json"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(!text.contains("documentation"), "{name}");
        assert!(!text.contains("<p>"), "{name}");
        let again = Model::parse(&text).unwrap().reduced("botocore 1.44.5").unwrap();
        assert_eq!(text, again, "{name} is not what reducing it again would write");
    }
}

#[test]
fn names_are_rusts() {
    for (name, expected) in [
        ("StreamARN", "stream_arn"),
        ("MaxRecordSizeInKiB", "max_record_size_in_kib"),
        ("WarmThroughputMiBps", "warm_throughput_mibps"),
        ("S3TablesDestinationConfiguration", "s3_tables_destination_configuration"),
        ("GSRSchemaARN", "gsr_schema_arn"),
        ("KMSOptInRequired", "kms_opt_in_required"),
        ("Data", "data"),
        ("message", "message"),
    ] {
        assert_eq!(names::snake(name), expected);
    }
    assert_eq!(names::field("Type"), "r#type");
    assert_eq!(names::variant("AT_SEQUENCE_NUMBER"), "AtSequenceNumber");
    assert_eq!(names::variant("S3_TABLES"), "S3Tables");
    assert_eq!(names::variant("IncomingBytes"), "IncomingBytes");
}

#[test]
fn members_come_in_the_order_that_was_recorded() {
    let models = root().join("models");
    let model = Model::read(&models.join("kinesis.json")).unwrap();
    let overlays = Overlays::read(&models.join("overlay.toml")).unwrap();
    let ties = &overlays.of("kinesis", &model).unwrap().ties;
    let recorded: [(&str, &[&str]); 14] = [
        (
            "PutRecordInput",
            &["SequenceNumberForOrdering", "PartitionKey", "ExplicitHashKey", "Data", "StreamName"],
        ),
        ("PutRecordsInput", &["Records", "StreamName"]),
        ("PutRecordsRequestEntry", &["PartitionKey", "ExplicitHashKey", "Data"]),
        (
            "GetShardIteratorInput",
            &["ShardId", "ShardIteratorType", "StartingSequenceNumber", "StreamName"],
        ),
        ("GetRecordsInput", &["Limit", "ShardIterator"]),
        ("MergeShardsInput", &["ShardToMerge", "AdjacentShardToMerge", "StreamName"]),
        ("SplitShardInput", &["NewStartingHashKey", "StreamName", "ShardToSplit"]),
        ("AddTagsToStreamInput", &["Tags", "StreamName"]),
        ("RemoveTagsFromStreamInput", &["TagKeys", "StreamName"]),
        ("ListTagsForStreamInput", &["Limit", "ExclusiveStartTagKey", "StreamName"]),
        ("CreateStreamInput", &["ShardCount", "StreamName"]),
        ("DescribeStreamInput", &["Limit", "ExclusiveStartShardId", "StreamName"]),
        ("ListStreamsInput", &["Limit", "ExclusiveStartStreamName"]),
        ("IncreaseStreamRetentionPeriodInput", &["RetentionPeriodHours", "StreamName"]),
    ];
    for (structure, expected) in recorded {
        let shape = model.shape(structure).unwrap();
        let names: Vec<&str> = shape.members.iter().map(|(name, _)| name).collect();
        let mut order = names::member_order(&names, Java::Seven, ties);
        order.retain(|name| expected.contains(name));
        assert_eq!(order, expected, "{structure}");
    }
}

#[test]
fn enum_values_come_in_the_order_that_was_recorded() {
    let model = Model::read(&root().join("models/kinesis.json")).unwrap();
    let shape = model.shape("ShardIteratorType").unwrap();
    assert_eq!(
        names::value_order(&shape.values),
        ["AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"]
    );
    // Another service's list of thirteen, recorded by another peer.
    let comparisons = [
        "IN",
        "NULL",
        "BETWEEN",
        "LT",
        "NOT_CONTAINS",
        "EQ",
        "GT",
        "NOT_NULL",
        "NE",
        "LE",
        "BEGINS_WITH",
        "GE",
        "CONTAINS",
    ];
    let in_its_model: Vec<String> = [
        "EQ",
        "NE",
        "IN",
        "LE",
        "LT",
        "GE",
        "GT",
        "BETWEEN",
        "NOT_NULL",
        "NULL",
        "CONTAINS",
        "NOT_CONTAINS",
        "BEGINS_WITH",
    ]
    .map(str::to_owned)
    .to_vec();
    assert_eq!(names::value_order(&in_its_model), comparisons);
}

/// floci-io/floci recorded these from AWS.
#[test]
fn firehose_is_newer() {
    let model = Model::read(&root().join("models/firehose.json")).unwrap();
    let values: [(&str, &[&str]); 3] = [
        ("CompressionFormat", &["ZIP", "HADOOP_SNAPPY", "Snappy", "GZIP", "UNCOMPRESSED"]),
        ("OrcCompression", &["ZLIB", "SNAPPY", "NONE"]),
        (
            "ProcessorParameterName",
            &[
                "DataMessageExtraction",
                "NumberOfRetries",
                "Delimiter",
                "RoleArn",
                "JsonParsingEngine",
                "SubRecordType",
                "MetadataExtractionQuery",
                "BufferIntervalInSeconds",
                "LambdaArn",
                "BufferSizeInMBs",
                "CompressionFormat",
            ],
        ),
    ];
    for (shape, expected) in values {
        assert_eq!(names::value_order(&model.shape(shape).unwrap().values), expected);
    }
    let members: [(&str, &[&str]); 3] = [
        (
            "ParquetSerDe",
            &["MaxPaddingBytes", "BlockSizeBytes", "PageSizeBytes", "Compression", "WriterVersion"],
        ),
        (
            "OrcSerDe",
            &[
                "DictionaryKeyThreshold",
                "BlockSizeBytes",
                "RowIndexStride",
                "PaddingTolerance",
                "StripeSizeBytes",
                "Compression",
                "FormatVersion",
                "BloomFilterFalsePositiveProbability",
            ],
        ),
        (
            "SchemaConfiguration",
            &["VersionId", "CatalogId", "DatabaseName", "RoleARN", "Region", "TableName"],
        ),
    ];
    for (structure, expected) in members {
        let shape = model.shape(structure).unwrap();
        let names: Vec<&str> = shape.members.iter().map(|(name, _)| name).collect();
        let mut order = names::member_order(&names, Java::Eight, &[]);
        order.retain(|name| expected.contains(name));
        assert_eq!(order, expected, "{structure}");
    }
}

fn program(expression: &str) -> Result<String, String> {
    pattern::Library::default().program(expression).map_err(|failure| failure.to_string())
}

fn written(source: &str) -> Result<String, String> {
    pattern::Library::default().pattern(source).map_err(|failure| failure.to_string())
}

#[test]
fn patterns_compile_or_say_why_not() {
    assert_eq!(
        program("[a-c.-]+").unwrap(),
        "&[Step::Set(&[('-', '.'), ('a', 'c')], false), Step::Split(0, 2), Step::Accept]"
    );
    assert_eq!(
        program("^a{1,2}$").unwrap(),
        "&[Step::Set(&[('a', 'a')], false), Step::Split(2, 3), Step::Set(&[('a', 'a')], false), Step::Accept]"
    );
    for (source, same) in [
        ("^$|a", "|a"),
        ("a+?", "a+"),
        ("a{2}+", "aa"),
        ("[\\u0061-\\u0063]", "[a-c]"),
        ("[\\p{Zs}]", "[ \\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000]"),
    ] {
        assert_eq!(program(source).unwrap(), program(same).unwrap(), "{source}");
    }
    for bad in
        ["(a", "[a", "a{2", "b(?!a)b", "a)", "\\q", "*", "[c-a]", "a^", "(a$)b", "\\p{Q}", "a++"]
    {
        assert!(written(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_look_ahead_at_the_start_is_a_program_of_its_own() {
    let unless = |source: &str| {
        let pattern = written(source).unwrap();
        pattern.split_once("unless: ").unwrap().1.trim_end_matches(" }").to_owned()
    };
    assert_eq!(unless("a"), "&[]");
    assert_eq!(unless("^(?!\\s*$).+"), program("\\s*").unwrap());
    assert_eq!(unless("^(?!aws:)[a-z:]*$"), program("aws:[\\s\\S]*").unwrap());
}

/// Every expression of the services to come compiles too.
#[test]
fn every_pattern_of_every_model_compiles() {
    for (name, model) in read_all() {
        for (shape, body) in model.shapes.iter() {
            if let Some(source) = &body.pattern {
                assert!(written(source).is_ok(), "{name}.{shape}: {source}");
            }
        }
    }
}
