// The SDK as it comes: on a plain port it speaks HTTP/2 with prior knowledge.

import { connect, putAndGet, tell } from "./kinesis.mjs";

const { client, operations } = connect();
await putAndGet(client, "node-http2");
const protocol = client.config.requestHandler.metadata.handlerProtocol;
client.destroy();
tell(operations, { protocol });
