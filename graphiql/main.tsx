/* oxlint-disable import/no-unassigned-import -- style sheets and the workers are imported for what they do */
import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./page.css";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { createRoot } from "react-dom/client";
import { readApiKey } from "./api-key.js";
import { startCostLine } from "./cost-line.js";
import { makeExamples } from "./examples.js";
import { createExamplesPlugin } from "./examples-plugin.js";
import { createFetcher } from "./fetcher.js";
import { startKeyBar } from "./key-bar.js";
import { storageWithoutHeaders } from "./storage-without-headers.js";

const container = document.querySelector("#graphiql");
if (container === null) throw new Error("The page has no #graphiql");
const root = createRoot(container);

const examples = makeExamples(new Date());
const plugins = [createExamplesPlugin(examples), HISTORY_PLUGIN];
const keyBar = startKeyBar(render);
const costLine = startCostLine();

/** A new fetcher is GraphiQL's sign to fetch the schema again, so each changed key gets one; all else keeps its identity. */
function render(): void {
  const fetcher = createFetcher({ endpoint: "/graphql", readApiKey, onVerdict: keyBar.show, onCost: costLine.show });
  root.render(
    <GraphiQL
      fetcher={fetcher}
      plugins={plugins}
      defaultTabs={[{ query: examples[0].query }]}
      storage={storageWithoutHeaders}
      shouldPersistHeaders={false}
      isHeadersEditorEnabled
      inputValueDeprecation
      schemaDescription
    >
      <GraphiQL.Logo>
        Graph<em>i</em>QL
      </GraphiQL.Logo>
    </GraphiQL>,
  );
}

render();
