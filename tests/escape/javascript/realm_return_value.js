// Returns values that act while they are turned into text.
// Known from: serializers that trust toJSON, getters and proxies.
// timeout: 1000
const value = { toJSON() { return new Proxy({}, { ownKeys() { return ["a", "a".repeat(1e6)]; }, get: () => value, getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: 1 }) }); } };
return value;
