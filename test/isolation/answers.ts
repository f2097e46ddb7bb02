/** What is compared of answers, and what is found in them. */
import { getNamedType, type GraphQLSchema, isObjectType } from "graphql";
import type { Kind } from "./schema-walk.js";

type Json = unknown;

/** An answer as it came, without its request id. */
export interface Told {
  readonly status: number;
  readonly body: Json;
}

/** What tells the moment of asking. */
const MOMENTS: ReadonlySet<string> = new Set([
  "requestId",
  "cacheAgeSeconds",
  "rolledUpThrough",
  "pendingEvents",
  "lastUsedAt",
  // Of extensions.cost: an answer that is given again costs less, and what is left changes with each.
  "actual",
  "available",
]);

/** The name of a field, without the type that a fragment put before it. */
function nameOf(key: string): string {
  return key.slice(key.lastIndexOf("_") + 1);
}

/** All that does not depend on the moment, as a text. */
export function comparable(told: Told): string {
  return JSON.stringify(told, (key, value: Json) => (MOMENTS.has(nameOf(key)) ? "now" : value));
}

/** Nulls, lists and codes of errors alone: for what has new ids and times each time. */
export function shapeOf({ status, body }: Told): string {
  return JSON.stringify({ status, body }, (key, value: Json) => {
    if (value === null || typeof value === "object" || key === "code" || key === "status") return value;
    return typeof value;
  });
}

/** Every text and number of an answer with the field that it stands in. */
function* leavesOf(value: Json, key = ""): Generator<readonly [field: string, leaf: Json]> {
  if (Array.isArray(value)) for (const item of value) yield* leavesOf(item, key);
  else if (typeof value === "object" && value !== null) {
    for (const [name, member] of Object.entries(value)) yield* leavesOf(member, name);
  } else yield [nameOf(key), value];
}

/** Texts of a tenant, by what they can be presented as and then by the field that showed them. */
export class Harvest {
  readonly #byKind: Record<Kind, Map<string, Set<string>>> = {
    ID: new Map(),
    String: new Map(),
    JSONObject: new Map(),
  };
  readonly #kinds = new Map<string, Kind>();
  /** All of them. */
  readonly texts = new Set<string>();

  constructor(schema: GraphQLSchema) {
    for (const type of Object.values(schema.getTypeMap())) {
      if (!isObjectType(type) || type.name.startsWith("__")) continue;
      for (const [name, field] of Object.entries(type.getFields())) {
        const { name: kind } = getNamedType(field.type);
        if (kind === "ID" || kind === "String" || kind === "JSONObject") this.#kinds.set(name, kind);
      }
    }
  }

  take(body: Json): void {
    for (const [field, leaf] of leavesOf(body)) if (typeof leaf === "string") this.#put(field, leaf);
    this.#takeObjects(body, "");
  }

  /** Texts that no answer shows. */
  add(field: string, texts: readonly string[]): void {
    for (const text of texts) this.#put(field, text, "String");
  }

  #put(field: string, text: string, kind = this.#kinds.get(field)): void {
    if (text.length > 3) this.texts.add(text);
    if (kind === undefined) return;
    const held = this.#byKind[kind].get(field) ?? new Set();
    this.#byKind[kind].set(field, held.add(text));
  }

  #takeObjects(value: Json, key: string): void {
    if (typeof value !== "object" || value === null) return;
    if (!Array.isArray(value) && this.#kinds.get(nameOf(key)) === "JSONObject") {
      this.#put(nameOf(key), JSON.stringify(value));
      return;
    }
    for (const [name, member] of Object.entries(value)) this.#takeObjects(member, Array.isArray(value) ? key : name);
  }

  /** To be presented: of each field some, those with the marker first; of cursors and ids more. */
  presentable(kind: Kind, marker: string, ofEach: number): string[] {
    return [...this.#byKind[kind]].flatMap(([field, texts]) => {
      const sorted = [...texts].toSorted((one, other) => Number(other.includes(marker)) - Number(one.includes(marker)));
      return sorted.slice(0, field === "cursor" || field === "id" ? ofEach * 10 : ofEach);
    });
  }
}

/** What stands in an answer and is the other tenant's alone: never an answer's to give, unless it was handed in. */
export function leaksIn(
  body: Json,
  theirs: { readonly marker: string; readonly texts: ReadonlySet<string> },
  given: string,
): string[] {
  const leaks: string[] = [];
  for (const [field, leaf] of leavesOf(body)) {
    if (typeof leaf === "string" && theirs.texts.has(leaf) && !given.includes(leaf)) leaks.push(`${field}: ${leaf}`);
  }
  // Names of members, parts of texts.
  if (!given.includes(theirs.marker) && JSON.stringify(body).includes(theirs.marker)) leaks.push(theirs.marker);
  return leaks;
}
