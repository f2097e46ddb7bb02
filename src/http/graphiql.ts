import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";

/**
 * What the page may do, whatever it is made to show: run its own scripts, talk to its own server, be framed by nobody.
 * Monaco writes style elements and starts its workers from scripts of this origin; its icon font is a data address.
 * Workers obey the policy of their own response, so the assets carry it as well.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "script-src 'self'",
  "worker-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self' data:",
  "img-src 'self' data:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const NOT_BUILT = "GraphiQL is not built. Run `npm run build` and start the server again.\n";

async function readIndex(assetsDir: string): Promise<string | undefined> {
  try {
    return await readFile(join(assetsDir, "index.html"), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Serves GraphiQL, as `vite build graphiql` leaves it in `assetsDir`, at `/graphiql` and `/graphiql/` alike. Where it was
 * not built both answer 503 and say how to build it.
 */
export async function registerGraphiql(app: FastifyInstance, options: { assetsDir: string }): Promise<void> {
  const index = await readIndex(options.assetsDir);

  // A scope of its own: the hook must not put this policy on the server's other routes.
  await app.register(async (scope) => {
    scope.addHook("onRequest", async (_request, reply) => {
      reply.headers({
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
      });
    });

    for (const path of ["/graphiql", "/graphiql/"]) {
      scope.get(path, async (_request, reply) => {
        // The page names the hashed assets of one build, so it is asked for each time while they are kept for good.
        reply.header("cache-control", "no-cache");
        if (index === undefined) return reply.code(503).type("text/plain; charset=utf-8").send(NOT_BUILT);
        return reply.type("text/html; charset=utf-8").send(index);
      });
    }
    if (index === undefined) return;

    await scope.register(fastifyStatic, {
      root: join(options.assetsDir, "assets"),
      prefix: "/graphiql/assets/",
      decorateReply: false,
      index: false,
      // As the build has left them beside the files.
      preCompressed: true,
      immutable: true,
      maxAge: "1y",
    });
  });
}
