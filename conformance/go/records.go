package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

const recordsMax = 1000

// records puts, reads from every kind of position, and follows a split to its children.
func records(ctx context.Context, rig *rig) error {
	const name = "go-records"
	if err := rig.create(ctx, name, 2); err != nil {
		return err
	}
	if err := rig.put(ctx, name, 0, recordsMax); err != nil {
		return err
	}
	shards, err := rig.shards(ctx, name)
	if err != nil {
		return err
	}
	var found []string
	for _, shard := range shards {
		all, _, err := rig.read(ctx, position(name, shard, types.ShardIteratorTypeTrimHorizon))
		if err != nil {
			return err
		}
		if err := rig.readFromTheMiddle(ctx, name, shard, all); err != nil {
			return err
		}
		found = append(found, texts(all)...)
	}
	if err := same("records", sorted(numbered(0, recordsMax)), sorted(found)); err != nil {
		return err
	}
	if err := rig.readLatest(ctx, name, shards[0]); err != nil {
		return err
	}
	if err := rig.split(ctx, name, shards[0]); err != nil {
		return err
	}
	return rig.beRefused(ctx)
}

// readFromTheMiddle begins at, after and at the time of a record.
func (rig *rig) readFromTheMiddle(ctx context.Context, name, shard string, all []types.Record) error {
	middle := len(all) / 2
	arrived := all[middle].ApproximateArrivalTimestamp
	late := slices.IndexFunc(all, func(record types.Record) bool {
		return !record.ApproximateArrivalTimestamp.Before(*arrived)
	})
	for kind, from := range map[types.ShardIteratorType]int{
		types.ShardIteratorTypeAtSequenceNumber:    middle,
		types.ShardIteratorTypeAfterSequenceNumber: middle + 1,
		types.ShardIteratorTypeAtTimestamp:         late,
	} {
		start := position(name, shard, kind)
		if kind == types.ShardIteratorTypeAtTimestamp {
			start.Timestamp = arrived
		} else {
			start.StartingSequenceNumber = all[middle].SequenceNumber
		}
		got, _, err := rig.read(ctx, start)
		if err != nil {
			return err
		}
		if err := same(string(kind), texts(all[from:]), texts(got)); err != nil {
			return err
		}
	}
	return nil
}

// readLatest sees only what is put later, byte for byte.
func (rig *rig) readLatest(ctx context.Context, name, shard string) error {
	data := make([]byte, 256)
	for value := range data {
		data[value] = byte(value)
	}
	latest, err := rig.GetShardIterator(ctx, position(name, shard, types.ShardIteratorTypeLatest))
	if err != nil {
		return err
	}
	_, err = rig.PutRecord(ctx, &kinesis.PutRecordInput{
		StreamName: &name, Data: data, PartitionKey: aws.String("ключ"), ExplicitHashKey: aws.String("0"),
	})
	if err != nil {
		return err
	}
	page, err := rig.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: latest.ShardIterator})
	if err != nil {
		return err
	}
	if len(page.Records) != 1 || !bytes.Equal(page.Records[0].Data, data) {
		return fmt.Errorf("LATEST: expected one record of 256 bytes, found %v", page.Records)
	}
	return nil
}

// split closes a shard, whose last answer then names two children.
func (rig *rig) split(ctx context.Context, name, shard string) error {
	_, err := rig.SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName: &name, ShardToSplit: &shard, NewStartingHashKey: aws.String("1000"),
	})
	if err != nil {
		return err
	}
	if err := rig.awaitActive(ctx, name); err != nil {
		return err
	}
	_, children, err := rig.read(ctx, position(name, shard, types.ShardIteratorTypeTrimHorizon))
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := same("parents", []string{shard}, child.ParentShards); err != nil {
			return err
		}
	}
	return same("children", 2, len(children))
}

// beRefused finds AWS's error as the SDK knows it.
func (rig *rig) beRefused(ctx context.Context) error {
	_, err := rig.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("go-nothing")})
	var refusal *types.ResourceNotFoundException
	if !errors.As(err, &refusal) {
		return fmt.Errorf("expected ResourceNotFoundException, found %v", err)
	}
	var fault smithy.APIError = refusal
	return same("message", "Stream go-nothing under account 000000000000 not found.", fault.ErrorMessage())
}
