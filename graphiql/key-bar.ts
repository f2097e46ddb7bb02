import { keepApiKey, readApiKey } from "./api-key.js";
import type { KeyVerdict } from "./fetcher.js";

function find<T extends Element>(selector: string, kind: new () => T): T {
  const element = document.querySelector(selector);
  if (!(element instanceof kind)) throw new Error(`The page has no ${selector}`);
  return element;
}

/**
 * Wires the bar above GraphiQL: keeps the key as it is typed, calls `onKeyChanged` when the user is done with it (Enter,
 * the button, leaving the field), and shows the verdicts that the server gives.
 */
export function startKeyBar(onKeyChanged: () => void): { show(verdict: KeyVerdict): void } {
  const form = find(".key-form", HTMLFormElement);
  const field = find("#api-key", HTMLInputElement);
  const status = find("#key-status", HTMLElement);

  const say = (text: string, isProblem: boolean): void => {
    status.textContent = text;
    status.classList.toggle("problem", isProblem);
    field.toggleAttribute("aria-invalid", isProblem);
  };
  const sayWhereKept = (): void => {
    say(readApiKey() === "" ? "" : "Sent with every request; kept in this tab until it is closed.", false);
  };

  let isPending = false;
  const settle = (): void => {
    if (!isPending) return;
    isPending = false;
    sayWhereKept();
    onKeyChanged();
  };

  field.value = readApiKey();
  sayWhereKept();
  field.addEventListener("input", () => {
    isPending = keepApiKey(field.value) || isPending;
  });
  field.addEventListener("change", settle);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    settle();
  });

  return {
    show(verdict) {
      if (verdict === "accepted") sayWhereKept();
      else if (verdict === "missing") say("This needs an API key: enter yours here.", true);
      else if (verdict === "refused") say("The server refused this key: it may be mistyped, expired or revoked.", true);
      else say("The server refused the Authorization header of the Headers editor, which wins over this key.", true);
    },
  };
}
