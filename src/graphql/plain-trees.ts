/**
 * What resolvers hand over and nobody resolves further, written out in one go, as JSON.
 *
 * A page of 20 campaigns with 30 days each is 2,620 leaves below 40 resolvers. An executor asks at each of them whether it is
 * null, an error or a promise, and notes where it is in case there is something to tell; here none of it can be. So a compiled
 * operation sees a plain tree as one leaf, and a function made for its selection writes its text (tree-writer.ts).
 */
import { mapSchema, MapperKind } from "@graphql-tools/utils";
import {
  BREAK,
  type DocumentNode,
  getNamedType,
  type GraphQLFieldConfig,
  GraphQLNonNull,
  type GraphQLOutputType,
  GraphQLScalarType,
  type GraphQLSchema,
  isLeafType,
  isNonNullType,
  isObjectType,
  Kind,
  visit,
} from "graphql";
import type { compileQuery } from "graphql-jit";
import { type TreeWriter, treeWriter } from "./tree-writer.js";

type InfoEnricher = NonNullable<NonNullable<Parameters<typeof compileQuery>[3]>["resolverInfoEnricher"]>;

const PlainTreeScalar = new GraphQLScalarType({ name: "PlainTree" });

/** The same schema, in which what resolvers hand over as plain trees are leaves. Executed with the info of plainTreeInfo. */
export function withPlainTreesAsLeaves(schema: GraphQLSchema): GraphQLSchema {
  return mapSchema(schema, {
    [MapperKind.OBJECT_FIELD]: (field) => {
      const { resolve, type } = field;
      if (resolve === undefined || !isPlainTree(field)) return field;
      return {
        ...field,
        type: isNonNullType(type) ? new GraphQLNonNull(PlainTreeScalar) : PlainTreeScalar,
        resolve: (source, args, context, info) => {
          const { writeTree } = info as PlainTreeInfo;
          if (writeTree === undefined) throw new Error("Nothing tells how to write this tree");
          const value: unknown = resolve(source, args, context, info);
          return value instanceof Promise ? value.then(writeTree) : writeTree(value);
        },
      };
    },
  });
}

interface PlainTreeInfo {
  readonly writeTree?: TreeWriter;
}

/** For each field of an operation, when it is compiled: how its tree is written, where it is one. */
export function plainTreeInfo(schema: GraphQLSchema): InfoEnricher {
  return ({ returnType, parentType, fieldName, fieldNodes, fragments }): PlainTreeInfo => {
    if (getNamedType(returnType).name !== PlainTreeScalar.name) return {};
    const parent = schema.getType(parentType.name);
    const field = isObjectType(parent) ? parent.getFields()[fieldName] : undefined;
    if (field === undefined) return {};
    return { writeTree: treeWriter(field.type, fieldNodes, fragments, `${parentType.name}.${fieldName}`) };
  };
}

/** Whether what the field's resolver hands over is resolved no further, and is more than a leaf. */
export function isPlainTree({
  resolve,
  type,
}: Pick<GraphQLFieldConfig<unknown, unknown>, "resolve" | "type">): boolean {
  return resolve !== undefined && !isLeafType(getNamedType(type)) && isPlain(type);
}

/** Whether objects of it hold all that can be asked of them, down to the leaves. */
function isPlain(type: GraphQLOutputType, around: ReadonlySet<GraphQLOutputType> = new Set()): boolean {
  const named = getNamedType(type);
  if (isLeafType(named)) return true;
  if (!isObjectType(named) || named.getInterfaces().length > 0 || around.has(named)) return false;
  const within = new Set(around).add(named);
  return Object.values(named.getFields()).every(
    (field) => field.resolve === undefined && field.args.length === 0 && isPlain(field.type, within),
  );
}

/** Whether anything in the document is there under a condition: @skip, @include. */
export function hasConditions(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    [Kind.DIRECTIVE]() {
      found = true;
      return BREAK;
    },
  });
  return found;
}
