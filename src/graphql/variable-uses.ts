/**
 * What of an operation's variables compiled code gets wrong (graphql-jit 0.8.9). A variable that is the whole value of an argument it
 * takes as graphql-js does. Of one inside a literal it makes null where it was left out, lets null pass where none may be, and it
 * forgets those inside the literal of a scalar, which only the scalar understands.
 */
import {
  type DocumentNode,
  getNamedType,
  type GraphQLSchema,
  isInputObjectType,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql";

export interface VariableUses {
  /** False: graphql-js has to execute it, whatever the variables are. */
  readonly canBeCompiled: boolean;
  /** Where one of these is null or left out, graphql-js has to execute it as well. */
  readonly needed: readonly string[];
}

const NEVER: VariableUses = { canBeCompiled: false, needed: [] };

/** Of a valid document: the operation, and its fragments. */
export function variableUses(
  schema: GraphQLSchema,
  document: DocumentNode,
  { variableDefinitions = [] }: OperationDefinitionNode,
): VariableUses {
  // Left out, `toString` would be what every object has.
  if (variableDefinitions.some(({ variable }) => variable.name.value in Object.prototype)) return NEVER;
  const nullable = new Set(
    variableDefinitions.flatMap(({ type, variable }) =>
      type.kind === Kind.NON_NULL_TYPE ? [] : [variable.name.value],
    ),
  );
  const needed = new Set<string>();
  let isInScalar = false;
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      [Kind.OBJECT](node) {
        const type = types.getInputType();
        if (isInputObjectType(getNamedType(type))) return undefined;
        visit(node, { [Kind.VARIABLE]: () => void (isInScalar = true) });
        return false;
      },
      [Kind.VARIABLE]({ name }, _key, parent) {
        const isWhole = parent !== undefined && "kind" in parent && parent.kind === Kind.ARGUMENT;
        if (nullable.has(name.value) && (!isWhole || isNonNullType(types.getInputType()))) needed.add(name.value);
      },
      [Kind.VARIABLE_DEFINITION]: () => false,
    }),
  );
  return isInScalar ? NEVER : { canBeCompiled: true, needed: [...needed] };
}
