/**
 * Executes operations: those that come again and again as functions compiled for them (graphql-jit), the others through
 * graphql-js. Both give the same answers; test/graphql/executor.test.ts holds them against each other.
 *
 * Compiling costs about a millisecond, and for a field of an interface as much for each of its types: what an analyst tries
 * once is not worth it, and a document made to grow when compiled must not be able to hold the process. So a document is
 * compiled when it comes for the third time, and never where its size as code passes a limit or it asks for the schema.
 *
 * Variables are coerced before (coerce-variables.ts), with errors that name the place that is wrong; the compiled function gets
 * them as they are, unless it would get them wrong (variable-uses.ts).
 */
import {
  BREAK,
  type DocumentNode,
  execute,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  visit,
} from "graphql";
import { type CompiledQuery, compileQuery, isCompiledQuery } from "graphql-jit";
import { LRUCache } from "lru-cache";
import { coerceVariables } from "./coerce-variables.js";
import { compiledSize } from "./compiled-size.js";
import { hasConditions, plainTreeInfo, withPlainTreesAsLeaves } from "./plain-trees.js";
import { JsonObjectScalar } from "./scalars.js";
import { variableUses } from "./variable-uses.js";

export interface Execution {
  readonly document: DocumentNode;
  /** Null where the document has no operation of the name that was asked for, or several and none was named. */
  readonly operation: OperationDefinitionNode | null;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly contextValue: unknown;
  /** Of the document's text. */
  readonly documentHash: string;
}

export type Execute = (execution: Execution) => ExecutionResult | Promise<ExecutionResult>;

interface ExecutorOptions {
  readonly schema: GraphQLSchema;
  /** The execution of a document from which on it is compiled. */
  readonly compileAt?: number;
  /** Of all that are kept, counted as for one; another document is as much as ten, though it is not compiled. */
  readonly maxKeptFields?: number;
}

/** About 1.9 kB each. */
const DEFAULT_MAX_KEPT_FIELDS = 10_000;
const FIELDS_PER_DOCUMENT = 10;
const DEFAULT_COMPILE_AT = 3;
/** Fields in the compiled code, those of an interface counted once for each of its types. */
const MAX_COMPILED_FIELDS = 2_000;

interface Known {
  executions: number;
  /** Undefined until it comes often enough. */
  compiled: Compiled | undefined;
}

interface Compiled {
  /** Null where it cannot or should not be compiled. */
  readonly query: CompiledQuery | null;
  readonly fields: number;
  /** The variables without which graphql-js has to execute it. */
  readonly neededVariables: readonly string[];
}

const NOT_COMPILED: Compiled = { query: null, fields: 0, neededVariables: [] };

export function createExecutor(options: ExecutorOptions): Execute {
  const { schema, compileAt = DEFAULT_COMPILE_AT, maxKeptFields = DEFAULT_MAX_KEPT_FIELDS } = options;
  const schemas = { schema, treesAsLeaves: withPlainTreesAsLeaves(schema) };
  const known = new LRUCache<string, Known>({
    maxSize: maxKeptFields,
    sizeCalculation: ({ compiled }) => FIELDS_PER_DOCUMENT + (compiled?.fields ?? 0),
  });

  function compiledOf({ document, operation, operationName, documentHash }: Execution): Compiled {
    if (operation === null) return NOT_COMPILED;
    const key = `${documentHash}${operationName ?? ""}`;
    let entry = known.get(key);
    if (entry === undefined) known.set(key, (entry = { executions: 0, compiled: undefined }));
    if (++entry.executions < compileAt) return NOT_COMPILED;
    if (entry.compiled !== undefined) return entry.compiled;
    const compiled = compile(schemas, document, operation);
    // Another object: the same one would not be weighed anew.
    known.set(key, { ...entry, compiled });
    return compiled;
  }

  return (execution) => {
    const { document, operation, operationName, variables, contextValue } = execution;
    const plainly = () => execute({ schema, document, operationName, variableValues: variables, contextValue });
    const { query: compiled, neededVariables } = compiledOf(execution);
    if (compiled === null || operation === null) return plainly();
    const { coerced, errors } = coerceVariables(schema, operation, variables);
    if (errors !== undefined) return { errors };
    if (neededVariables.some((name) => coerced[name] === undefined || coerced[name] === null)) return plainly();
    const result = compiled.query(undefined, contextValue, coerced);
    return isPromise(result) ? result.then(withOwnErrors) : withOwnErrors(result);
  };
}

interface Schemas {
  readonly schema: GraphQLSchema;
  readonly treesAsLeaves: GraphQLSchema;
}

function compile(
  { schema, treesAsLeaves }: Schemas,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): Compiled {
  const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
  const asked: DocumentNode = { ...document, definitions: [operation, ...fragments] };
  const fields = compiledSize(schema, asked, operation, MAX_COMPILED_FIELDS);
  const { canBeCompiled, needed } = variableUses(schema, asked, operation);
  if (fields > MAX_COMPILED_FIELDS || asksForSchema(asked) || !canBeCompiled) return NOT_COMPILED;
  const executed: DocumentNode = { ...document, definitions: [withCoercedVariables(operation), ...fragments] };
  const compiled = compileQuery(hasConditions(asked) ? schema : treesAsLeaves, executed, operation.name?.value, {
    resolverInfoEnricher: plainTreeInfo(schema),
    // By place in the document, as a fragment may be spread where it is skipped and where it is not.
    useExperimentalPathBasedSkipInclude: true,
  });
  return isCompiledQuery(compiled) ? { query: compiled, fields, neededVariables: needed } : NOT_COMPILED;
}

/** What is compiled runs over a schema that nobody is to see: trees are leaves in it. */
function asksForSchema(document: DocumentNode): boolean {
  let asks = false;
  visit(document, {
    [Kind.FIELD]({ name }) {
      if (name.value !== SchemaMetaFieldDef.name && name.value !== TypeMetaFieldDef.name) return undefined;
      asks = true;
      return BREAK;
    },
  });
  return asks;
}

/** Whose variables are taken as they come: of a scalar that lets everything in. */
function withCoercedVariables(operation: OperationDefinitionNode): OperationDefinitionNode {
  const type = { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: JsonObjectScalar.name } } as const;
  const variableDefinitions = operation.variableDefinitions?.map(({ kind, variable }) => ({ kind, variable, type }));
  return { ...operation, variableDefinitions };
}

/** Its errors made anew as graphql-js's: those of graphql-jit cannot be given extensions. */
function withOwnErrors(result: ExecutionResult): ExecutionResult {
  if (result.errors === undefined) return result;
  return { ...result, errors: result.errors.map(ownError) };
}

function ownError({ message, locations, path, originalError }: GraphQLError): GraphQLError {
  const error = new GraphQLError(message, { path, originalError });
  return Object.defineProperty(error, "locations", { value: locations, enumerable: true });
}

function isPromise<T extends object>(value: T | Promise<T>): value is Promise<T> {
  return "then" in value;
}
