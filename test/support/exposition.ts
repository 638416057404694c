// Reads Prometheus' text format as strictly as its description says, so that what cannot be read is found before Prometheus finds it.

import assert from "node:assert/strict";

export type Family = { readonly type: string; readonly help: string; readonly samples: ReadonlyMap<string, number> };

/** Families by name; samples by name and labels as written. */
export function families(text: string): Map<string, Family> {
  assert.ok(text.endsWith("\n"), "the last line is ended");
  const found = new Map<string, Family & { samples: Map<string, number> }>();
  let help: readonly [string, string] | undefined;
  let name = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const said = /^# (HELP|TYPE) ([a-z][a-z0-9_]*) (.+)$/.exec(line);
    if (said?.[1] === "HELP") {
      help = [said[2] as string, said[3] as string];
    } else if (said) {
      name = said[2] as string;
      assert.ok(help !== undefined && help[0] === name && !found.has(name), `one HELP and one TYPE for ${name}`);
      assert.match(said[3] as string, /^(gauge|counter|histogram)$/);
      found.set(name, { type: said[3] as string, help: help[1], samples: new Map() });
    } else {
      const [, sample, value] = /^([a-z][a-z0-9_]*(?:\{[a-z_]+="[^"\\\n]*"\})?) (-?[0-9.e+-]+|\+Inf|NaN)$/.exec(line) ?? [];
      assert.ok(sample !== undefined && value !== undefined, `no sample: ${line}`);
      const { type, samples } = found.get(name) as { type: string; samples: Map<string, number> };
      const own = type === "histogram" ? `${name}(_bucket\\{le="[^"]+"\\}|_sum|_count)` : `${name}(\\{.*\\})?`;
      assert.match(sample, new RegExp(`^${own}$`), `${sample} is of ${name}`);
      assert.ok(!samples.has(sample), `${sample} twice`);
      samples.set(sample, value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value));
    }
  }
  for (const [family, each] of found) checkFamily(family, each);
  return found;
}

function checkFamily(name: string, { type, samples }: Family): void {
  assert.ok(samples.size > 0, `${name} has a sample`);
  assert.equal(name.endsWith("_total"), type === "counter", `${name} is a ${type}`);
  if (type !== "histogram") return;
  assert.ok(name.endsWith("_seconds") && samples.size <= 110, `${name}: ${samples.size} lines`);
  const buckets = [...samples].filter(([key]) => key.includes("{"));
  const bounds = buckets.map(([key]) => Number(/le="(.+)"/.exec(key)?.[1]?.replace("+Inf", "Infinity")));
  assert.deepEqual(bounds, bounds.toSorted((a, b) => a - b));
  const counts = buckets.map(([, count]) => count);
  assert.deepEqual(counts, counts.toSorted((a, b) => a - b), `${name} is cumulative`);
  assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY);
  assert.equal(counts.at(-1), samples.get(`${name}_count`));
  assert.ok((samples.get(`${name}_sum`) as number) >= 0);
}
