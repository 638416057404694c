// Owns: the way of a client to the node in its own process: the same routes and checks, without a socket.

import type { Transport, TransportRequest, TransportResponse } from "../client/index.ts";
import { TransportError } from "../client/index.ts";
import { messageOf } from "../base/errors.ts";
import type { Api } from "./server.ts";

/** For `createClient({ transport, server: "http://embedded", token })`. Closing it closes nothing: the node is its owner's. */
export function embeddedTransport(api: Api): Transport {
  return { send: (request) => send(api, request), close: async () => {} };
}

async function send(api: Api, { method, path, headers, body, signal }: TransportRequest): Promise<TransportResponse> {
  try {
    const request = { method, url: path, headers: { ...headers }, payloadAsStream: true };
    const response = await api.inject({
      ...request,
      ...(body === undefined ? {} : { payload: typeof body === "string" ? body : Buffer.from(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    const stream = response.stream();
    // Without a socket nobody else tells the server that the reader has left.
    stream.once("close", () => response.raw.res.destroy());
    return {
      status: response.statusCode,
      header: (name) => {
        const value = response.headers[name];
        return value === undefined ? undefined : String(value);
      },
      body: stream,
    };
  } catch (error) {
    throw new TransportError(messageOf(error), true, error);
  }
}
