// An outside target for http jobs: it keeps what it was asked and keeps the rule of fencing tokens, as a target that guards its data
// would: nothing below the highest token that it accepted for an execution is accepted.

import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

export type Asked = {
  readonly executionId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly token: bigint;
  readonly scheduledAtMs: number;
  readonly atMs: number;
  readonly accepted: boolean;
};

export class Ledger {
  readonly asked: Asked[] = [];
  private readonly highest = new Map<string, bigint>();
  private readonly host: string;
  private readonly record: (asked: Asked) => void;
  private readonly server: Server;

  private constructor(host: string, record: (asked: Asked) => void) {
    this.host = host;
    this.record = record;
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  static async open(t: TestContext): Promise<Ledger> {
    const ledger = await Ledger.listen("127.0.0.1");
    t.after(() => ledger.close());
    return ledger;
  }

  /** `record` is told of each request before it is answered. */
  static async listen(host: string, record: (asked: Asked) => void = () => undefined): Promise<Ledger> {
    const ledger = new Ledger(host, record);
    await new Promise<void>((resolve, reject) => ledger.server.once("error", reject).listen(0, host, resolve));
    return ledger;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** Where to send to; the answer takes `delayMs`, the effect is at once. */
  url(delayMs = 0): string {
    const address = this.server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return `http://${this.host}:${port}/after/${delayMs}`;
  }

  get accepted(): Asked[] {
    return this.asked.filter((each) => each.accepted);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const header = (name: string): string => String(request.headers[name]);
    const executionId = header("idempotency-key");
    const token = BigInt(header("pawl-fencing-token"));
    const accepted = token >= (this.highest.get(executionId) ?? 0n);
    if (accepted) this.highest.set(executionId, token);
    const asked = {
      executionId, token, accepted, jobId: header("pawl-job-id"), attempt: Number(header("pawl-attempt")),
      scheduledAtMs: Date.parse(header("pawl-scheduled-at")), atMs: Date.now(),
    };
    this.asked.push(asked);
    this.record(asked);
    await pause(Number(request.url?.split("/").at(-1)));
    response.writeHead(accepted ? 200 : 409).end();
  }
}
