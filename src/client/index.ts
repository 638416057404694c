// Owns: what the package "pawl/client" offers.

export { PawlError } from "../base/errors.ts";
export type { ErrorCode, Outcome } from "../base/errors.ts";
export { createClient } from "./client.ts";
export type { Client, ClientOptions, EventOptions } from "./client.ts";
export type { ClientCall } from "./caller.ts";
export { TransportError } from "./transport.ts";
export type { Transport, TransportRequest, TransportResponse } from "./transport.ts";
export type * from "./types.ts";
