// RFC 4231 and what else crypto.subtle does with HMAC.
const { subtle } = crypto;
const hex = (buffer) => Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, "0")).join("");
const bytes = (text) => new TextEncoder().encode(text);
for (const [key, data] of [
  [new Uint8Array(20).fill(0x0b), bytes("Hi There")],
  [bytes("Jefe"), bytes("what do ya want for nothing?")],
  [new Uint8Array(131).fill(0xaa), bytes("Test Using Larger Than Block-Size Key - Hash Key First")],
]) {
  for (const hash of ["SHA-1", "SHA-256", { name: "SHA-384" }, "sha-512"]) {
    const imported = await subtle.importKey("raw", key, { name: "HMAC", hash }, false, ["sign", "verify"]);
    const mac = await subtle.sign("HMAC", imported, data);
    console.log(hex(mac));
    const wrong = new Uint8Array(mac.slice(0));
    wrong[3] ^= 1;
    console.log(
      await subtle.verify("HMAC", imported, mac, data),
      await subtle.verify({ name: "hmac" }, imported, wrong, data),
      await subtle.verify("HMAC", imported, mac.slice(1), data),
    );
  }
}
const key = await subtle.importKey("raw", bytes("k\u00e9y?>~"), { name: "HMAC", hash: "SHA-256" }, true, ["verify", "sign"]);
console.log(key, key instanceof CryptoKey, Object.prototype.toString.call(key), key.usages);
const jwk = await subtle.exportKey("jwk", key);
console.log(jwk, hex(await subtle.exportKey("raw", key)));
const back = await subtle.importKey("jwk", jwk, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
console.log(hex(await subtle.sign("HMAC", back, new DataView(bytes("abc").buffer, 1))));
for (const [hash, length] of [["SHA-1"], ["SHA-256"], ["SHA-512"], ["SHA-256", 128]]) {
  const made = await subtle.generateKey({ name: "HMAC", hash, length }, true, ["sign", "verify"]);
  console.log(made.type, made.algorithm.length, made.usages, (await subtle.exportKey("raw", made)).byteLength);
}
const secret = await subtle.importKey("raw", new Uint8Array(4), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
for (const attempt of [
  () => subtle.importKey("raw", new Uint8Array(0), { name: "HMAC", hash: "SHA-256" }, true, ["sign"]),
  () => subtle.importKey("raw", new Uint8Array(4), { name: "HMAC", hash: "SHA-256" }, true, ["encrypt"]),
  () => subtle.importKey("raw", new Uint8Array(4), { name: "HMAC", hash: "SHA-256" }, true, []),
  () => subtle.importKey("raw", new Uint8Array(4), { name: "HMAC", hash: "MD5" }, true, ["sign"]),
  () => subtle.importKey("raw", "abc", { name: "HMAC", hash: "SHA-256" }, true, ["sign"]),
  () => subtle.importKey("jwk", { kty: "oct", k: "AA", alg: "HS512" }, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]),
  () => subtle.importKey("jwk", { kty: "RSA", k: "AA" }, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]),
  () => subtle.verify("HMAC", secret, new Uint8Array(32), new Uint8Array(1)),
  () => subtle.sign("HMAC", {}, new Uint8Array(1)),
  () => subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, []),
]) {
  await attempt().then(
    () => console.log("should have failed"),
    (error) => console.log(error.name),
  );
}
