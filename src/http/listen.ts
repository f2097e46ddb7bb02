import type { FastifyInstance } from "fastify";
import { ConfigError } from "../config.js";

interface Address {
  readonly host: string;
  readonly port: number;
  /** The variables that name it. */
  readonly variables: string;
}

/** Returns where it listens. Throws ConfigError where that address cannot be had: it is the operator's to choose. */
export async function listen(app: FastifyInstance, { host, port, variables }: Address): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new ConfigError([`${variables}: the address ${host}:${port} must be free: ${error.message}`]);
  }
}
