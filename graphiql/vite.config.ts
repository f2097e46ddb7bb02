import { defineConfig } from "vite";

// oxlint-disable-next-line import/no-default-export -- Vite reads the configuration from the default export.
export default defineConfig({
  base: "/graphiql/",
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
