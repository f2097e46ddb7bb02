import { GraphQLError } from "graphql";
import type { Logger } from "../observability/logger.js";

/**
 * Where an item of a list fails at once, graphql-js lets go of what it waits for in the items before. When such a field fails as well
 * nobody hears of it, and Node would end the process, for all tenants. The answer has told of the first failure: that is enough.
 * Whatever else is refused without being heard is a bug, and ends the process as always. Returns what takes this back.
 */
export function outliveAbandonedFields(log: Logger): () => void {
  const hear = (reason: unknown): void => {
    if (!(reason instanceof GraphQLError)) throw reason;
    log.debug({ path: reason.path, reason: reason.message }, "a field failed after its answer was known");
  };
  process.on("unhandledRejection", hear);
  return () => void process.off("unhandledRejection", hear);
}
