/** Makes the function that writes out a plain tree (plain-trees.ts) as it was selected, as JSON. */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  getNullableType,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from "graphql";
import { JsonText } from "./json-text.js";
import { copyToKeep } from "../copy-to-keep.js";
import type { EpochMicros } from "../time/instant.js";
import { DateTimeScalar } from "./scalars.js";
import { TextBuffer } from "./text-buffer.js";

type Fragments = Readonly<Record<string, FragmentDefinitionNode | undefined>>;

/** From what a resolver handed over to its text in the answer. Throws where a field that must not be null is. */
export type TreeWriter = (value: unknown) => JsonText | null;

/** What all trees are written into, one after the other. */
const out = new TextBuffer();

/**
 * As code that writes the text, which takes half of what objects do that are printed afterwards.
 * The selection is valid, and nothing of it is under a condition. `field`: as an error names it.
 */
export function treeWriter(
  type: GraphQLOutputType,
  nodes: readonly FieldNode[],
  fragments: Fragments,
  field: string,
): TreeWriter {
  const code = new TreeCode(fragments);
  code.write(type, "tree", nodes, field);
  // oxlint-disable-next-line no-new-func -- Nothing of it is a client's: their names are among the parts.
  const make = new Function("out", "printers", "parts", "missing", `return (tree) => { ${code.end()} };`);
  const print = make(out, code.printers, code.parts, missing) as (tree: unknown) => void;
  const rowsOf = rowCounter(getNullableType(type), nodes, fragments);
  return (tree) => {
    // The one before may have failed on its way.
    out.clear();
    print(tree);
    return tree === null || tree === undefined ? null : new JsonText(out.read(), rowsOf(tree));
  };
}

function missing(field: string): never {
  throw new Error(`Cannot return null for non-nullable field ${field}.`);
}

/** How many rows a tree shows: JsonText.rows. */
function rowCounter(
  type: GraphQLOutputType,
  nodes: readonly FieldNode[],
  fragments: Fragments,
): (tree: object) => number | null {
  if (!isObjectType(type)) return (tree) => (Array.isArray(tree) ? tree.length : null);
  const fields = type.getFields();
  const names = Array.from(selectedOf(nodes, fragments).values(), ([node]) => node?.name.value ?? "");
  const lists = names.filter((name) => isListType(getNullableType(fields[name]?.type)));
  if (lists.length === 0) return () => null;
  return (tree) => {
    const lengths = lists.map((name) => (tree as Readonly<Record<string, readonly unknown[] | null>>)[name]?.length);
    return Math.max(...lengths.map((length) => length ?? 0));
  };
}

/** Writes a value of a leaf as JSON. */
type LeafPrinter = (value: unknown) => void;

function leafPrinter(type: GraphQLLeafType): LeafPrinter {
  // Of names alone: nothing in it has to be escaped.
  if (isEnumType(type)) return (value) => out.text(`"${String(type.serialize(value))}"`);
  if (type === DateTimeScalar) return (value) => out.bytes(quotedInstant(value as EpochMicros));
  return (value) => {
    const serialized = type.serialize(value);
    if (typeof serialized === "number" && Number.isFinite(serialized)) out.number(serialized);
    else out.text(JSON.stringify(serialized));
  };
}

/** Where a series' buckets begin is said once for each campaign of a page: made once, it is found again. */
const quotedInstants = new Map<EpochMicros, Uint8Array>();
const MAX_QUOTED = 5_000;

function quotedInstant(instant: EpochMicros): Uint8Array {
  let quoted = quotedInstants.get(instant);
  if (quoted === undefined) {
    quoted = copyToKeep(Buffer.from(`"${String(DateTimeScalar.serialize(instant))}"`));
    if (quotedInstants.size >= MAX_QUOTED) quotedInstants.clear();
    quotedInstants.set(instant, quoted);
  }
  return quoted;
}

class TreeCode {
  readonly #fragments: Fragments;
  readonly #leaves: GraphQLLeafType[] = [];
  readonly #statements: string[] = [];
  /** What comes whatever the values are. */
  readonly parts: Uint8Array[] = [];
  /** Of the next part. */
  #fixed = "";
  #variables = 0;

