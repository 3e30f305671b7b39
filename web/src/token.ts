// The API token. Kept for this tab only, and never part of a shared address.

import { tabStore } from "./storage.ts";

const KEY = "faas.token";

export const apiToken = {
  /** Empty for none. */
  get value(): string {
    return tabStore.get(KEY) ?? "";
  },

  set value(token: string) {
    tabStore.set(KEY, token.trim());
  },
};
