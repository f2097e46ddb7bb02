import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
  type ValidationRule,
} from "graphql";
import type { HttpConfig } from "../config.js";
import { messageOf } from "../errors.js";
import { faultOfText } from "../text-faults.js";
import { type DepthLimits, depthLimit } from "./depth-limit.js";
import { type RepetitionLimits, repetitionLimit } from "./repetition-limit.js";

/** What a document may hold at most. */
export interface DocumentLimits {
  /**
   * Longer ones are refused before they are parsed to the end: 20,000 aliases would hold the process for a second. So are those of more
   * lines: a hundred errors behind half a million of them, each looking for its line, would hold it for 14 s.
   */
  readonly maxTokens: number;
  readonly depths: DepthLimits;
  readonly repetitions: RepetitionLimits;
}

export function documentLimitsOf(http: HttpConfig): DocumentLimits {
  return {
    maxTokens: http.maxQueryTokens,
    depths: { maxDepth: http.maxQueryDepth, maxNestedPages: http.maxQueryNestedPages },
    repetitions: { maxAliases: http.maxQueryAliases, maxDirectives: http.maxQueryDirectives },
  };
}

/** The rules beside those of GraphQL itself. */
export function rulesOf({ depths, repetitions }: DocumentLimits): ValidationRule[] {
  return [depthLimit(depths), repetitionLimit(repetitions)];
}

/** All that a server would refuse a document for, whatever its variables, each as a line; none where it is good. */
export function faultsOfDocument(schema: GraphQLSchema, text: string, limits: DocumentLimits): string[] {
  const unstorable = faultOfText(text);
  if (unstorable !== null) return [`It holds ${unstorable}.`];
  if (hasMoreLines(text, limits.maxTokens)) return [`It has more than ${limits.maxTokens} lines.`];
  let document: DocumentNode;
  try {
    document = parse(text, { maxTokens: limits.maxTokens });
  } catch (error) {
    return [lineOf(error)];
  }
  const operations = operationsOf(document);
  if (operations.length === 0) return ["It holds no operation."];
  const kinds = new Set(operations.map(({ operation }) => operation));
  const absent = [...kinds].filter((kind) => schema.getRootType(kind) === undefined);
  if (absent.length > 0) return [`The schema has no ${absent.join(" and no ")}.`];
  return validate(schema, document, [...specifiedRules, ...rulesOf(limits)]).map(lineOf);
}

/** Lines as graphql-js counts them. */
export function hasMoreLines(text: string, max: number): boolean {
  if (text.length < max) return false;
  const ends = text.matchAll(/\r\n|[\n\r]/g);
  let lines = 1;
  while (lines <= max && ends.next().done !== true) lines++;
  return lines > max;
}

function operationsOf(document: DocumentNode): OperationDefinitionNode[] {
  return document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
}

function lineOf(error: unknown): string {
  const [place] = error instanceof GraphQLError ? (error.locations ?? []) : [];
  return place === undefined ? messageOf(error) : `${place.line}:${place.column} ${messageOf(error)}`;
}

/** The operations of a document that parses, such as `query Dashboard`. */
export function namesOfOperations(text: string): string[] {
  return operationsOf(parse(text)).map(({ operation, name }) => `${operation} ${name?.value ?? "(anonymous)"}`);
}
