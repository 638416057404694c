// Owns: the checks that payloads of the built-in executors share. Which fields there are is each executor's business.

import { PawlError } from "../base/errors.ts";

export function unprocessable(field: string, message: string): PawlError {
  return new PawlError("unprocessable", `${field}: ${message}`, { field });
}

/** The payload as an object with no other fields than `known`; null and absent are an empty one. */
export function payloadFields(payload: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  const fields = recordOf(payload ?? {}, "payload");
  for (const name of Object.keys(fields)) {
    if (!known.includes(name)) throw unprocessable(`payload.${name}`, `unknown field; known are ${known.join(", ")}`);
  }
  return fields;
}

export function recordOf(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unprocessable(field, "expected an object");
  return value as Readonly<Record<string, unknown>>;
}

export function textOf(value: unknown, field: string): string {
  if (typeof value !== "string") throw unprocessable(field, "expected a text");
  return value;
}
