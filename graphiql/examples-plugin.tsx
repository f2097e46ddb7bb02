import { type GraphiQLPlugin, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import type { Example } from "./examples.js";

function ExamplesIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round">
      <path d="M12 3a6.5 6.5 0 0 0-3.5 12v2.5h7V15A6.5 6.5 0 0 0 12 3Z" strokeLinejoin="round" />
      <path d="M9.5 20.5h5M10.5 12l1.5 1.5 1.5-1.5M12 13.5v4" />
    </svg>
  );
}

/** A pane in GraphiQL's sidebar that opens an example in a tab of its own. */
export function createExamplesPlugin(examples: readonly Example[]): GraphiQLPlugin {
  function ExamplesPane() {
    const { addTab } = useGraphiQLActions();
    const queryEditor = useGraphiQL((state) => state.queryEditor);
    const isTabEmpty = useGraphiQL((state) => !state.tabs[state.activeTabIndex]?.query?.trim());

    const open = (example: Example): void => {
      // What the user wrote is never overwritten.
      if (!isTabEmpty) addTab();
      queryEditor?.setValue(example.query);
      queryEditor?.focus();
    };
    return (
      <section className="examples">
        <div className="graphiql-doc-explorer-title">Examples</div>
        <p>Each opens in a tab of its own. Dates cover the last 30 days, or less.</p>
        <ul>
          {examples.map((example) => (
            <li key={example.title}>
              <button type="button" onClick={() => open(example)}>
                <strong>{example.title}</strong>
                <span>{example.about}</span>
              </button>
            </li>
          ))}
        </ul>
      </section>
    );
  }
  return { title: "Examples", icon: ExamplesIcon, content: ExamplesPane };
}
