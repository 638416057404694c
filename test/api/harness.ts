// What the tests of the face share: a server over the fake backend, a clock that only the test moves, and short ways to ask.

import type { InjectOptions, LightMyRequestResponse } from "fastify";
import { createApi } from "../../src/api/server.ts";
import type { Api } from "../../src/api/server.ts";
import type { System, Timer } from "../../src/system.ts";
import { FakeBackend } from "./fakebackend.ts";

export const TOKEN = "token-of-the-tests-0123456789";
export const NOW_MS = Date.UTC(2026, 10, 21, 9, 0, 0);

/** Time stands still; timers fire when the test moves it. `soon` is a turn of the real loop, which takes no time. */
export class TestSystem implements System {
  private nowMs = NOW_MS;
  private draws = 0;
  private timers: { dueMs: number; run: () => void }[] = [];

  wallMs(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs - NOW_MS;
  }

  random(): number {
    this.draws += 1;
    return (this.draws * 0.618_033_988_749) % 1;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { dueMs: this.nowMs + delayMs, run };
    this.timers.push(timer);
    return { cancel: () => void (this.timers = this.timers.filter((each) => each !== timer)) };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  get timersLeft(): number {
    return this.timers.length;
  }

  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.timers.filter(({ dueMs }) => dueMs <= this.nowMs);
    this.timers = this.timers.filter((timer) => !due.includes(timer));
    for (const { run } of due) run();
  }
}

export type Face = { readonly api: Api; readonly backend: FakeBackend; readonly system: TestSystem };

export async function face(): Promise<Face> {
  const backend = new FakeBackend();
  const system = new TestSystem();
  const listen = { host: "127.0.0.1", port: 0 };
  return { api: await createApi({ backend, token: TOKEN, listen, system, logger: false }), backend, system };
}

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** Sends a request with the token; `body` as JSON unless it is text already. */
export function ask(
  api: Api, method: Method, url: string, body?: unknown, headers: Record<string, string> = {},
): Promise<LightMyRequestResponse> {
  const request: InjectOptions = { method, url, headers: { authorization: `Bearer ${TOKEN}`, ...headers } };
  if (body === undefined) return api.inject(request);
  const payload = typeof body === "string" ? body : JSON.stringify(body);
  return api.inject({ ...request, headers: { "content-type": "application/json", ...request.headers }, payload });
}
