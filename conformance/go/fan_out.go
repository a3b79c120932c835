package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const shardZero = "shardId-000000000000"

// fanOut subscribes, waits for a heartbeat, resumes without replay, and reaches the end of the shard.
func fanOut(ctx context.Context, rig *rig) error {
	const name = "go-fan-out"
	if err := rig.create(ctx, name, 1); err != nil {
		return err
	}
	consumer, err := rig.register(ctx, name)
	if err != nil {
		return err
	}
	if err := rig.put(ctx, name, 0, recordsMax); err != nil {
		return err
	}
	stream, err := rig.subscribe(ctx, consumer, types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		return err
	}
	records, err := take(stream, recordsMax)
	if err != nil {
		return err
	}
	if err := same("subscribed records", numbered(0, recordsMax), texts(records)); err != nil {
		return err
	}
	heartbeat, err := next(stream)
	if err != nil {
		return err
	}
	if len(heartbeat.Records) != 0 || heartbeat.ContinuationSequenceNumber == nil {
		return fmt.Errorf("expected a heartbeat, found %v", heartbeat)
	}
	stream.Close()
	resumed, err := rig.subscribe(ctx, consumer, types.StartingPosition{
		Type:           types.ShardIteratorTypeAfterSequenceNumber,
		SequenceNumber: records[recordsMax/2].SequenceNumber,
	})
	if err != nil {
		return err
	}
	rest, err := take(resumed, recordsMax/2-1)
	if err != nil {
		return err
	}
	if err := same("resumed records", numbered(recordsMax/2+1, recordsMax), texts(rest)); err != nil {
		return err
	}
	return rig.endOfShard(ctx, name, resumed)
}

// endOfShard splits the shard; the last event has children and nothing to continue from.
func (rig *rig) endOfShard(ctx context.Context, name string, stream *kinesis.SubscribeToShardEventStream) error {
	_, err := rig.SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName: &name, ShardToSplit: aws.String(shardZero), NewStartingHashKey: aws.String("1000"),
	})
	if err != nil {
		return err
	}
	for {
		event, err := next(stream)
		if err != nil {
			return err
		}
		if event.ContinuationSequenceNumber != nil {
			continue
		}
		if err := same("children", 2, len(event.ChildShards)); err != nil {
			return err
		}
		if _, more := <-stream.Events(); more {
			return errors.New("events after the end of the shard")
		}
		return stream.Err()
	}
}

// register returns the ARN of a consumer that is ACTIVE.
func (rig *rig) register(ctx context.Context, name string) (*string, error) {
	stream, err := rig.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
	if err != nil {
		return nil, err
	}
	made, err := rig.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{
		StreamARN: stream.StreamDescriptionSummary.StreamARN, ConsumerName: aws.String("go"),
	})
	if err != nil {
		return nil, err
	}
	for {
		arn := made.Consumer.ConsumerARN
		answer, err := rig.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: arn})
		if err != nil {
			return nil, err
		}
		if answer.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive {
			return arn, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// subscribe tries again while an earlier subscription is in the way.
func (rig *rig) subscribe(
	ctx context.Context, consumer *string, from types.StartingPosition,
) (*kinesis.SubscribeToShardEventStream, error) {
	for {
		answer, err := rig.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{
			ConsumerARN: consumer, ShardId: aws.String(shardZero), StartingPosition: &from,
		})
		var busy *types.ResourceInUseException
		if errors.As(err, &busy) {
			time.Sleep(200 * time.Millisecond)
			continue
		}
		if err != nil {
			return nil, err
		}
		return answer.GetStream(), nil
	}
}

func next(stream *kinesis.SubscribeToShardEventStream) (types.SubscribeToShardEvent, error) {
	select {
	case event, more := <-stream.Events():
		if !more {
			return types.SubscribeToShardEvent{}, fmt.Errorf("the subscription ended: %w", stream.Err())
		}
		return event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value, nil
	case <-time.After(15 * time.Second):
		return types.SubscribeToShardEvent{}, errors.New("no event within 15 s")
	}
}

func take(stream *kinesis.SubscribeToShardEventStream, count int) ([]types.Record, error) {
	var records []types.Record
	for len(records) < count {
		event, err := next(stream)
		if err != nil {
			return nil, err
		}
		records = append(records, event.Records...)
	}
	return records, nil
}
