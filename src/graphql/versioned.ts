/**
 * Which answers may be given again as they are. A field is versioned where its value changes with nothing but what the
 * tenant's version tells of, the reader's authority, and the clock as far as the field says so (AnswerLife). Fields that are
 * read off an object are versioned with it; one with a resolver only where it is declared so: a new field is not, until
 * somebody has thought about it.
 */
import {
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
  OperationTypeNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql";
import { Extensions } from "type-graphql";

/** Declares a field with a resolver versioned. */
export function Versioned(): MethodDecorator {
  return Extensions({ isVersioned: true });
}

/** Operations are the same objects each time a document comes: Apollo keeps what it has parsed. */
const known = new WeakMap<OperationDefinitionNode, boolean>();

/** Whether all that the operation asks for is versioned. */
export function isVersioned(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): boolean {
  let versioned = known.get(operation);
  if (versioned === undefined) {
    versioned = operation.operation === OperationTypeNode.QUERY && everyFieldIs(schema, document);
    known.set(operation, versioned);
  }
  return versioned;
}

/** Of the document's other operations as well: that is no loss, since few documents have several. */
function everyFieldIs(schema: GraphQLSchema, document: DocumentNode): boolean {
  const types = new TypeInfo(schema);
  let every = true;
  visit(
    document,
    visitWithTypeInfo(types, {
      Field(node: FieldNode) {
        const field = types.getFieldDef();
        if (field === null || field === undefined) every = false;
        // The schema itself changes with a release, which addresses do not tell.
        else if (node.name.value.startsWith("__") && node.name.value !== "__typename") every = false;
        else if (field.resolve !== undefined && field.extensions["isVersioned"] !== true)
          every &&= node.name.value === "__typename";
      },
    }),
  );
  return every;
}
