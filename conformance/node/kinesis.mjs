// A client of the server under test that remembers which operations it called.

import assert from "node:assert/strict";
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordCommand,
  PutRecordsCommand,
} from "@aws-sdk/client-kinesis";

export function connect(options = {}) {
  const client = new KinesisClient({
    endpoint: process.env.LEVADA_ENDPOINT,
    maxAttempts: 1,
    ...options,
  });
  const operations = new Set();
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      operations.add(context.commandName.replace(/Command$/, ""));
      return result;
    },
    { step: "initialize" },
  );
  return { client, operations };
}

export async function createStream(client, name, shards) {
  await client.send(new CreateStreamCommand({ StreamName: name, ShardCount: shards }));
  const deadline = Date.now() + 20_000;
  for (;;) {
    const { StreamDescriptionSummary: summary } = await client.send(
      new DescribeStreamSummaryCommand({ StreamName: name }),
    );
    if (summary.StreamStatus === "ACTIVE") return summary;
    assert(Date.now() < deadline, `${name} is ${summary.StreamStatus}`);
  }
}

// Puts records, reads them back, and compares.
export async function putAndGet(client, name) {
  await createStream(client, name, 2);
  const texts = Array.from({ length: 100 }, (_, n) => `record-${n}`);
  const put = await client.send(
    new PutRecordsCommand({
      StreamName: name,
      Records: texts.map((text) => ({ Data: Buffer.from(text), PartitionKey: text })),
    }),
  );
  assert.equal(put.FailedRecordCount, 0);
  await client.send(
    new PutRecordCommand({ StreamName: name, Data: Buffer.from("last"), PartitionKey: "k" }),
  );
  const { Shards: shards } = await client.send(new ListShardsCommand({ StreamName: name }));
  assert.equal(shards.length, 2);
  const found = (await Promise.all(shards.map((shard) => readShard(client, name, shard)))).flat();
  assert.deepEqual(found.sort(), [...texts, "last"].sort());
}

async function readShard(client, name, shard) {
  const { ShardIterator: first } = await client.send(
    new GetShardIteratorCommand({
      StreamName: name,
      ShardId: shard.ShardId,
      ShardIteratorType: "TRIM_HORIZON",
    }),
  );
  const texts = [];
  for (let iterator = first; ; ) {
    const page = await client.send(new GetRecordsCommand({ ShardIterator: iterator }));
    texts.push(...page.Records.map((record) => Buffer.from(record.Data).toString()));
    if (page.Records.length === 0 && page.MillisBehindLatest === 0) return texts;
    iterator = page.NextShardIterator;
  }
}

export function tell(operations, more) {
  console.log(JSON.stringify({ operations: [...operations].sort(), ...more }));
}
