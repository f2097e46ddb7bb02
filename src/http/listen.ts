import type { FastifyInstance } from "fastify";
import { ConfigError } from "../config.js";

interface Address {
  readonly host: string;
  readonly port: number;
  /** The variables that name it. */
  readonly variables: string;
}

/** What is wrong with an address, by the code of the system's error; that it is taken where that is another one. */
const DEMANDS: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: "must be one of this machine",
  ENOTFOUND: "must be one that can be found",
  EAI_AGAIN: "must be one that can be found",
  EACCES: "must be one that this process may take",
};

/** Returns where it listens. Throws ConfigError where that address cannot be had: it is the operator's to choose. */
export async function listen(app: FastifyInstance, { host, port, variables }: Address): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { code = "" } = error as NodeJS.ErrnoException;
    const demand = DEMANDS[code] ?? "must be free";
    throw new ConfigError([`${variables}: the address ${host}:${port} ${demand}: ${error.message}`]);
  }
}
