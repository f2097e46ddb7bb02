import { startProduct } from "../support/product.js";
import { isolationSuite, ONE_CONNECTION } from "./isolation-suite.js";
import { testRedisUrl } from "../support/test-redis.js";
import { RICH } from "../support/rich.js";

const start = async () => {
  const product = await startProduct({ env: { ...ONE_CONNECTION, ...RICH, REDIS_URL: testRedisUrl() } });
  return { product, stop: () => product.stop() };
};

isolationSuite(start, { half: 0 });
