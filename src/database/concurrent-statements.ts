/** An index as a concurrent migration asks for it. */
export interface IndexToBuild {
  readonly action: "build";
  readonly name: string;
  readonly table: string;
  readonly isUnique: boolean;
  /** What follows the table's name: the columns, and what stands after them. */
  readonly definition: string;
}

export interface IndexToDrop {
  readonly action: "drop";
  readonly name: string;
}

const NAME = "[a-z_][a-z0-9_]*";
const BUILD = new RegExp(`^create( unique)? index concurrently if not exists (${NAME}) on (${NAME}) ([^]+)$`);
const DROP = new RegExp(`^drop index concurrently if exists (${NAME})$`);

/**
 * The statements of a concurrent migration. It holds nothing but these two, in this wording, so that each can be run again
 * after a failure anywhere, and the runner knows how. Throws on anything else.
 */
export function parseConcurrentStatements(text: string): (IndexToBuild | IndexToDrop)[] {
  return text
    .replaceAll(/--.*$/gm, "")
    .split(";")
    .map((statement) => statement.trim().replaceAll(/\s+/g, " "))
    .filter((statement) => statement !== "")
    .map(parseStatement);
}

function parseStatement(statement: string): IndexToBuild | IndexToDrop {
  const [, unique, name, table, definition] = BUILD.exec(statement) ?? [];
  if (name !== undefined && table !== undefined && definition !== undefined) {
    return { action: "build", name, table, isUnique: unique !== undefined, definition };
  }
  const dropped = DROP.exec(statement)?.[1];
  if (dropped !== undefined) return { action: "drop", name: dropped };
  throw new Error(
    "A concurrent migration holds `create [unique] index concurrently if not exists … on …` and " +
      `\`drop index concurrently if exists …\` and nothing else: ${statement}`,
  );
}
