import { writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** Below it the answer's head weighs as much as what is saved. */
const LEAST_BYTES = 1_400;
/** Of Brotli's eleven: the last two take ten times as long for a twentieth less. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };

/** Seven megabytes, mostly Monaco: compressed once, when the page is built, beside each file. Browsers take Brotli over TLS alone. */
const compressed: Plugin = {
  name: "compressed",
  apply: "build",
  async writeBundle({ dir = "" }, bundle) {
    await Promise.all(
      Object.values(bundle).map(async (file) => {
        const bytes = Buffer.from(file.type === "chunk" ? file.code : file.source);
        if (bytes.length < LEAST_BYTES || !file.fileName.startsWith("assets/")) return;
        const place = path.join(dir, file.fileName);
        await writeFile(`${place}.br`, await promisify(brotliCompress)(bytes, BROTLI));
        await writeFile(`${place}.gz`, await promisify(gzip)(bytes));
      }),
    );
  },
};

// oxlint-disable-next-line import/no-default-export -- Vite reads the configuration from the default export.
export default defineConfig({
  base: "/graphiql/",
  plugins: [compressed],
  build: {
    outDir: "../dist/graphiql",
    emptyOutDir: true,
    // Monaco alone passes the 500 kB at which Vite warns; it loads after the page is drawn and from the same machine.
    chunkSizeWarningLimit: 8_000,
    rolldownOptions: {
      // GraphiQL's dependencies say "use client" to servers that render React; there is none here, and each would warn.
      onLog(level, log, handler) {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") handler(level, log);
      },
    },
  },
  worker: { format: "es" },
});
