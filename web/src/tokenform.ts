// Asks for the API token where something was refused for want of it.

import { button, make } from "./dom.ts";
import { apiToken } from "./token.ts";

/** A field and its button; `onUse` is told when there is a token to go on with. */
export function tokenForm(onUse: () => void): [HTMLInputElement, HTMLButtonElement] {
  const field = make("input", {
    type: "password",
    class: "token-field",
    autocomplete: "off",
    "aria-label": "API token",
  });
  const use = () => {
    apiToken.value = field.value;
    onUse();
  };
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    // It is not for what has the focus then.
    event.preventDefault();
    use();
  });
  return [field, button("Use token", use, { class: "run" })];
}