  constructor(fragments: Fragments) {
    this.#fragments = fragments;
  }

  get printers(): LeafPrinter[] {
    return this.#leaves.map(leafPrinter);
  }

  /** The statements. */
  end(): string {
    this.#flush();
    return this.#statements.join("\n");
  }

  /** Adds what appends `value` to the text. `field`: as an error names it. */
  write(type: GraphQLOutputType, value: string, nodes: readonly FieldNode[], field: string): void {
    if (isNonNullType(type)) {
      this.#statements.push(`if (${value} == null) missing(${JSON.stringify(field)});`);
      this.#writeThere(type.ofType, value, nodes, field);
      return;
    }
    this.#append(`if (${value} == null) out.text("null"); else {`);
    this.#writeThere(type, value, nodes, field);
    this.#append("}");
  }

  #writeThere(type: GraphQLOutputType, value: string, nodes: readonly FieldNode[], field: string): void {
    if (isLeafType(type)) this.#leaf(type, value);
    else if (isListType(type)) this.#list(type.ofType, value, nodes, field);
    else if (isObjectType(type)) this.#object(type, value, nodes);
    else throw new TypeError(`${String(type)} is not part of a plain tree`);
  }

  #leaf(type: GraphQLLeafType, value: string): void {
    const known = this.#leaves.indexOf(type);
    this.#append(`printers[${known === -1 ? this.#leaves.push(type) - 1 : known}](${value});`);
  }

  #list(type: GraphQLOutputType, values: string, nodes: readonly FieldNode[], field: string): void {
    const [isNext, item] = [this.#variable(), this.#variable()];
    this.#fixed += "[";
    this.#append(
      `let ${isNext} = false; for (const ${item} of ${values}) { if (${isNext}) out.text(","); ${isNext} = true;`,
    );
    this.write(type, item, nodes, field);
    this.#append("}");
    this.#fixed += "]";
  }

  #object(type: GraphQLObjectType, value: string, nodes: readonly FieldNode[]): void {
    let before = "{";
    for (const [name, selected] of selectedOf(nodes, this.#fragments)) {
      const fieldName = selected[0]?.name.value ?? name;
      this.#fixed += `${before}${JSON.stringify(name)}:`;
      before = ",";
      if (fieldName === "__typename") {
        this.#fixed += JSON.stringify(type.name);
        continue;
      }
      const field = type.getFields()[fieldName];
      if (field === undefined) throw new TypeError(`${type.name} has no field ${fieldName}`);
      const member = this.#variable();
      this.#statements.push(`const ${member} = ${value}.${fieldName};`);
      this.write(field.type, member, selected, `${type.name}.${fieldName}`);
    }
    this.#fixed += "}";
  }

  /** Code that appends to the text, or decides about what does. */
  #append(code: string): void {
    this.#flush();
    this.#statements.push(code);
  }

  #flush(): void {
    if (this.#fixed !== "")
      this.#statements.push(`out.bytes(parts[${this.parts.push(copyToKeep(Buffer.from(this.#fixed))) - 1}]);`);
    this.#fixed = "";
  }

  #variable(): string {
    return `v${this.#variables++}`;
  }
}

/** By the name in the answer, in its order: the selection's, fragments at their first place. */
function selectedOf(nodes: readonly FieldNode[], fragments: Fragments): Map<string, FieldNode[]> {
  const selected = new Map<string, FieldNode[]>();
  const visited = new Set<string>();
  const collect = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        const name = (selection.alias ?? selection.name).value;
        const known = selected.get(name);
        if (known === undefined) selected.set(name, [selection]);
        else known.push(selection);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) collect(selection.selectionSet);
      else {
        const fragment = fragments[selection.name.value];
        if (fragment === undefined || visited.has(selection.name.value)) continue;
        visited.add(selection.name.value);
        collect(fragment.selectionSet);
      }
    }
  };
  for (const { selectionSet } of nodes) if (selectionSet !== undefined) collect(selectionSet);
  return selected;
}
