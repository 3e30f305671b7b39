// The editors: of programs and cells, and of a program's input.

import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  closeCompletion,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { python } from "@codemirror/lang-python";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  indentOnInput,
  indentUnit,
} from "@codemirror/language";
import { linter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension, Prec } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  type KeyBinding,
  keymap,
  lineNumbers,
  placeholder,
  tooltips,
} from "@codemirror/view";
import type { Language } from "./api.ts";
import type { Failure, Location } from "./links.ts";
import { theme } from "./theme.ts";

const grammars: Record<Language, () => Extension> = {
  python: () => [python(), indentUnit.of("    ")],
  javascript: () => [javascript(), indentUnit.of("  ")],
  typescript: () => [javascript({ typescript: true }), indentUnit.of("  ")],
};

/** What keys do, by their names in CodeMirror: Mod-Enter, Shift-Enter. */
export type Keys = Record<string, () => void>;

function bindings(keys: Keys): KeyBinding[] {
  return Object.entries(keys).map(([key, action]) => ({
    key,
    run: () => {
      action();
      return true;
    },
  }));
}

function shared(nonce: string, keys: Keys): Extension {
  return [
    EditorView.cspNonce.of(nonce),
    // Before the default keys, one of which inserts a line.
    Prec.highest(keymap.of(bindings(keys))),
    history(),
    drawSelection(),
    highlightSpecialChars(),
    bracketMatching(),
    closeBrackets(),
    indentOnInput(),
    EditorState.allowMultipleSelections.of(true),
    theme,
    keymap.of([
      ...closeBracketsKeymap,
      ...completionKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...historyKeymap,
      ...foldKeymap,
      ...lintKeymap,
      // Escape, then Tab leaves the editor.
      indentWithTab,
    ]),
  ];
}

export interface EditorOptions {
  nonce: string;
  /** Its name, as a screen reader says it. */
  label: string;
  /** The id of the text that says more. */
  describedBy?: string;
  keys: Keys;
  /** When Escape has nothing to close in the editor. */
  onEscape?: () => void;
  onChange: () => void;
}

/** A program, or the code of a cell. */
export class CodeEditor {
  readonly #view: EditorView;
  readonly #language = new Compartment();
  readonly #label = new Compartment();

  constructor(parent: HTMLElement, options: EditorOptions) {
    const { nonce, label, describedBy, keys, onEscape, onChange } = options;
    this.#view = new EditorView({
      parent,
      extensions: [
        shared(nonce, keys),
        // After all others, so that it closes their lists and panels first.
        onEscape ? Prec.lowest(keymap.of(bindings({ Escape: onEscape }))) : [],
        lineNumbers(),
        foldGutter(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        highlightSelectionMatches(),
        autocompletion(),
        // Lists are longer than a cell is high.
        tooltips({ parent: document.body }),
        this.#language.of([]),
        this.#label.of(labelled(label)),
        EditorView.contentAttributes.of({
          ...(describedBy === undefined ? {} : { "aria-describedby": describedBy }),
          spellcheck: "false",
          autocapitalize: "off",
        }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onChange();
        }),
      ],
    });
  }

  get text(): string {
    return this.#view.state.doc.toString();
  }

  /** Another program, with a history of its own change, so that it can be undone. */
  load(language: Language, text: string): void {
    this.setLanguage(language);
    this.#view.dispatch({
      changes: { from: 0, to: this.#view.state.doc.length, insert: text },
      selection: { anchor: 0 },
      scrollIntoView: true,
    });
    this.markFailure(undefined);
  }

  set label(label: string) {
    this.#view.dispatch({ effects: this.#label.reconfigure(labelled(label)) });
  }

  focus(): void {
    this.#view.focus();
  }

  closeLists(): void {
    closeCompletion(this.#view);
  }

  destroy(): void {
    this.#view.destroy();
  }

  /** With none, the text is not coloured. */
  setLanguage(language: Language | undefined): void {
    this.#view.dispatch({
      effects: this.#language.reconfigure(language ? grammars[language]() : []),
    });
  }

  /** Selects the line, shows it and takes the focus. */
  goTo(location: Location): void {
    const { from, to } = this.#range(location);
    this.#view.dispatch({
      selection: { anchor: from, head: to },
      effects: EditorView.scrollIntoView(from, { y: "center" }),
    });
    this.#view.focus();
    this.#view.dom.scrollIntoView({ block: "nearest" });
  }

  /** Underlines where the last execution failed; with none, removes that. */
  markFailure(failure: Failure | undefined): void {
    const diagnostics = failure
      ? [{ ...this.#range(failure), severity: "error" as const, message: failure.message }]
      : [];
    this.#view.dispatch(setDiagnostics(this.#view.state, diagnostics));
  }

  #range({ line, column }: Location): { from: number; to: number } {
    const { doc } = this.#view.state;
    // The program may have become shorter since.
    const found = doc.line(Math.min(Math.max(line, 1), doc.lines));
    const indent = /^\s*/.exec(found.text)?.[0].length ?? 0;
    const offset = column === undefined ? indent : Math.min(column - 1, found.length);
    return { from: found.from + Math.max(offset, 0), to: found.to };
  }
}

function labelled(label: string): Extension {
  return EditorView.contentAttributes.of({ "aria-label": label });
}

/** The request's `input`. */
export class JsonEditor {
  readonly #view: EditorView;

  constructor(parent: HTMLElement, nonce: string, keys: Keys, onChange: () => void) {
    const check = jsonParseLinter();
    this.#view = new EditorView({
      parent,
      extensions: [
        shared(nonce, keys),
        json(),
        linter((view) => (view.state.doc.toString().trim() === "" ? [] : check(view))),
        placeholder('{"any": "JSON"}'),
        EditorView.contentAttributes.of({ "aria-labelledby": "input-label", spellcheck: "false" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onChange();
        }),
      ],
    });
  }

  get text(): string {
    return this.#view.state.doc.toString();
  }

  set text(text: string) {
    this.#view.dispatch({ changes: { from: 0, to: this.#view.state.doc.length, insert: text } });
  }

  /** Why the text is no JSON, or undefined. Nothing at all is fine. */
  get problem(): string | undefined {
    if (this.text.trim() === "") return undefined;
    try {
      JSON.parse(this.text);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  focus(): void {
    this.#view.focus();
  }
}
