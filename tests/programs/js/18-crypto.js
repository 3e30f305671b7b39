const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('');
(async () => {
  const data = new TextEncoder().encode('The quick brown fox jumps over the lazy dog'); for (const a of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512', { name: 'sha-256' }]) console.log(hex(await crypto.subtle.digest(a, data)));
  console.log(hex(await crypto.subtle.digest('SHA-256', new ArrayBuffer(0))), hex(await crypto.subtle.digest('SHA-256', new DataView(data.buffer, 4, 5)))); await crypto.subtle.digest('MD5', data).catch((e) => console.log(e.name)); await crypto.subtle.digest('SHA-256', 'str').catch((e) => console.log(e.name));
  const a = crypto.getRandomValues(new Uint8Array(16)); const b = crypto.getRandomValues(new Uint32Array(4)); console.log(a.length, b.length, a.some((x) => x), crypto.getRandomValues(a) === a, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()), crypto.randomUUID() !== crypto.randomUUID());
  for (const bad of [new Float32Array(1), new Uint8Array(70000), 'x']) { try { crypto.getRandomValues(bad); console.log('ok'); } catch (e) { console.log(e.name === 'TypeError' ? 'TypeMismatchError' : e.name); } } console.log(typeof crypto, String(crypto), String(crypto.subtle));
})();
