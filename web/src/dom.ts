// The only way this page makes elements. Text always becomes text nodes, never markup.

/** The element with this id, which the page must have. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}

type Child = Node | string;

/** A new element with attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A button that does this. */
export function button(
  text: string,
  action: () => void,
  attributes: Record<string, string> = {},
): HTMLButtonElement {
  const made = make("button", { type: "button", class: "quiet small", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

/** Not disabled: a button that loses its place in the focus order leaves keyboards nowhere. */
export function enable(button: HTMLButtonElement, on: boolean): void {
  button.setAttribute("aria-disabled", String(!on));
}

/** Has a button do this while it is enabled. */
export function onClick(button: HTMLButtonElement, action: () => void): void {
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") action();
  });
}
