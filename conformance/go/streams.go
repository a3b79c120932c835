package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func (rig *rig) create(ctx context.Context, name string, shards int32) error {
	_, err := rig.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards})
	if err != nil {
		return err
	}
	return rig.awaitActive(ctx, name)
}

// awaitActive asks until the stream is ACTIVE or the scenario's time is over.
func (rig *rig) awaitActive(ctx context.Context, name string) error {
	for {
		answer, err := rig.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
		if err != nil {
			return err
		}
		if answer.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (rig *rig) put(ctx context.Context, name string, from, to int) error {
	for batch := range slices.Chunk(numbered(from, to), 500) {
		var entries []types.PutRecordsRequestEntry
		for _, text := range batch {
			entries = append(entries, types.PutRecordsRequestEntry{Data: []byte(text), PartitionKey: aws.String(text)})
		}
		answer, err := rig.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &name, Records: entries})
		if err != nil {
			return err
		}
		if err := same("failed records", int32(0), *answer.FailedRecordCount); err != nil {
			return err
		}
	}
	return nil
}

func (rig *rig) shards(ctx context.Context, name string) ([]string, error) {
	answer, err := rig.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &name})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, shard := range answer.Shards {
		ids = append(ids, *shard.ShardId)
	}
	return ids, nil
}

func position(name, shard string, kind types.ShardIteratorType) *kinesis.GetShardIteratorInput {
	return &kinesis.GetShardIteratorInput{StreamName: &name, ShardId: &shard, ShardIteratorType: kind}
}

// read goes to the tip, or to the end of the shard, whose children it returns.
func (rig *rig) read(ctx context.Context, from *kinesis.GetShardIteratorInput) ([]types.Record, []types.ChildShard, error) {
	start, err := rig.GetShardIterator(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	var records []types.Record
	next := start.ShardIterator
	for {
		page, err := rig.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next, Limit: aws.Int32(300)})
		if err != nil {
			return nil, nil, err
		}
		records = append(records, page.Records...)
		next = page.NextShardIterator
		if next == nil || (len(page.Records) == 0 && *page.MillisBehindLatest == 0) {
			return records, page.ChildShards, nil
		}
	}
}

func numbered(from, to int) []string {
	var made []string
	for n := from; n < to; n++ {
		made = append(made, fmt.Sprintf("record-%d", n))
	}
	return made
}

func texts(records []types.Record) []string {
	var found []string
	for _, record := range records {
		found = append(found, string(record.Data))
	}
	return found
}

func sorted(names []string) []string {
	return slices.Sorted(slices.Values(names))
}

func same(what string, expected, found any) error {
	if reflect.DeepEqual(expected, found) {
		return nil
	}
	return fmt.Errorf("%s: expected %v, found %v", what, expected, found)
}
