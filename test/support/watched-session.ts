import type { DatabaseName } from "../../src/database/database-name.js";
import type { Session } from "../../src/database/pool.js";

/** What a statement answered. */
export interface WatchedAnswer {
  readonly name: string;
  /** As JSON. */
  readonly chars: number;
}

/** A session that tells of each answer, before whoever asked has it. */
export function watchedSession<D extends DatabaseName>(
  session: Session<D>,
  onAnswer: (answer: WatchedAnswer) => Promise<unknown> | unknown,
): Session<D> {
  return {
    async run(statement) {
      const rows = await session.run(statement);
      await onAnswer({ name: statement.name, chars: JSON.stringify(rows).length });
      return rows;
    },
  };
}
