// A program in the address: #code=… is deflated JSON in base64url. It never leaves the browser.

export interface Shared {
  language: string;
  code: string;
  input?: string;
  packages?: string;
}

const PREFIX = "#code=";
/** Longest program taken from an address, unpacked. A few bytes can deflate a lot. */
const MOST_BYTES = 2_000_000;

/** The fragment that carries a program. */
export async function toFragment(shared: Shared): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(shared));
  const packed = await collect(through(bytes, new CompressionStream("deflate-raw")), Infinity);
  let binary = "";
  for (const byte of packed) binary += String.fromCharCode(byte);
  return PREFIX + btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The program in a fragment, or undefined if it has none or a broken one. */
export async function fromFragment(fragment: string): Promise<Shared | undefined> {
  if (!fragment.startsWith(PREFIX)) return undefined;
  try {
    const text = fragment.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/");
    const packed = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const unpacked = through(packed, new DecompressionStream("deflate-raw"));
    const bytes = await collect(unpacked, MOST_BYTES);
    return checked(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return undefined;
  }
}

function checked(value: unknown): Shared | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { language, code, input, packages } = value as Record<string, unknown>;
  if (typeof language !== "string" || typeof code !== "string") return undefined;
  return {
    language,
    code,
    ...(typeof input === "string" ? { input } : {}),
    ...(typeof packages === "string" ? { packages } : {}),
  };
}

function through(
  bytes: Uint8Array<ArrayBuffer>,
  transform: CompressionStream | DecompressionStream,
): ReadableStream<Uint8Array> {
  return new Blob([bytes]).stream().pipeThrough(transform);
}

async function collect(stream: ReadableStream<Uint8Array>, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      void reader.cancel();
      throw new Error("too long");
    }
    chunks.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
