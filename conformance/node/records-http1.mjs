// The same over HTTP/1.1.

import { NodeHttpHandler } from "@smithy/node-http-handler";
import { connect, putAndGet, tell } from "./kinesis.mjs";

const { client, operations } = connect({ requestHandler: new NodeHttpHandler() });
await putAndGet(client, "node-http1");
const protocol = client.config.requestHandler.metadata.handlerProtocol;
client.destroy();
tell(operations, { protocol });
