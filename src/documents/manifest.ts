/**
 * The files in which tools leave what they have extracted from a front end:
 *
 * - Apollo's generate-persisted-query-manifest: `{ format, version: 1, operations: [{ id, name, type, body }] }`;
 * - relay-compiler (`persistConfig.file`) and graphql-codegen's client preset (`persistedDocuments`): `{ [id]: document }`.
 */
import { z } from "zod";
import { PublicError } from "../errors.js";

/** As the tool wrote it: neither is known to be good. */
export interface ManifestEntry {
  readonly id: string;
  readonly document: string;
}

const APOLLO_FORMAT = "apollo-persisted-query-manifest";

const apolloManifest = z.object({
  format: z.literal(APOLLO_FORMAT),
  version: z.literal(1),
  operations: z.array(z.object({ id: z.string(), body: z.string() })),
});

const documentsById = z.record(z.string(), z.string());

/** Throws BAD_INPUT for what is none, or is empty. */
export function readManifest(text: string): readonly ManifestEntry[] {
  const entries = entriesOf(parseJson(text));
  if (entries.length === 0) throw new PublicError("BAD_INPUT", "The manifest holds no documents.");
  return entries;
}

function parseJson(text: string): unknown {
  try {
    // Some tools on Windows begin with a byte order mark.
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw new PublicError("BAD_INPUT", "The manifest is not JSON.", { cause });
  }
}

function entriesOf(manifest: unknown): readonly ManifestEntry[] {
  const apollo = apolloManifest.safeParse(manifest);
  if (apollo.success) return apollo.data.operations.map(({ id, body }) => ({ id, document: body }));
  const byId = documentsById.safeParse(manifest);
  if (byId.success) return Object.entries(byId.data).map(([id, document]) => ({ id, document }));
  const message =
    `The manifest is neither Apollo's ("format": "${APOLLO_FORMAT}", "version": 1) ` +
    "nor an object of documents by their ids, as relay-compiler and graphql-codegen write it.";
  throw new PublicError("BAD_INPUT", message);
}
