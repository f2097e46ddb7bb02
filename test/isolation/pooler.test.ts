import { inject } from "vitest";
import { startPooler } from "../support/test-pooler.js";
import { startProduct } from "../support/product.js";
import { isolationSuite, ONE_CONNECTION } from "./isolation-suite.js";
import { RICH } from "../support/rich.js";

// Two connections to each database for the server and the worker, which have six: each transaction may find another one.
const start = async () => {
  const pooler = await startPooler(inject("postgresUrl"), { serverConnections: 2 });
  const through = async (direct: string): Promise<string> => pooler.url(direct);
  const env = { ...ONE_CONNECTION, PREPARED_STATEMENTS: "off" };
  const product = await startProduct({ env: { ...env, ...RICH }, eventsUrl: through, metricsUrl: through });
  return {
    product,
    stop: async () => {
      await product.stop();
      await pooler.stop();
    },
  };
};

// What is kept in front of the databases is the same without a pooler.
isolationSuite(start, { times: 2, half: 1 });
