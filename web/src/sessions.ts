// The service's sessions: states that cells go on from.

import { ApiFailure, authorization, failureOf } from "./api.ts";
import type { FileOfSession, Session, Variables } from "./schema.ts";
import { apiToken } from "./token.ts";

export type { FileOfSession, Session, Variables } from "./schema.ts";

type Method = "GET" | "POST" | "PUT" | "DELETE";

/** @throws ApiFailure for a refusal, TypeError if the server cannot be reached. */
async function ask(method: Method, path: string, body?: BodyInit): Promise<Response> {
  const headers = authorization(apiToken.value);
  if (typeof body === "string") headers["Content-Type"] = "application/json";
  const response = await fetch(`sessions${path}`, {
    method,
    headers,
    cache: "no-store",
    ...(body === undefined ? {} : { body }),
  });
  if (!response.ok) throw await failureOf(response);
  return response;
}

async function askJson<T>(method: Method, path: string, fields?: object): Promise<T> {
  const response = await ask(method, path, fields && JSON.stringify(fields));
  return (await response.json()) as T;
}

const fileOf = (id: string, name: string) =>
  `/${id}/files/${name.split("/").map(encodeURIComponent).join("/")}`;

export const sessions = {
  open: (language: string) => askJson<Session>("POST", "", { language }),
  find: (id: string) => askJson<Session>("GET", `/${id}`),
  undo: (id: string) => askJson<Session>("POST", `/${id}/undo`, { steps: 1 }),
  restart: (id: string) => askJson<Session>("POST", `/${id}/restart`),
  variables: (id: string) => askJson<Variables>("GET", `/${id}/variables`),

  async list(): Promise<Session[]> {
    return (await askJson<{ sessions: Session[] }>("GET", "")).sessions;
  },

  async end(id: string): Promise<void> {
    await ask("DELETE", `/${id}`);
  },

  async fork(id: string): Promise<Session> {
    const { sessions } = await askJson<{ sessions: Session[] }>("POST", `/${id}/fork`, {});
    if (!sessions[0]) throw new ApiFailure(200, "The answer has no session", "");
    return sessions[0];
  },

  /** Says whether a cell was running. */
  async interrupt(id: string): Promise<boolean> {
    return (await askJson<{ interrupted: boolean }>("POST", `/${id}/interrupt`)).interrupted;
  },

  async files(id: string): Promise<FileOfSession[]> {
    return (await askJson<{ files: FileOfSession[] }>("GET", `/${id}/files`)).files;
  },

  async readFile(id: string, name: string): Promise<Blob> {
    return (await ask("GET", fileOf(id, name))).blob();
  },

  async putFile(id: string, name: string, content: Blob): Promise<void> {
    await ask("PUT", fileOf(id, name), content);
  },

  async deleteFile(id: string, name: string): Promise<void> {
    await ask("DELETE", fileOf(id, name));
  },
};

/** Whether a refusal says that the session is no more. */
export function isGone(error: unknown): error is ApiFailure {
  return error instanceof ApiFailure && (error.status === 404 || error.status === 410);
}
