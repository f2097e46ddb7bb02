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
import type { EpochMicros } from "../time/instant.js";
import { JsonText } from "./json-text.js";
import { DateTimeScalar } from "./scalars.js";
import { TextBuffer, TextPiece } from "./text-buffer.js";

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
  code.write(type, "tree", nodes, field, { countsRows: true });
  // oxlint-disable-next-line no-new-func -- Nothing of it is a client's: their names are among the parts.
  const make = new Function(
    "out",
    "printers",
    "parts",
    "missing",
    `return (tree) => { let rows = null; ${code.end()} return rows; };`,
  );
  const print = make(out, code.printers, code.parts, missing) as (tree: unknown) => number | null;
  return (tree) => {
    // The one before may have failed on its way.
    out.clear();
    const rows = print(tree);
    return tree === null || tree === undefined ? null : new JsonText(out.read(), rows);
  };
}

function missing(field: string): never {
  throw new Error(`Cannot return null for non-nullable field ${field}.`);
}

/** Writes a value of a leaf as JSON. */
type LeafPrinter = (value: unknown) => void;

function leafPrinter(type: GraphQLLeafType): LeafPrinter {
  // Of names alone: nothing in it has to be escaped.
  if (isEnumType(type)) return (value) => out.text(`"${String(type.serialize(value))}"`);
  if (type === DateTimeScalar) return (value) => out.piece(quotedInstant(value as EpochMicros));
  return (value) => {
    const serialized = type.serialize(value);
    if (typeof serialized === "number" && Number.isFinite(serialized)) out.number(serialized);
    else out.text(JSON.stringify(serialized));
  };
}

/** Where a series' buckets begin is said once for each campaign of a page: made once, it is found again. */
const quotedInstants = new Map<EpochMicros, TextPiece>();
const MAX_QUOTED = 5_000;

function quotedInstant(instant: EpochMicros): TextPiece {
  let quoted = quotedInstants.get(instant);
  if (quoted === undefined) {
    quoted = new TextPiece(`"${String(DateTimeScalar.serialize(instant))}"`);
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
  readonly parts: TextPiece[] = [];
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

  /** Adds what appends `value` to the text. `field`: as an error names it. `countsRows`: of a list, or the lists right below (JsonText.rows). */
  write(
    type: GraphQLOutputType,
    value: string,
    nodes: readonly FieldNode[],
    field: string,
    { countsRows }: { readonly countsRows: boolean },
  ): void {
    if (countsRows && isListType(getNullableType(type))) this.#statements.push("rows ??= 0;");
    if (isNonNullType(type)) {
      this.#statements.push(`if (${value} == null) missing(${JSON.stringify(field)});`);
      this.#writeThere(type.ofType, value, nodes, field, countsRows);
      return;
    }
    this.#append(`if (${value} == null) out.text("null"); else {`);
    this.#writeThere(type, value, nodes, field, countsRows);
    this.#append("}");
  }

  #writeThere(
    type: GraphQLOutputType,
    value: string,
    nodes: readonly FieldNode[],
    field: string,
    countsRows: boolean,
  ): void {
    if (isLeafType(type)) this.#leaf(type, value);
    else if (isListType(type)) this.#list(type.ofType, value, nodes, field, countsRows);
    else if (isObjectType(type)) this.#object(type, value, nodes, countsRows);
    else throw new TypeError(`${String(type)} is not part of a plain tree`);
  }

  #leaf(type: GraphQLLeafType, value: string): void {
    const known = this.#leaves.indexOf(type);
    this.#append(`printers[${known === -1 ? this.#leaves.push(type) - 1 : known}](${value});`);
  }

  #list(
    type: GraphQLOutputType,
    values: string,
    nodes: readonly FieldNode[],
    field: string,
    countsRows: boolean,
  ): void {
    const [count, item] = [this.#variable(), this.#variable()];
    this.#fixed += "[";
    this.#append(`let ${count} = 0; for (const ${item} of ${values}) { if (${count}++ > 0) ${this.#piece(",")}`);
    this.write(type, item, nodes, field, { countsRows: false });
    this.#append("}");
    if (countsRows) this.#statements.push(`if (${count} > rows) rows = ${count};`);
    this.#fixed += "]";
  }

  #object(type: GraphQLObjectType, value: string, nodes: readonly FieldNode[], countsRows: boolean): void {
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
      const isRows = countsRows && isListType(getNullableType(field.type));
      this.write(field.type, member, selected, `${type.name}.${fieldName}`, { countsRows: isRows });
    }
    this.#fixed += "}";
  }

  /** Code that appends to the text, or decides about what does. */
  #append(code: string): void {
    this.#flush();
    this.#statements.push(code);
  }

  #flush(): void {
    if (this.#fixed !== "") this.#statements.push(this.#piece(this.#fixed));
    this.#fixed = "";
  }

  /** Code that writes it. */
  #piece(text: string): string {
    return `out.piece(parts[${this.parts.push(new TextPiece(text)) - 1}]);`;
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
