import { readFile } from "node:fs/promises";
import { text as readText } from "node:stream/consumers";
import { type DocumentId, isSha256Id, parseDocumentId, sha256IdOf } from "../documents/document-id.js";
import { type ManifestEntry, readManifest } from "../documents/manifest.js";
import {
  listDocuments,
  registerDocuments,
  removeDocuments,
  type TrustedDocument,
} from "../documents/trusted-documents.js";
import { messageOf, PublicError } from "../errors.js";
import { documentLimitsOf, faultsOfDocument, namesOfOperations } from "../graphql/document-faults.js";
import { buildPublicSchema } from "../graphql/schema.js";
import { systemClock } from "../runtime.js";
import { formatInstant } from "../time/instant.js";
import { configOfProcess, withInstallation } from "./open-command.js";
import { lineOf, textTable } from "./text-table.js";

const FAULTS_OF_EACH = 3;

/** Prints how many documents are new. Throws BAD_INPUT that names each bad one by its id: then nothing is registered. */
export async function registerManifest(file: string): Promise<void> {
  const entries = readManifest(await contentOf(file));
  const documents = checked(entries);
  await withInstallation(async (_installation, { metrics }) => {
    const added = await registerDocuments(metrics, documents, systemClock());
    const different = new Set(documents.map(({ document }) => document)).size;
    process.stdout.write(`${added.length} registered, ${different - added.length} known already\n`);
  });
}

async function contentOf(file: string): Promise<string> {
  if (file === "-") return readText(process.stdin);
  return readFile(file, "utf8").catch((cause: unknown) => {
    throw new PublicError("BAD_INPUT", `The manifest cannot be read: ${messageOf(cause)}`, { cause });
  });
}

/** Against the limits that the servers have, so this wants their environment. */
function checked(entries: readonly ManifestEntry[]): readonly TrustedDocument[] {
  const { http } = configOfProcess();
  const schema = buildPublicSchema();
  const limits = documentLimitsOf(http);
  const good: TrustedDocument[] = [];
  const lines: string[] = [];
  for (const { id: given, document } of entries) {
    const id = parseDocumentId(given);
    const faults = [...faultsOfId(id, document), ...faultsOfText(document)];
    if (id !== null && faults.length === 0) good.push({ id, document });
    for (const fault of faults.slice(0, FAULTS_OF_EACH)) lines.push(lineOf(`${given}: ${fault}`));
    if (faults.length > FAULTS_OF_EACH) lines.push(lineOf(`${given}: and ${faults.length - FAULTS_OF_EACH} more`));
  }
  if (lines.length === 0) return good;
  const bad = entries.length - good.length;
  throw new PublicError(
    "BAD_INPUT",
    `Nothing was registered: ${bad} of ${entries.length} are bad.\n${lines.join("\n")}`,
  );

  function faultsOfText(document: string): string[] {
    const bytes = Buffer.byteLength(document);
    if (bytes > http.maxCallBytes) return [`It has ${bytes} bytes; a call has at most ${http.maxCallBytes}.`];
    return faultsOfDocument(schema, document, limits);
  }
}

function faultsOfId(id: DocumentId | null, document: string): string[] {
  if (id === null)
    return ["It is no id of a document: letters, digits and -._~/, after `sha256:` or `x-…:` or neither."];
  return isSha256Id(id) && id !== sha256IdOf(document) ? ["It is not the SHA-256 of its document."] : [];
}

export async function listRegistered(options: { readonly json?: true }): Promise<void> {
  const documents = await withInstallation((_installation, { metrics }) => listDocuments(metrics));
  if (options.json === true) {
    const all = documents.map(({ registeredAt, ...rest }) => ({ ...rest, registeredAt: formatInstant(registeredAt) }));
    process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
    return;
  }
  if (documents.length === 0) return void process.stderr.write("There are no registered documents.\n");
  const rows = documents.map(({ id, document, registeredAt }) => [
    formatInstant(registeredAt),
    id,
    namesOfOperations(document).join(", "),
  ]);
  process.stdout.write(textTable(["Registered", "Id", "Operations"], rows));
}

export async function removeRegistered(ids: readonly string[]): Promise<void> {
  const known = ids.map((text) => {
    const id = parseDocumentId(text);
    if (id === null) throw new PublicError("BAD_INPUT", `${JSON.stringify(text)} is no id of a document.`);
    return id;
  });
  const removed = await withInstallation((_installation, { metrics }) => removeDocuments(metrics, known));
  for (const id of removed) process.stdout.write(`${id}\n`);
}
