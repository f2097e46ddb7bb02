/**
 * `ingest`: what it takes to record events, up to the answer and up to the rollups (docs: bench/README.md).
 */
import type { Benchmark } from "./benchmark.js";
import { measureAccepting } from "./ingest/accepting.js";
import { measureWholePath } from "./ingest/whole-path.js";

export const ingest: Benchmark = {
  name: "ingest",
  about: "recordEvents until the answer and until the rollups, against a bare route and bare inserts",
  async run(scene) {
    return [...(await measureAccepting(scene)), ...(await measureWholePath(scene))];
  },
};
