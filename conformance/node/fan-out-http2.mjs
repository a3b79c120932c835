// A subscription over HTTP/2, while records are put on the same connection.

import assert from "node:assert/strict";
import {
  DescribeStreamConsumerCommand,
  PutRecordCommand,
  RegisterStreamConsumerCommand,
  SubscribeToShardCommand,
} from "@aws-sdk/client-kinesis";
import { connect, createStream, tell } from "./kinesis.mjs";

const { client, operations } = connect();
const { StreamARN } = await createStream(client, "node-fan-out", 1);
const { Consumer } = await client.send(
  new RegisterStreamConsumerCommand({ StreamARN, ConsumerName: "node" }),
);
await consumerIsActive(Consumer.ConsumerARN);
const { EventStream } = await client.send(
  new SubscribeToShardCommand({
    ConsumerARN: Consumer.ConsumerARN,
    ShardId: "shardId-000000000000",
    StartingPosition: { Type: "LATEST" },
  }),
);
const [received] = await Promise.all([receive(EventStream, 20), put(20)]);
client.destroy();
tell(operations, { received });
process.exit(0); // The subscription would go on for five minutes.

async function consumerIsActive(ConsumerARN) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const { ConsumerDescription } = await client.send(
      new DescribeStreamConsumerCommand({ ConsumerARN }),
    );
    if (ConsumerDescription.ConsumerStatus === "ACTIVE") return;
    assert(Date.now() < deadline, "the consumer is not ACTIVE");
  }
}

async function put(count) {
  for (let n = 0; n < count; n += 1) {
    await client.send(
      new PutRecordCommand({ StreamARN, Data: Buffer.from(`record-${n}`), PartitionKey: "k" }),
    );
  }
}

async function receive(events, count) {
  const texts = [];
  for await (const { SubscribeToShardEvent: event } of events) {
    texts.push(...event.Records.map((record) => Buffer.from(record.Data).toString()));
    if (texts.length >= count) return texts;
  }
  throw new Error(`the subscription ended after ${texts.length} records`);
}
