// Owns: what the package offers to programs: a node inside a process, the client, plugins. Names only.

export { createNode } from "./embed.ts";
export type { EmbeddedNode, EmbedOptions } from "./embed.ts";
export { createClient, PawlError } from "./client/index.ts";
export type { Client, ClientOptions, ErrorCode, Outcome } from "./client/index.ts";
export { definePlugin } from "./worker/plugin.ts";
export type { Handler, HandlerContext, Plugin } from "./worker/plugin.ts";
