// Owns: the reading of server-sent events (WHATWG HTML, "Server-sent events"), as far as Pawl sends them: id, event, data, comments.

import { PawlError, messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { TransportError } from "./transport.ts";
import type { TransportResponse } from "./transport.ts";

export type SentEvent = { readonly id: string; readonly event: string; readonly data: string };

/**
 * Yields each block as it arrives, also those without data: an id to resume after, or a comment as a sign of life.
 * Throws a TransportError when the stream breaks.
 */
export async function* sentEvents({ body }: TransportResponse): AsyncGenerator<SentEvent, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of body) {
      rest += decoder.decode(chunk, { stream: true });
      const blocks = rest.split("\n\n");
      rest = blocks.pop() ?? "";
      if (rest.length > limits.eventTextMaxChars) throw new PawlError("too_large", "an event without end");
      for (const block of blocks) yield parseBlock(block);
    }
  } catch (error) {
    throw new TransportError(`the stream broke off: ${messageOf(error)}`, true, error);
  }
}

function parseBlock(block: string): SentEvent {
  const fields = { id: "", event: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(id|event|data): ?(.*)$/.exec(line) ?? [];
    if (name === "data") fields.data += fields.data === "" ? value : `\n${value}`;
    else if (name === "id" || name === "event") fields[name] = value ?? "";
  }
  return fields;
}
